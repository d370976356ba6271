"""What the ledger commits to of a rectification: before and after, as keyed digests alone."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from retention import merkle
from retention.encoding import encode
from retention.installation import Installation
from retention.planning.memory import record_token
from retention.requests.model import Kind
from retention.stores import control
from tests.engine.asking import ask, customer, done
from tests.engine.lives import ACTIVE, ARCHIVE
from tests.engine.small import Small
from tests.engine.stored import fetch

NAME = "user.name"
NEW = "Right Name"


def committed(installation: Installation, table: str, key: list[Any], *values: Any) -> str:
    """The root of one row's commitment, made anew from what a certificate would show."""
    stored = fetch(installation.stores.control, control.transitions)
    (row,) = [r for r in stored if (r["table_name"], r["transition"]) == (table, "rectify")]
    context = f"salt:{row['run_id']}:{table}:rectify"
    salt = installation.keyring.unseal(context, row["salt"])
    digests = [installation.keyring.row_digest(side) for side in values]
    return merkle.leaf(salt, encode([table, *key, *digests])).hex()


def entered(installation: Installation, table: str) -> dict[str, Any]:
    stored = fetch(installation.stores.control, control.ledger)
    (entry,) = [r for r in stored if (r["table_name"], r["transition"]) == (table, "rectify")]
    return entry


def test_a_correction_commits_to_what_was_there_and_what_is(either: Small) -> None:
    (row,) = [r for r in either.rows("crm.customers") if r["customer_id"] == ACTIVE]
    with either.opened() as installation:
        request = ask(installation, Kind.rectification, [customer(ACTIVE)], corrections={NAME: NEW})
        done(installation, request)
        (now,) = [r for r in either.rows("crm.customers") if r["customer_id"] == ACTIVE]
        assert (row["name"], now["name"]) != (NEW, row["name"])
        place = f"crm.customers:{ACTIVE}:name"
        root = entered(installation, "crm.customers")["merkle_root"]
        true = ({place: row["name"]}, {place: now["name"]})
        assert committed(installation, "crm.customers", [ACTIVE], *true) == root
        for wrong in (true[::-1], ({place: "other"}, true[1]), (true[0], {place: "other"}), ()):
            assert committed(installation, "crm.customers", [ACTIVE], *wrong) != root
        assert NEW not in repr(entered(installation, "crm.customers"))


def test_so_does_one_in_the_archive(small: Small) -> None:
    small.run()
    with small.opened() as installation:
        corrections = {"user.contact.email": "right@example.org"}
        request = ask(
            installation, Kind.rectification, [], archived=[customer(ARCHIVE)],
            corrections=corrections,
        )  # fmt: skip
        done(installation, request)
        root = entered(installation, "archive")["merkle_root"]
        places = {}
        for item in small.archived():
            for name, value in item["values"].items():
                if name.rpartition(".")[2] == "email" and value == "right@example.org":
                    keys = installation.catalogue.table(item["table"]).key
                    key = tuple(item["values"][part] for part in keys)
                    token = record_token(installation.keyring, item["table"], key)
                    places[token, item["incarnation"]] = name
        assert set(places.values()) == {"email", "owner.email"}

        def roots(before: str) -> set[str]:
            sides = [({name: before}, {name: "right@example.org"}) for name in places.values()]
            leaves = [
                bytes.fromhex(committed(installation, "archive", list(place), *both))
                for place, both in zip(places, sides, strict=True)
            ]
            return {merkle.root(list(order)).hex() for order in permutations(leaves)}

        assert root in roots(f"person{ARCHIVE}@example.org")
        assert root not in roots("other@example.org")
