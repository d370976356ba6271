"""The policy table says what the notice promises, and a wrong table is refused."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from retention.errors import ConfigurationError
from retention.policy.table import ArchiveRule, Policy, Rule, read_policy

ROOT = Path(__file__).parent.parent
FILE = ROOT / "policies" / "callimedia.yaml"
TEXT = FILE.read_text(encoding="utf-8")
POLICY = read_policy(FILE)
TODAY = date(2026, 11, 23)

START = {"collected", "active_response", "enquiry", "consent"}
RELATION = {"contracts", "purchase", "service"}
# purpose: legal basis, (active phase, from, basis), (archive phase, from, basis)
NOTICE: dict[str, tuple[str, tuple[Any, ...] | None, tuple[Any, ...] | None]] = {
    "prospecting": ("consent", (36, START, "notice"), None),
    "contract": (
        "contract",
        (36, RELATION | {"login"}, "notice"),
        (60, RELATION, "notice (interpreted)"),
    ),
    "customer_relations": (
        "contract",
        (36, RELATION | {"login", "contact"}, "notice"),
        (60, RELATION, "notice (interpreted)"),
    ),
    "trackers": ("consent", (13, {"deposit", "consent"}, "notice"), None),
    "payment": ("contract", (0, RELATION, "notice"), (13, RELATION, "statute")),
    "accounting": ("legal_obligation", None, (120, {"issued"}, "statute")),
    "connection_security": (
        "legitimate_interest",
        (6, {"connected"}, "default"),
        (12, {"connected"}, "default"),
    ),
}


def read(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return read_policy(path)


def edited(old: str, new: str) -> str:
    assert TEXT.count(old) >= 1, f"{old!r} is not in the policy file"
    return TEXT.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def problem(tmp_path: Path, text: str) -> str:
    """The one fault of ``text``, on one line, without the folder."""
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, text)
    (only,) = refused.value.problems
    assert "\n" not in only
    return only.removeprefix(f"{tmp_path}/")


# What the notice promises.


def stated(rule: Rule | None) -> tuple[Any, ...] | None:
    return rule and (rule.lasts.months, set(rule.kinds), rule.basis.value)


@pytest.mark.parametrize("name", NOTICE)
def test_a_row_of_the_notice_stands_in_the_table(name: str) -> None:
    purpose = POLICY.version_on(TODAY).purposes[name]

    assert (purpose.legal_basis, stated(purpose.active), stated(purpose.archive)) == NOTICE[name]
    assert all(rule.lasts.days == 0 for rule in (purpose.active, purpose.archive) if rule)


def test_the_table_has_the_rows_of_the_notice_and_statistics() -> None:
    purposes = POLICY.version_on(TODAY).purposes

    assert set(purposes) == {*NOTICE, "statistics"}
    assert purposes["statistics"].anonymous_only
    assert not (purposes["statistics"].active or purposes["statistics"].archive)


def test_every_duration_carries_a_citation_and_every_row_both_languages() -> None:
    for purpose in POLICY.version_on(TODAY).purposes.values():
        assert purpose.label
        assert purpose.label_fr
        for rule in (purpose.active, purpose.archive):
            assert rule is None or len(rule.citation) > 20, purpose.id


def test_what_the_company_did_not_promise_word_for_word_is_to_be_confirmed() -> None:
    for purpose in POLICY.version_on(TODAY).purposes.values():
        for rule in (purpose.active, purpose.archive):
            if rule and rule.basis == "notice (interpreted)":
                assert rule.confirm, purpose.id


def test_the_peculiar_clocks_are_as_the_notice_has_them() -> None:
    purposes = POLICY.version_on(TODAY).purposes
    trackers, prospecting = purposes["trackers"].active, purposes["prospecting"].active
    accounting, connection = purposes["accounting"].archive, purposes["connection_security"].archive
    assert trackers
    assert prospecting
    assert accounting
    assert connection

    assert (trackers.from_first, trackers.since_latest) == ("deposit", "consent")
    assert prospecting.ended_by == ("withdrawn",)
    assert accounting.counted_from == "end_of_financial_year"
    in_place = [name for name, item in purposes.items() if item.archive and item.archive.in_place]
    assert in_place == ["connection_security"]


def test_only_the_clock_that_starts_at_a_first_event_can_be_shortened_by_evidence() -> None:
    purposes = POLICY.version_on(TODAY).purposes

    assert {name for name, item in purposes.items() if not item.only_prolonged_by_evidence} == {
        "trackers"
    }


def test_what_the_notice_names_without_a_duration_is_uncovered() -> None:
    assert set(POLICY.uncovered) == {"video_surveillance", "badges", "images"}
    assert all("no duration given" in item.citation for item in POLICY.uncovered.values())


def test_the_notice_has_five_categories_of_data_and_none_overlaps() -> None:
    covers = [name for item in POLICY.data_categories.values() for name in item.covers]

    assert len(POLICY.data_categories) == 5
    assert len(set(covers)) == len(covers)


def test_opening_an_email_starts_no_clock() -> None:
    assert "email_open" in POLICY.events
    assert not any(
        "email_open" in item.kinds for item in POLICY.version_on(TODAY).purposes.values()
    )


# What a wrong table is told.


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        (
            "          for: 13 months\n          from_first",
            "          for: 13 moons\n          from_first",
            "versions[0].purposes.trackers.active.for",
            "'13 moons' is not a duration; write whole days, months or years, as in '3 years'",
        ),
        (
            "          for: 10 years",
            "          for: 10",
            "versions[0].purposes.accounting.archive.for",
            "is not a duration",
        ),
        (
            "          in_place: true",
            "          inplace: true",
            "versions[0].purposes.connection_security.archive.inplace",
            "unknown key",
        ),
        ("time_zone: Europe/Paris", "time_zone: Europe/Lutetia", "time_zone", "IANA time zone"),
        ('financial_year_end: "12-31"', 'financial_year_end: "31-12"', "financial_year_end", "MM-DD"),
        ("  badges:\n", "  badges:\n    colour: red\n", "uncovered.badges.colour", "unknown key"),
        (
            "        legal_basis: legal_obligation",
            "        legal_basis: habit",
            "versions[0].purposes.accounting.legal_basis",
            "Input should be 'consent'",
        ),
        (
            "          basis: statute",
            "          basis: rumour",
            "versions[0].purposes.payment.archive.basis",
            "Input should be 'notice'",
        ),
        (
            "effective_from: 2023-11-01",
            "effective_from: soon",
            "versions[0].effective_from",
            "Input should be a valid date",
        ),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_line_and_key(
    tmp_path: Path, old, new, key, said
) -> None:
    text = edited(old, new)
    wrong = next(part for part in new.splitlines() if part not in old.splitlines())

    told = problem(tmp_path, text)

    assert told.startswith(f"policy.yaml:{line_of(text, wrong)}: {key}: ")
    assert said in told


def test_a_missing_citation_is_refused(tmp_path: Path) -> None:
    lines = [
        line for line in TEXT.splitlines() if not line.strip().startswith('citation: "Code de')
    ]
    text = "\n".join(lines)

    assert problem(tmp_path, text) == (
        f"policy.yaml:{line_of(text, 'for: 10 years') - 1}: versions[0].purposes.accounting.archive: "
        "key 'citation' is required"
    )


def test_a_missing_basis_is_refused(tmp_path: Path) -> None:
    told = problem(tmp_path, edited("          basis: statute\n", ""))

    assert told.endswith("versions[0].purposes.payment.archive: key 'basis' is required")


def test_a_purpose_given_twice_is_refused(tmp_path: Path) -> None:
    text = edited("      customer_relations:\n", "      contract:\n")
    line = line_of(text, "      contract:\n        label: Customer relations")

    assert problem(tmp_path, text) == (
        f"policy.yaml:{line}: versions[0].purposes.contract: given twice"
    )


def test_an_event_that_is_not_declared_is_refused_where_it_is_named(tmp_path: Path) -> None:
    text = edited("from_latest: [issued]", "from_latest: [isued]")
    told = problem(tmp_path, text)

    assert told.startswith(
        f"policy.yaml:{line_of(text, '[isued]')}: versions[0].purposes.accounting"
    )
    assert told.endswith("purpose 'accounting' names event 'isued', which is not declared")


def test_an_interval_cannot_end_a_phase(tmp_path: Path) -> None:
    told = problem(tmp_path, edited("ended_by: [withdrawn]", "ended_by: [contracts]"))

    assert "purpose 'prospecting': 'contracts' is an interval; a day is needed" in told


@pytest.mark.parametrize("day", ["2023-11-01", "2022-01-01"])
def test_a_version_that_is_not_later_than_the_one_before_is_refused(tmp_path: Path, day) -> None:
    text = with_version(day)
    told = problem(tmp_path, text)

    assert told.endswith("versions must be in order of 'effective_from', each day once")
    line = text[: text.rindex("effective_from")].count("\n") + 1
    assert told.startswith(f"policy.yaml:{line}: versions[1]")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("          from_latest: [issued]\n", "", "give either 'from_latest' or 'from_first'"),
        (
            "          from_first: deposit\n",
            "          from_latest: [deposit]\n",
            "'since_latest' goes with 'from_first'",
        ),
        ("[collected, active_response,", "[collected, collected,", "listed twice"),
        ("ended_by: [withdrawn]", "ended_by: [consent]", "cannot both start and end a phase"),
        ("        anonymous_only:", "        label_en:", "unknown key"),
    ],
)
def test_a_rule_without_sense_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, edited(old, new))

    assert said in " ".join(refused.value.problems)


def test_a_policy_without_versions_is_refused(tmp_path: Path) -> None:
    text = TEXT[: TEXT.index("versions:")] + "versions: []\n"

    assert problem(tmp_path, text).endswith("a policy needs at least one version")


# Versions and digests.


def with_version(day: str, old: str = "for:", new: str = "for:") -> str:
    """The policy file with a second version from ``day`` on, in which ``old`` reads ``new``."""
    versions = TEXT[TEXT.index("  - effective_from:") :]
    assert old in versions
    return f"{TEXT.rstrip()}\n{versions.replace('2023-11-01', day).replace(old, new)}"


def test_a_version_governs_from_its_day_on_and_the_first_all_earlier_days(tmp_path: Path) -> None:
    text = with_version("2027-01-01", "for: 10 years", "for: 6 years")
    policy = read(tmp_path, text)

    def years_on(day: date) -> int:
        archive = policy.version_on(day).purposes["accounting"].archive
        assert archive
        return archive.lasts.months // 12

    assert years_on(date(1999, 1, 1)) == 10
    assert years_on(date(2023, 11, 1)) == 10
    assert years_on(date(2026, 12, 31)) == 10
    assert years_on(date(2027, 1, 1)) == 6
    assert years_on(date(2090, 1, 1)) == 6
    assert (
        policy.digest(date(1999, 1, 1)) == policy.digest(date(2026, 12, 31)) == POLICY.digest(TODAY)
    )
    assert policy.digest(date(2027, 1, 1)) != POLICY.digest(TODAY)


def reordered(document: Any) -> Any:
    """The same document with every mapping's keys the other way round."""
    if isinstance(document, dict):
        return {key: reordered(value) for key, value in reversed(document.items())}
    return [reordered(item) for item in document] if isinstance(document, list) else document


