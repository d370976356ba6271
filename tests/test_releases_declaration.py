"""What a declaration of releases may say: every fault is named with file, line and key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.write import HERE
from retention.catalogue.model import Catalogue, read_catalogue
from retention.catalogue.rules import (
    AddressRule,
    BandsRule,
    Coordinate,
    DateRule,
    PostcodeRule,
    TableRule,
    UserAgentRule,
    ValueRule,
    make_rule,
)
from retention.errors import ConfigurationError
from retention.releases.auditing import CHECKS, checks_of
from retention.releases.reading import read_releases

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(HERE / "catalogue.yaml")


def cube(document: dict[str, Any], name: str = "customers_by_year") -> dict[str, Any]:
    found: dict[str, Any] = document["releases"]["customer_statistics"]["cubes"][name]
    return found


def noisy(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["releases"]["connection_statistics"]["cubes"]["connections"]
    return found


def rows(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["releases"]["prospect_statistics"]["microdata"]["prospects"]
    return found


def put(place: str, value: Any, at: Callable[[dict[str, Any]], Any] = cube) -> Change:
    """Set what stands at a dotted place below ``at``."""

    def change(document: dict[str, Any]) -> None:
        here = at(document)
        *way, last = [int(part) if part.isdigit() else part for part in place.split(".")]
        for part in way:
            here = here[part]
        here[last] = value

    return change


def test_the_demonstrations_own_declaration_is_sound(catalogue: Catalogue) -> None:
    releases = read_releases(HERE / "statistics.yaml", catalogue)
    assert list(releases.releases) == [
        "customer_statistics",
        "prospect_statistics",
        "connection_statistics",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("table", "crm.nobody"), r"customers_by_year\.table: there is no governed table"),
        (put("accumulator", "none"), r"\.accumulator: crm\.customers has no accumulator 'none'"),
        (put("dimensions.1.column", "nothing"), r"dimensions\[1\]\.column: .* has no column"),
        (put("dimensions.1.column", "email"), r"dimensions\[1\]\.column: 'email' names a person"),
        (put("dimensions.1.column", "customer_id"), r"'customer_id' names a person"),
        (put("dimensions.1.column", "city"), r"'city' names a person"),
        (put("dimensions.0.level", "century"), r"dimensions\[0\].*rule 'date' has no level"),
        (put("dimensions.0.level", "month"), r"not by 'collected_at' on level 'month' or a finer"),
        (put("dimensions.0.rule", {"kind": "magic"}), r"dimensions\[0\]\.rule"),
        (put("dimensions.0.name", "civility"), "a dimension or measure named twice: civility"),
        (put("dimensions.0.name", "rows"), "cannot be called 'rows'"),
        (put("dimensions.0.name", "Year"), r"dimensions\[0\]\.name"),
        (put("dimensions", []), r"dimensions"),
        (put("margins", [["age"]]), r"margins\[0\]: there is no dimension 'age'"),
        (put("margins", [["collected", "civility"]]), r"margins\[0\]: is the cube itself"),
        (put("margins", [["collected"], ["collected"]]), "a margin named twice"),
        (put("sensitive", ["age"]), r"sensitive: there is no dimension 'age'"),
        (put("protection.threshold", 2), r"threshold: .*greater than or equal to 3"),
        (put("protection.dominance", 0.4), r"dominance"),
        (put("protection", {"kind": "hope"}), r"protection"),
        (put("subject", ["phone_number"]), r"subject: crm\.customers has no column"),
        (put("unknown", 1), r"customers_by_year\.unknown: unknown key"),
        (put("measures", [{"name": "m", "column": "phone"}]), "'phone' names a person"),
        (put("measures", [{"name": "m", "column": "segment"}]), "does not sum 'segment'"),
        (put("measures", [{"name": "m", "column": "segment", "round": 3}]), "a power of ten"),
        (put("protection.epsilon", 0, noisy), r"epsilon: .*greater than 0"),
        (put("protection.delta", 1, noisy), r"delta: .*less than 1"),
        (put("protection.period", "day", noisy), r"period: there is no dimension 'day'"),
        (put("protection.period", "device", noisy), r"a period is a date by month"),
        (
            put("dimensions.1", {"name": "device", "column": "path"}, noisy),
            r"\[1\]: .*closed vocabulary",
        ),
        (put("accumulator", "connections", noisy), r"has no accumulator"),
        (
            put("measures", [{"name": "m", "column": "path"}], noisy),
            r"measures\[0\]: differential privacy needs 'clip'",
        ),
        (put("models.k", 1, rows), r"models\.k: .*greater than or equal to 2"),
        (put("models.l", 0.5, rows), r"models\.l: .*greater than or equal to 1"),
        (put("models.t", 0, rows), r"models\.t: .*greater than 0"),
        (put("models.t", 1.5, rows), r"models\.t: .*less than or equal to 1"),
        (put("hold_out", 0, rows), r"hold_out"),
        (put("sensitive", [], rows), r"models: l and t need 'sensitive' columns"),
        (put("sensitive.0.column", "first_name", rows), "'first_name' names a person"),
        (put("quasi_identifiers.0.column", "nothing", rows), r"quasi_identifiers\[0\]\.column"),
        (
            put("quasi_identifiers.0", {"name": "n", "column": "last_name"}, rows),
            r"quasi_identifiers\[0\]\.column: 'last_name' names a person: give a rule",
        ),
        (put("keep", [{"name": "k", "column": "email"}], rows), r"keep\[0\].*'email' names"),
        (put("table", "marketing.email_opens", rows), r"has no column|one row a person"),
        (put("cubes", {}, lambda d: d["releases"]["customer_statistics"]), "give 'cubes' or"),
        (put("releases", {}, lambda d: d), "no release is declared"),
        (
            put("utility", {"max_suppressed": 2}, lambda d: d["releases"]["customer_statistics"]),
            "max_suppressed",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(
    change: Change, said: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    document = yaml.safe_load((HERE / "statistics.yaml").read_text(encoding="utf-8"))
    change(document)
    path = tmp_path / "statistics.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_releases(path, catalogue, HERE)
    problems = "\n".join(caught.value.problems)
    assert re.search(said, problems), problems
    for line in caught.value.problems:
        assert re.match(rf"{re.escape(str(path))}:\d+: ", line), line


def test_two_releases_of_one_name_are_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    text = (HERE / "statistics.yaml").read_text(encoding="utf-8")
    path = tmp_path / "statistics.yaml"
    path.write_text(text.replace("  prospect_statistics:", "  customer_statistics:", 1))
    with pytest.raises(ConfigurationError, match=r"customer_statistics: given twice"):
        read_releases(path, catalogue, HERE)


def test_rows_that_leave_on_different_days_cannot_have_dominance(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    """How much one person added to a cell is not known of invoices that left one by one."""
    document = yaml.safe_load((HERE / "statistics.yaml").read_text(encoding="utf-8"))
    document["releases"]["customer_statistics"]["cubes"] = {
        "invoiced": {
            "label": "Invoiced",
            "table": "crm.invoices",
            "accumulator": "invoiced",
            "dimensions": [
                {"name": "year", "column": "issued_on", "rule": {"kind": "date"}, "level": "year"}
            ],
            "measures": [{"name": "amount", "column": "amount"}],
            "protection": {"kind": "threshold", "dominance": 0.8},
        }
    }
    path = tmp_path / "statistics.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigurationError, match="dominance cannot be known"):
        read_releases(path, catalogue, HERE)
    cube(document, "invoiced")["protection"]["dominance"] = None
    path.write_text(yaml.safe_dump(document))
    assert read_releases(path, catalogue, HERE)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("M.;men\nMme\n", r"hole at level 1"),
        ("M.;men\nMme;\n", r"hole at level 1"),
        ("M.;men\nM.;women\n", r"declares the leaf 'M\.' again"),
        ("", "has no rows"),
        (None, "cannot be read: no such file"),
    ],
)
def test_a_hierarchy_with_a_hole_is_refused(
    lines: str | None, said: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    document = yaml.safe_load((HERE / "statistics.yaml").read_text(encoding="utf-8"))
    rule = {"kind": "table", "file": "civilities.csv", "levels": ["civility", "sex"]}
    put("dimensions.1.rule", rule)(document)
    put("dimensions.1.level", "sex")(document)
    path = tmp_path / "statistics.yaml"
    path.write_text(yaml.safe_dump(document))
    if lines is not None:
        (tmp_path / "civilities.csv").write_text(lines)
    with pytest.raises(ConfigurationError) as caught:
        read_releases(path, catalogue, HERE)
    problems = "\n".join(caught.value.problems).lower()
    assert re.search(said.lower(), problems), problems
    assert "dimensions[1].rule" in problems


def test_what_a_rule_is_called_here_is_what_it_is_called_there(tmp_path: Path) -> None:
    declared = [
        ValueRule(), DateRule(kind="date"), PostcodeRule(kind="postcode"),
        BandsRule(kind="bands", width=10), BandsRule(kind="bands", edges=(0, 18, 65)),
        UserAgentRule(kind="user_agent"), AddressRule(kind="address"),
    ]  # fmt: skip
    (tmp_path / "sexes.csv").write_text("M.;men\nMme;women\n")
    table = TableRule(kind="table", file=Path("sexes.csv"), levels=("civility", "sex"))
    for rule in declared:
        assert make_rule(rule, tmp_path).levels == rule.levels, rule.kind
    assert make_rule(table, tmp_path).levels[: len(table.levels)] == table.levels


def test_a_coordinate_is_raw_on_the_first_level_only() -> None:
    assert Coordinate(column="c").raw
    assert Coordinate(column="c", rule=PostcodeRule(kind="postcode")).raw
    assert not Coordinate(column="c", rule=PostcodeRule(kind="postcode"), level="region").raw


def test_every_check_is_asked_of_some_release(catalogue: Catalogue) -> None:
    releases = read_releases(HERE / "statistics.yaml", catalogue)
    asked = {name for release in releases.releases.values() for name in checks_of(release)}
    assert asked == set(CHECKS)
    audience = checks_of(releases.releases["connection_statistics"])
    assert "budget_is_kept" in audience
    assert "no_small_cell" not in audience
