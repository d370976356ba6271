"""``retention decide`` through the real process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli_support import ROOT, Answer, process

CASES = Path(__file__).parent / "data" / "decisions.jsonl"
GOOD = {
    "id": "good",
    "as_of": "2026-11-23",
    "purposes": ["prospecting"],
    "events": {"collected": "2023-11-23"},
}
SECRET = "jeanne.canari@example.fr"


def decide(*lines: object, options: tuple[str, ...] = ()) -> Answer:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return process("decide", *options, given="\n".join(texts) + "\n")


def refused(**changes: object) -> str:
    """What is said of a bad line; the good line after it must still be answered."""
    bad = {k: v for k, v in {**GOOD, **changes}.items() if v is not ...}
    answer = decide(bad, GOOD)
    assert answer.code == 1
    assert [json.loads(line)["id"] for line in answer.out.splitlines()] == ["good"]
    assert SECRET not in answer.err
    (line,) = answer.err.splitlines()
    assert line.startswith("retention: line 1: ")
    return line.removeprefix("retention: line 1: ")


def test_every_decided_case_holds() -> None:
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    # a case with a financial year of its own wants another policy than the packaged one
    cases = [case for case in cases if "financial_year_end" not in case]
    assert len(cases) >= 58
    facts = [{key: case[key] for key in case if key != "why"} for case in cases]
    answer = decide(*facts, options=("--strict",))
    assert answer.code == 0
    assert answer.err == ""
    expected = [{"id": case["id"], **case["expected"]} for case in cases]
    assert [json.loads(line) for line in answer.out.splitlines()] == expected


def test_an_answer_is_one_line_with_its_keys_in_order() -> None:
    assert decide(GOOD).out == (
        '{"id": "good", "phase": "active", "action": "keep", '
        '"changes_on": "2026-11-24", "live_purposes": ["prospecting"]}\n'
    )


def test_expected_is_passed_over_and_blank_lines_and_a_byte_order_mark_are_no_fault() -> None:
    line = json.dumps({**GOOD, "expected": {"phase": "expired"}})
    answer = process("decide", given=b"\xef\xbb\xbf" + line.encode() + b"\n\n\n" + line.encode())
    assert answer.code == 0
    assert answer.out.count('"phase": "active"') == 2


def test_a_bad_line_is_named_by_its_number_and_the_others_are_answered() -> None:
    answer = decide(GOOD, "{not json", {**GOOD, "id": 3}, {**GOOD, "purposes": ["mailing"]}, GOOD)
    assert answer.code == 1
    assert [json.loads(line)["id"] for line in answer.out.splitlines()] == ["good", 3, "good"]
    assert answer.err.splitlines() == [
        "retention: line 2: it is not JSON (column 2)",
        "retention: line 4: unknown purpose 'mailing'",
    ]


@pytest.mark.parametrize("key", ["id", "as_of", "purposes", "events"])
def test_a_line_that_lacks_a_key_is_refused(key: str) -> None:
    assert refused(**{key: ...}) == f"key '{key}' is required"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (SECRET, "'as_of' is not a day (YYYY-MM-DD)"),
        ("2026-02-30", "'as_of' is not a day (YYYY-MM-DD)"),
        ("2026-W47-1", "'as_of' is not a day (YYYY-MM-DD)"),
        (20261123, "'as_of' is not a day (YYYY-MM-DD)"),
        ("9999-12-31", "a date is out of range"),
    ],
)
def test_a_day_that_is_none_is_refused(value: object, said: str) -> None:
    assert refused(as_of=value) == said


@pytest.mark.parametrize(
    "value", [SECRET, "0000-00-00", "2023-02-30", "2026-W47-1", 5, True, {"start": 1}, [SECRET]]
)
def test_an_unreadable_date_is_refused_without_being_shown(value: object) -> None:
    assert (
        refused(events={"collected": value}) == "event 'collected' has a date that cannot be read"
    )


@pytest.mark.parametrize(
    ("contracts", "said"),
    [
        (
            [{"start": SECRET, "end": None}],
            "event 'contracts.start' has a date that cannot be read",
        ),
        (
            [{"start": "2020-01-01", "ends": "2021-01-01"}],
            "event 'contracts' has an unknown key 'ends'",
        ),
        ([{}], "event 'contracts' has neither 'start' nor 'end'"),
        (["2020-01-01"], "event 'contracts' is not an object with 'start' and 'end'"),
    ],
)
def test_a_contract_that_cannot_be_read_is_refused(contracts: object, said: str) -> None:
    assert refused(purposes=["contract"], events={"contracts": contracts}) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"purposes": []}, "a record must be held for at least one purpose"),
        ({"purposes": "prospecting"}, "'purposes' is not a list of names"),
        ({"purposes": [SECRET]}, "unknown purpose (a name of 24 characters)"),
        ({"purposes": ["statistics"]}, "purpose 'statistics' may hold anonymous output only"),
        ({"events": ["collected"]}, "'events' is not an object"),
        (
            {"flags": {"legal_hod": True}},
            "unknown flag 'legal_hod'; known are legal_hold, restricted",
        ),
        ({"flags": {"restricted": "no"}}, "flag 'restricted' is neither true nor false"),
        ({"location": SECRET}, "'location' is none of active, pseudonymised, archive"),
        ({"id": None}, "'id' is neither text nor a whole number"),
    ],
)
def test_what_could_be_misread_is_refused(changes: dict[str, object], said: str) -> None:
    assert refused(**changes) == said


def test_a_key_given_twice_is_refused_since_one_value_would_be_lost() -> None:
    line = '{"id": 1, "as_of": "2026-11-23", "purposes": [], "events": {}, "events": {}}'
    answer = decide(line, GOOD)
    assert answer.err == "retention: line 1: key 'events' is given twice\n"


@pytest.mark.parametrize("line", ["[" * 100_000, "9" * 10_000, "[1]", "null"])
def test_what_is_no_object_is_refused(line: str) -> None:
    answer = decide(line, GOOD)
    assert answer.code == 1
    assert answer.err.startswith("retention: line 1: it is not ")
    assert answer.out.count("\n") == 1


def test_bytes_that_are_no_text_are_refused() -> None:
    answer = process("decide", given=b"\xff\xfe\n" + json.dumps(GOOD).encode())
    assert answer.code == 1
    assert answer.err == "retention: line 1: it is not UTF-8 text\n"
    assert answer.out.count("\n") == 1


def test_an_unknown_event_kind_is_warned_of_once() -> None:
    odd = {**GOOD, "events": {"collected": "2023-11-23", "phone_call": "2026-01-01"}}
    answer = decide(odd, odd, odd)
    assert answer.code == 0
    assert answer.out.count("\n") == 3
    assert answer.err.count("\n") == 1
    assert "warning: unknown event kind 'phone_call'" in answer.err


def test_strict_makes_an_unknown_event_kind_an_error() -> None:
    odd = {**GOOD, "events": {"collected": "2023-11-23", "phone_call": "2026-01-01"}}
    answer = decide(odd, GOOD, odd, options=("--strict",))
    assert answer.code == 1
    assert answer.out.count("\n") == 1
    assert answer.err.splitlines() == [
        "retention: line 1: unknown event kind 'phone_call'",
        "retention: line 3: unknown event kind 'phone_call'",
    ]


def test_another_policy_gives_other_answers(tmp_path: Path) -> None:
    text = (ROOT / "policies" / "callimedia.yaml").read_text(encoding="utf-8")
    shorter = tmp_path / "shorter.yaml"
    shorter.write_text(text.replace("for: 3 years", "for: 2 years"), encoding="utf-8")
    answer = decide(GOOD, options=("--policy", str(shorter)))
    assert json.loads(answer.out)["phase"] == "expired"


def test_a_broken_policy_names_file_line_and_key(tmp_path: Path) -> None:
    text = (ROOT / "policies" / "callimedia.yaml").read_text(encoding="utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        text.replace("for: 3 years\n          from", "for: 3 yeers\n          from", 1),
        encoding="utf-8",
    )
    line = text[: text.index("for: 3 years\n          from")].count("\n") + 1
    answer = decide(GOOD, options=("--policy", str(broken)))
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith(f"retention: {broken}:{line}: versions[0].purposes.prospecting")
    assert answer.err.count("\n") == 1


def test_it_starts_without_the_databases_and_the_frameworks() -> None:
    script = (
        "import io, sys; sys.stdin = io.TextIOWrapper(io.BytesIO()); import cli.main;"
        "sys.argv = ['retention', 'decide']\n"
        "try: cli.main.app()\n"
        "except SystemExit: pass\n"
        "print(*(m for m in ('sqlalchemy', 'dagster', 'pandas', 'rich', 'alembic', 'faker')"
        " if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""
