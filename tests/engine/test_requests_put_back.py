"""The end of a restriction in tables as applications have them: computed columns, triggers, threads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from retention import holds
from retention.errors import SourceError
from retention.requests.model import Kind, Request, State
from tests.engine.asking import ask, customer, done, lifted
from tests.engine.lives import ACTIVE, AS_OF, note
from tests.engine.small import Small

NOTES, THREAD = "crm.notes", 1200
PLAIN = {"category": "system.operations"}


def told(small: Small, *texts: str) -> None:
    """Statements of the application's own; ``{}`` stands before the name of a table."""
    with small.source("crm") as connection:
        for text in texts:
            connection.execute(sa.text(text.replace("{}", "crm." if small.server else "")))


def declare(small: Small, table: str, *columns: str, **more: Any) -> None:
    declared = small.catalogue["systems"]["crm"]["tables"][table]
    declared["columns"] |= dict.fromkeys(columns, PLAIN)
    declared |= more
    small.write_documents()


def stored(small: Small, name: str) -> Sequence[Any]:
    """The rows of a table, whatever columns it has by now."""
    with small.source("crm") as connection:
        table = sa.text(f"SELECT * FROM {'crm.' if small.server else ''}{name} ORDER BY 1, 2")
        return connection.execute(table).all()


def everything(small: Small) -> dict[str, Sequence[Any]]:
    return {name: stored(small, name) for name in ("customers", "orders", "notes", "replies")}


def restricted(small: Small) -> Request:
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
    assert request.state is State.answered
    assert ACTIVE not in small.ids("crm.customers")
    return request


def lift(small: Small, request: Request, later: int = 5) -> None:
    with small.opened() as installation:
        lifted(installation, request, later=later)
        assert holds.holds(installation) == []


def refused(small: Small, request: Request, why: str) -> None:
    before = everything(small)
    with pytest.raises(SourceError, match=why) as caught, small.opened() as installation:
        lifted(installation, request)
    assert "Person" not in str(caught.value)
    assert everything(small) == before


def test_columns_that_the_database_computes_are_computed_again(either: Small) -> None:
    how = "STORED" if either.server else "VIRTUAL"
    told(
        either,
        f"ALTER TABLE {{}}notes ADD COLUMN size int GENERATED ALWAYS AS (length(body)) {how}",
    )
    declare(either, "notes", "size")
    before = everything(either)
    lift(either, restricted(either))
    assert everything(either) == before


def test_keys_that_the_database_counts_itself_are_those_there_were(server: Small) -> None:
    told(server, "ALTER TABLE {}notes ALTER note_id ADD GENERATED ALWAYS AS IDENTITY")
    before = everything(server)
    lift(server, restricted(server))
    assert everything(server) == before


COUNTING = """
CREATE FUNCTION crm.count_notes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT'
  THEN UPDATE crm.customers SET notes = notes + 1 WHERE customer_id = NEW.customer_id;
  ELSE UPDATE crm.customers SET notes = notes - 1 WHERE customer_id = OLD.customer_id; END IF;
  RETURN NULL; END $$;
CREATE {constraint} TRIGGER counting AFTER INSERT OR DELETE ON crm.notes {deferred}
  FOR EACH ROW EXECUTE FUNCTION crm.count_notes()
"""


@pytest.mark.parametrize("deferred", [False, True])
def test_a_trigger_that_changes_a_row_already_put_back_is_noticed(
    server: Small, *, deferred: bool
) -> None:
    function, trigger = re.split(r"(?<=\$\$);\n", COUNTING)
    told(
        server,
        "ALTER TABLE {}customers ADD notes int NOT NULL DEFAULT 1",
        function,
        trigger.replace("{constraint}", "CONSTRAINT" if deferred else "").replace(
            "{deferred}", "DEFERRABLE INITIALLY DEFERRED" if deferred else ""
        ),
    )
    declare(server, "customers", "notes")
    before = everything(server)
    request = restricted(server)
    refused(server, request, r"crm.customers: .*\(notes\); if a trigger changes it")
    told(server, "ALTER TABLE {}notes DISABLE TRIGGER counting")
    lift(server, request, later=9)
    assert everything(server) == before


