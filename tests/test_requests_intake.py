"""The intake's reading: what is taken, in which form, and that nothing doubtful gets in."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.policy.table import read_policy
from retention.requests.model import Asked, Kind
from retention.requests.taking_in.intake import (
    KEYS,
    NewRequest,
    Rejected,
    Unreadable,
    Verification,
    read_document,
    read_request,
)
from tests.intake_support import CANARY, TODAY, good, mangled, spoiled


def read(document: object, **more: Any) -> NewRequest:
    return read_request(document, "FR", today=TODAY, **more)


def refused(document: object, **more: Any) -> tuple[str, ...]:
    with pytest.raises(Rejected) as caught:
        read(document, **more)
    assert caught.value.reasons
    return caught.value.reasons


def test_a_whole_request_is_read() -> None:
    verified = {"by": "customer area", "how": "logged in"}
    found = read(good(message=" Bonjour,\r\nmerci. ", verified=verified))
    assert found == NewRequest(
        Kind.erasure,
        Asked(
            family_name="Lefèvre",
            first_name=CANARY,
            email="canari@courriel.example",
            phone="+33639981234",
            address="3 rue des Oiseaux 75011 Paris",
            customer_ref="4711",
            message="Bonjour,\nmerci.",
        ),
        date(2026, 11, 20),
        Verification("customer area", "logged in"),
    )


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.rectification])
def test_every_kind_is_taken(kind: Kind) -> None:
    assert read({"kind": kind.value, "email": "a@b.fr"}).kind is kind


@pytest.mark.parametrize(
    ("field", "given", "taken"),
    [
        ("family_name", "  Le \t".replace("\t", "\u2003") + "Goff\u00a0", "Le Goff"),
        ("family_name", unicodedata.normalize("NFD", "Lefèvre"), "Lefèvre"),
        ("family_name", "O'Brien-d’Été", "O'Brien-d’Été"),
        ("first_name", "نگار\u200cین", "نگار\u200cین"),
        ("first_name", "李小龙", "李小龙"),
        ("email", " Jean.Petit@EXAMPLE.FR ", "Jean.Petit@example.fr"),
        ("email", "jean+news@exemple.fr", "jean+news@exemple.fr"),
        ("email", "a@xn--exmple-cva.fr", "a@exémple.fr"),
        ("phone", "06.39.98.12.34", "+33639981234"),
        ("phone", "+33 (0)6 39 98 12 34", "+33639981234"),
        ("phone", "0033 6-39-98-12-34", "+33639981234"),
        ("phone", "+32 470 12 34 56", "+32470123456"),
        ("phone", "\uff10６\u202f39\u00a098 12 34", "+33639981234"),
        ("customer_ref", "C-0042 ", "C-0042"),
        ("address", "1 rue A\r\n\t75001  Paris", "1 rue A 75001 Paris"),
    ],
)
def test_what_looks_the_same_becomes_the_same(field: str, given: str, taken: str) -> None:
    assert getattr(read(good(**{field: given})).asked, field) == taken


def test_a_phone_number_without_a_country_is_of_the_region_that_is_set() -> None:
    document = good(phone="0470 12 34 56")
    found = read_request(document, "BE", today=TODAY)
    assert found.asked.phone == "+32470123456"


def test_null_says_that_a_field_is_not_given() -> None:
    nulls = dict.fromkeys(("phone", "address", "corrections", "message", "verified"))
    found = read(good(**nulls))
    assert found.asked.said().keys() == {"family_name", "first_name", "email", "customer_ref"}
    assert found.verified is None


@pytest.mark.parametrize(
    "who",
    [
        {"email": "a@b.fr"},
        {"phone": "0639981234"},
        {"customer_ref": "7"},
        {"family_name": "A", "first_name": "B", "address": "C"},
    ],
)
def test_it_is_enough_to_say_who_asks(who: dict[str, str]) -> None:
    assert read({"kind": "access", **who}).asked.said().keys() == who.keys()


@pytest.mark.parametrize(
    "who",
    [
        {},
        {"family_name": "A", "first_name": "B"},
        {"family_name": "A", "address": "C"},
        {"first_name": "B", "address": "C"},
        {"family_name": "A", "first_name": "B", "address": None},
        {"message": "a@b.fr"},
    ],
)
def test_too_little_is_not_enough(who: dict[str, Any]) -> None:
    (reason,) = refused({"kind": "access", **who})
    assert reason.startswith("who asks? it needs email, phone or customer_ref")


def test_every_fault_is_told_at_once() -> None:
    reasons = refused(
        {"kind": "erase", "received_on": "soon", "email": "x", "phone": 1, "message": "", "nom": 1}
    )
    fields = [reason.split(":")[0] for reason in reasons]
    assert fields[1:] == ["kind", "email", "phone", "message", "received_on"]
    assert fields[0].startswith("a key that is not known")


def test_a_misspelt_key_is_recognised_yet_not_shown() -> None:
    assert refused(good(familyname="Canari")) == ("a key that is not known ('family_name'?)",)


def test_a_flood_of_unknown_keys_is_told_in_few_lines() -> None:
    reasons = refused({f"emial{number}": 1 for number in range(50_000)} | good())
    assert len(reasons) == 6
    assert reasons[-1] == "49995 more keys that are not known"


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2026-11-25", "received_on: it is in the future"),
        ("2025-11-22", "received_on: it is more than 366 days ago"),
        ("2026-02-30", "received_on: it is not a day (YYYY-MM-DD)"),
    ],
)
def test_an_implausible_day_is_refused(day: str, said: str) -> None:
    assert refused(good(received_on=day)) == (said,)


@pytest.mark.parametrize("day", ["2026-11-24", "2025-11-23"])
def test_the_ends_of_what_is_plausible_are_taken(day: str) -> None:
    assert read(good(received_on=day)).received_on == date.fromisoformat(day)


def test_without_a_day_it_is_received_when_it_arrived() -> None:
    arrived = date(2026, 11, 21)
    assert read(good(received_on=None), arrived=arrived).received_on == arrived
    assert read(good(received_on=None)).received_on == TODAY
    assert read(good(), arrived=arrived).received_on == date(2026, 11, 20)


def test_a_correction_is_cleaned_as_what_it_is() -> None:
    found = read(
        good(
            kind="rectification",
            corrections={
                "user.contact.email": " New@EXAMPLE.fr ",
                "user.contact.phone_number": "06 39 98 00 00",
                "user.name.last": "  Le  Goff",
                "user.contact.address.street": "2 rue B\nbât. C",
            },
        )
    )
    assert found.asked.corrections == {
        "user.contact.email": "New@example.fr",
        "user.contact.phone_number": "+33639980000",
        "user.name.last": "Le Goff",
        "user.contact.address.street": "2 rue B bât. C",
    }


def test_a_correction_of_a_category_of_ones_own_is_taken_where_the_policy_has_it() -> None:
    document = good(kind="rectification", corrections={"user.name.maiden": "Petit"})
    assert read(document, custom=("user.name.maiden",)).asked.corrections
    assert len(refused(document)) == 1


@pytest.mark.parametrize(
    ("corrections", "said"),
    [
        (None, "corrections: a rectification needs at least one"),
        ({}, "corrections: a rectification needs at least one"),
        ({"user.name.lats": "x"}, "number 1: it is not a category of a person's data"),
        ({"system.operations": "x"}, "number 1: it is not a category of a person's data"),
        ({CANARY: "x"}, "number 1: it is not a category of a person's data"),
        ({"": "x"}, "number 1: it is not a category of a person's data"),
        ({"user.authorization.password": "x"}, "it is not corrected by a request"),
        ({"user.unique_id": "x"}, "it is not corrected by a request"),
        ({"user.contact.email": CANARY}, "user.contact.email: it is not an e-mail address"),
        ({"user.contact.phone_number": "12"}, "phone_number: it is not a phone number"),
        ({"user.name.last": None}, "user.name.last: it is required"),
        ({"user.name.last": " "}, "user.name.last: it is empty; leave it out"),
        ({"user.name.last": 5}, "user.name.last: it is not text"),
        ({"user.name.last": "x" * 1_001}, "it is longer than 1000 characters"),
        ({f"user.name.{n}": "x" for n in range(21)}, "more than 20; write several requests"),
    ],
)
def test_a_rectification_says_what_to_correct(corrections: Any, said: str) -> None:
    (reason,) = refused(good(kind="rectification", corrections=corrections))
    assert reason.startswith("corrections: ") and reason.endswith(said)


def test_bytes_are_read_with_and_without_a_mark() -> None:
    data = json.dumps(good(), ensure_ascii=False).encode()
    assert read_document(data) == read_document(b"\xef\xbb\xbf" + data) == good()


@pytest.mark.parametrize("end", range(1, 120, 7))
def test_half_a_file_is_unreadable_rather_than_wrong(end: int) -> None:
    """Its writer may still be at work."""
    data = json.dumps(good(), ensure_ascii=False).encode()
    with pytest.raises(Unreadable):
        read_document(data[:-end])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"email": "a@b.fr", "email": "c@d.fr"}', "key 'email' is given twice"),
        (b'{"Canari": 1, "Canari": 2}', "a key is given twice"),
        (b'{"verified": {"by": 1, "by": 2}}', "a key is given twice"),
        (b'{"kind": NaN}', "it is not JSON that can be read"),
        (b"[" * 100_000, "it is not JSON that can be read"),
    ],
)
def test_json_that_says_two_things_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(Rejected) as caught:
        read_document(data)
    assert caught.value.reasons == (said,)
    assert not isinstance(caught.value, Unreadable)


def test_ten_thousand_malformed_requests_are_each_refused_with_a_reason() -> None:
    rng = random.Random(4)
    for number in range(10_000):
        if number % 5 == 0:
            with pytest.raises(Rejected) as caught:
                read(read_document(mangled(rng)))
        else:
            with pytest.raises(Rejected) as caught:
                read(spoiled(rng))
        assert caught.value.reasons
        told = "\n".join(caught.value.reasons)
        assert "anari" not in told
        assert told.isprintable() or "\n" in told
        assert max(map(len, caught.value.reasons)) < 250


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
PLAUSIBLE = st.dictionaries(
    st.sampled_from(KEYS), ANYTHING | st.sampled_from([*Kind, "a@b.fr", "2026-11-20", "0639981234"])
)


@given(PLAUSIBLE | ANYTHING)
@settings(max_examples=300)
def test_whatever_comes_is_read_or_refused(document: object) -> None:
    try:
        found = read(document)
    except Rejected as error:
        assert error.reasons  # noqa: PT017 - either end is right
        return
    assert isinstance(document, dict)
    assert document["kind"] == found.kind
    assert found.asked.said()
    for name, value in found.asked.said().items():
        assert value == value.strip() == unicodedata.normalize("NFC", value)
        assert isinstance(document[name], str)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_whatever_bytes_come_are_json_or_refused(data: bytes) -> None:
    try:
        read_document(data)
    except Rejected as error:
        assert error.reasons  # noqa: PT017 - either end is right


@given(st.text(max_size=60))
@settings(max_examples=500)
def test_no_text_gets_in_with_anything_hidden(value: str) -> None:
    try:
        found = read(good(family_name=value, message=value, email=None))
    except Rejected:
        return
    name, message = found.asked.family_name, found.asked.message
    assert name is not None and message is not None
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]", name)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", message)
    assert "".join(name.split()) == "".join(unicodedata.normalize("NFC", value).split())


@given(st.text("0123456789+ ().-/", max_size=20))
def test_a_phone_number_is_e164_or_refused(value: str) -> None:
    try:
        found = read(good(phone=value))
    except Rejected:
        return
    assert found.asked.phone is not None
    assert re.fullmatch(r"\+[1-9][0-9]{4,16}", found.asked.phone)
    assert read(good(phone=found.asked.phone)).asked.phone == found.asked.phone


POLICY = read_policy(Path(__file__).parent.parent / "policies" / "callimedia.yaml")
PURPOSES = POLICY.version_on(TODAY).purposes


def objection(purposes: Any, kind: str = "objection") -> dict[str, Any]:
    return {"kind": kind, "email": "a@b.fr", "purposes": purposes}


@pytest.mark.parametrize(
    ("named", "taken"),
    [
        (["trackers"], ("trackers",)),
        (["trackers", "connection_security", "trackers"], ("connection_security", "trackers")),
        (["prospecting"], ("prospecting",)),
        ([], ()),
        (None, ()),
    ],
)
def test_an_objection_may_name_what_rests_on_consent_or_an_interest(named, taken) -> None:
    assert read(objection(named), purposes=PURPOSES).asked.purposes == taken


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (["contract"], "purposes: contract: it rests on a contract: only a consent"),
        (["accounting"], "purposes: accounting: it rests on a legal obligation: only"),
        (["statistics"], "purposes: statistics: it needs no legal basis"),
        (["trackers", CANARY], "purposes: number 2: it is no purpose of the policy in force"),
        (["trackers"] * 20 + [CANARY], "purposes: number 2: it is no purpose of the policy"),
        ("trackers", "purposes: it is not a list of purposes"),
        ([7], "purposes: it is not a list of purposes"),
    ],
)
def test_nobody_objects_to_a_contract_or_a_duty(named: Any, said: str) -> None:
    (reason,) = refused(objection(named), purposes=PURPOSES)
    assert reason.startswith(said) and CANARY not in reason


def test_where_no_purpose_is_known_none_can_be_named() -> None:
    (reason,) = refused(objection(["trackers"]))
    assert reason.startswith("purposes: number 1: it is no purpose")


def test_only_an_objection_names_purposes() -> None:
    (reason,) = refused(objection(["trackers"], "erasure"), purposes=PURPOSES)
    assert reason == "purposes: only an objection names any"
