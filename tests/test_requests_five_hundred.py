"""Five hundred persons under no duty are erased by Dagster's runs, and no byte of them is left.

Looked through are the source systems, the orchestrator's five stores, the exported heads of the
ledger, all of ``DAGSTER_HOME``, the releases (in quarantine and published, one before and one
after), the reports and packages, and what was logged. The case file, the opposition list and the
fingerprints are not left out: they are sealed or keyed, so they have nothing in clear either.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from retention.requests.book import casebook
from retention.requests.model import Kind, Outcome, State
from retention.requests.proving import rescan
from retention.requests.proving.rescan import Case
from retention.stores import archive
from tests.dagster_support import AS_OF
from tests.five_hundred_support import (
    ALONE,
    NEXT_MONTH,
    SUBJECTS,
    TOGETHER,
    WANTED,
    Erasing,
    Log,
    sought_in,
)
from tests.traces_support import hits_below


@pytest.fixture(scope="module")
def erasing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erasing]:
    root, log = logging.getLogger(), Log()
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        made = Erasing(tmp_path_factory.mktemp("five_hundred") / "demo", log)
        yield made
        made.close()
    finally:
        root.setLevel(level)
        root.removeHandler(log)


def test_of_five_hundred_erased_persons_no_byte_is_left(erasing: Erasing) -> None:
    groups = erasing.groups
    assert len(groups) == WANTED
    assert sum(bool(gone) for _, gone in groups) > 20, "some are in the archive"
    mine, others = sought_in(erasing)
    kinds = Counter(kind for kind, _ in set(mine.forms.values()))
    assert kinds.total() > 2 * WANTED and kinds["email"] > WANTED / 2 and len(kinds) > 4
    erasing.release(AS_OF)
    copies = [erasing.ask(Kind.access, [group]) for group in groups[:ALONE] if group[0]]
    erasing.carry_out()
    answered = {request.request_id for request in casebook.listed(
        erasing.installation, states={State.answered})}  # fmt: skip
    assert copies and set(copies) <= answered, "packages of some of them lie ready"
    before = erasing.rows()
    sought = [
        rescan.gather_sought(erasing.installation, inside, erasing.tokens([(inside, gone)]))
        for inside, gone in groups
    ]

    parts = [[group] for group in groups[:ALONE]]
    parts += [groups[at : at + TOGETHER] for at in range(ALONE, WANTED, TOGETHER)]
    numbers = [erasing.ask(Kind.erasure, part) for part in parts]
    runs = erasing.carry_out()
    assert len(runs) == 1, "a batch is one run"
    for number in numbers:
        assert casebook.get(erasing.installation, number).state is State.answered
        lines = casebook.outcomes(erasing.installation, number)
        assert {line.outcome for line in lines} == {Outcome.deleted}, "they are under no duty"

    after = erasing.rows()
    bystanders_are_as_they_were(before, after)
    gone_are_exactly(erasing, before, after)
    traces = rescan.rescan_many(
        erasing.installation,
        [
            Case(what, [], erasing.tokens([group]))
            for what, group in zip(sought, groups, strict=True)
        ],
    )
    left = [trace for found in traces for trace in found if not trace.explained]
    assert left == []
    erasing.release(NEXT_MONTH)
    assert hits_below(erasing.folder, mine) == set()
    said = "\n".join(erasing.log.lines).encode()
    assert len(said) > 10_000 and mine.found_in(said) == set()
    assert others.found_in((erasing.folder / "crm.sqlite").read_bytes()), "the search finds"


def bystanders_are_as_they_were(
    before: Mapping[str, Mapping[Any, bytes]], after: Mapping[str, Mapping[Any, bytes]]
) -> None:
    """Nothing has changed or come; only whole rows have gone."""
    for name, rows in after.items():
        assert rows.items() <= before[name].items(), name


def gone_are_exactly(
    erasing: Erasing,
    before: Mapping[str, Mapping[Any, bytes]],
    after: Mapping[str, Mapping[Any, bytes]],
) -> None:
    """The persons' own records are those that went, and no other subject's."""
    mine = {person for inside, _ in erasing.groups for person in inside}
    for table in SUBJECTS.values():
        gone = before[table].keys() - after[table].keys()
        assert gone == {key[0] for name, key in mine if name == table}, table
    tokens = set(erasing.tokens(erasing.groups))
    at = archive.records.c
    with erasing.installation.stores.archive.connect() as connection:
        assert not connection.execute(
            sa.select(at.table_name).where(at.subject_token.in_(tokens))
        ).all()