def test_a_trigger_that_makes_more_rows_is_noticed(either: Small) -> None:
    if either.server:
        told(
            either,
            """CREATE FUNCTION crm.welcome() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO crm.notes VALUES (900, NEW.customer_id, NULL, 'welcome');
            RETURN NULL; END $$""",
            "CREATE TRIGGER welcoming AFTER INSERT ON crm.customers"
            " FOR EACH ROW EXECUTE FUNCTION crm.welcome()",
        )
    else:
        told(
            either,
            "CREATE TRIGGER welcoming AFTER INSERT ON customers BEGIN"
            " INSERT INTO notes VALUES (900, NEW.customer_id, NULL, 'welcome'); END",
        )
    before = everything(either)
    request = restricted(either)
    refused(either, request, "crm.notes: .* the database makes 1 more")
    told(either, "DROP TRIGGER welcoming" + (" ON crm.customers" if either.server else ""))
    lift(either, request, later=9)
    assert everything(either) == before


def test_a_column_that_came_meanwhile_is_the_databases_to_fill(either: Small) -> None:
    before = either.everything()
    request = restricted(either)
    told(either, "ALTER TABLE {}notes ADD COLUMN read_by TEXT DEFAULT 'nobody'")
    declare(either, "notes", "read_by")
    lift(either, request)
    assert either.everything() == before
    assert {row.read_by for row in stored(either, "notes")} == {"nobody"}


def test_a_column_that_went_meanwhile_is_named(either: Small) -> None:
    before = everything(either)
    request = restricted(either)
    told(either, "ALTER TABLE {}orders DROP COLUMN amount")
    refused(either, request, "crm.orders: .* no column amount any more")
    told(either, "ALTER TABLE {}orders ADD COLUMN amount INTEGER")
    lift(either, request, later=9)
    assert before["orders"][0] in everything(either)["orders"]


def test_a_rule_that_came_meanwhile_is_named(server: Small) -> None:
    request = restricted(server)
    told(server, "ALTER TABLE {}orders ADD CONSTRAINT dear CHECK (amount > 5000) NOT VALID")
    refused(server, request, "crm.orders: .* constraint dear")


@pytest.mark.parametrize("first", [1000, 1000 + THREAD - 1], ids=["thread", "circle"])
def test_a_long_thread_of_rows_that_refer_to_each_other_leaves_and_comes_back(
    either: Small, first: int
) -> None:
    """Longer than one statement is: no part of it may go before what refers to it."""
    told(
        either,
        "ALTER TABLE {}notes ADD COLUMN answers int REFERENCES {}notes (note_id)",
        "CREATE INDEX thread ON {}notes (answers)",
    )
    declare(either, "notes", "answers", references=[{"table": "notes", "via": "answers"}])
    either.insert(
        NOTES, *(note(1000 + n, ACTIVE, AS_OF - timedelta(days=30)) for n in range(THREAD))
    )
    told(either, "UPDATE {}notes SET answers = note_id - 1 WHERE note_id > 1000")
    told(either, f"UPDATE {{}}notes SET answers = {first} WHERE note_id = 1000")
    before = everything(either)
    lift(either, restricted(either))
    assert everything(either) == before


def test_rows_whose_key_the_catalogue_calls_otherwise_wait_for_it(small: Small) -> None:
    before = everything(small)
    request = restricted(small)
    notes = small.catalogue["systems"]["crm"]["tables"]["notes"]
    told(small, "ALTER TABLE notes RENAME COLUMN note_id TO number")
    notes["columns"]["number"] = notes["columns"].pop("note_id")
    notes["key"] = "number"
    small.write_documents()
    refused(small, request, "crm.notes: .* the catalogue names a key that they do not have")
    told(small, "ALTER TABLE notes RENAME COLUMN number TO note_id")
    notes["columns"]["note_id"] = notes["columns"].pop("number")
    notes["key"] = "note_id"
    small.write_documents()
    lift(small, request, later=9)
    assert everything(small) == before


def test_rows_of_a_table_that_the_catalogue_has_lost_wait_for_it(small: Small) -> None:
    request = restricted(small)
    declared = small.catalogue["systems"]["crm"]
    for name in ("replies", "notes"):
        del declared["tables"][name]
    declared["out_of_scope"] = {"notes": "not ours", "replies": "not ours"}
    del declared["tables"]["customers"]["events"]["contact"]
    small.write_documents()
    refused(small, request, "crm.notes: .* the catalogue has no such table any more")