def test_the_digest_does_not_depend_on_the_order_of_keys_in_the_file(tmp_path: Path) -> None:
    text = yaml.safe_dump(reordered(yaml.safe_load(TEXT)), sort_keys=False, allow_unicode=True)
    assert text.index("statistics:") < text.index("prospecting:")

    assert read(tmp_path, text).digest(TODAY) == POLICY.digest(TODAY)


def test_the_digest_does_not_depend_on_comments_or_labels_outside_the_version(tmp_path) -> None:
    text = "# more\n" + edited("label: purchase,", "label: a purchase,")

    assert read(tmp_path, text).digest(TODAY) == POLICY.digest(TODAY)


@pytest.mark.parametrize("name", NOTICE)
@pytest.mark.parametrize("phase", ["active", "archive"])
@pytest.mark.parametrize("change", [{"for": "7 days"}, {"basis": "default", "citation": "other"}])
def test_the_digest_depends_on_every_rule(name: str, phase: str, change: dict[str, str]) -> None:
    document = yaml.safe_load(TEXT)
    rule = document["versions"][0]["purposes"][name].get(phase)
    if rule is None:
        assert getattr(POLICY.versions[0].purposes[name], phase) is None
        return
    rule.update(change)

    assert Policy.model_validate(document).digest(TODAY) != POLICY.digest(TODAY)


@pytest.mark.parametrize(
    "change",
    [{"time_zone": "Europe/London"}, {"financial_year_end": "06-30"}, {"uncovered": {}}],
)
def test_the_digest_depends_on_what_else_decides(change: dict[str, Any]) -> None:
    assert Policy.model_validate({**yaml.safe_load(TEXT), **change}).digest(TODAY) != (
        POLICY.digest(TODAY)
    )


def test_a_digest_is_a_sha_256_in_hex() -> None:
    assert len(bytes.fromhex(POLICY.digest(TODAY))) == hashlib.sha256().digest_size


def test_the_financial_year_reaches_the_accounting_clock() -> None:
    policy = Policy.model_validate({**yaml.safe_load(TEXT), "financial_year_end": "06-30"})
    accounting = policy.versions[0].purposes["accounting"]
    assert isinstance(accounting.archive, ArchiveRule)

    assert accounting.archive_end(date(2016, 7, 1)) == date(2027, 6, 30)
    assert POLICY.versions[0].purposes["accounting"].archive_end(date(2016, 7, 1)) == (
        date(2026, 12, 31)
    )
