"""A fault in a YAML document is named with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, ValidationError, model_validator

from retention.documents import StrictModel, read_document
from retention.errors import ConfigurationError


class Column(StrictModel):
    category: str
    length: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _no_secret(self) -> Column:
        if self.category == "secret":
            raise ValueError("may not be secret")
        return self


class Table(StrictModel):
    label: str
    columns: dict[str, Column] = Field(default_factory=dict)
    steps: tuple[Column, ...] = ()


class Document(StrictModel):
    tables: dict[str, Table]


GOOD = """\
# a comment
tables:
  customers:
    label: Customers

    columns:
      name: {category: user.name}
      mail:
        category: user.contact
        length: 200
    steps:
      - category: one
      - {category: two}
"""


def read(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "document.yaml"
    path.write_text(text, encoding="utf-8")
    return read_document(path, Document)


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is said of ``text``, each fault without the folder."""
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, text)
    assert all("\n" not in problem for problem in refused.value.problems)
    return [problem.removeprefix(f"{tmp_path}/") for problem in refused.value.problems]


def test_a_good_document_is_read(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD).tables["customers"]

    assert table.columns["mail"].length == 200
    assert [step.category for step in table.steps] == ["one", "two"]


def test_a_read_document_cannot_be_changed(tmp_path: Path) -> None:
    document = read(tmp_path, GOOD)

    with pytest.raises(ValidationError, match="frozen"):
        document.tables = {}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "length: 200",
            "length: long",
            (
                "document.yaml:10: tables.customers.columns.mail.length: "
                "Input should be a valid integer, unable to parse string as an integer"
            ),
        ),
        (
            "length: 200",
            "length: 0",
            (
                "document.yaml:10: tables.customers.columns.mail.length: "
                "Input should be greater than or equal to 1"
            ),
        ),
        (
            "steps:\n      - category: one\n      - {category: two}",
            "steps: {category: one}",
            "document.yaml:11: tables.customers.steps: a list is wanted",
        ),
        (
            "length: 200",
            "lenght: 200",
            "document.yaml:10: tables.customers.columns.mail.lenght: unknown key",
        ),
        (
            "{category: user.name}",
            "{categry: user.name, category: user.name}",
            "document.yaml:7: tables.customers.columns.name.categry: unknown key",
        ),
        (
            "    label: Customers\n",
            "",
            "document.yaml:3: tables.customers: key 'label' is required",
        ),
        (
            "{category: two}",
            "{}",
            "document.yaml:13: tables.customers.steps[1]: key 'category' is required",
        ),
        (
            "category: one",
            "category: secret",
            "document.yaml:12: tables.customers.steps[0]: may not be secret",
        ),
    ],
)
def test_a_fault_is_named_with_line_and_key(tmp_path: Path, old, new, problem) -> None:
    assert old in GOOD

    assert problems(tmp_path, GOOD.replace(old, new)) == [problem]


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("length: 200", "length: long").replace("label: Customers", "lable: C")

    assert [problem.split(": ")[:2] for problem in problems(tmp_path, text)] == [
        ["document.yaml:3", "tables.customers"],
        ["document.yaml:10", "tables.customers.columns.mail.length"],
        ["document.yaml:4", "tables.customers.lable"],
    ]


def test_the_message_of_several_faults_stays_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, GOOD.replace("length: 200", "length: x").replace("label: Customers", "a: b"))

    assert str(refused.value).endswith(" (and 2 more)")
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "        length: 200",
            "        category: user.name",
            "document.yaml:10: tables.customers.columns.mail.category: given twice",
        ),
        (
            "{category: user.name}",
            "{category: user.name, category: user.name}",
            "document.yaml:7: tables.customers.columns.name.category: given twice",
        ),
        (
            "    steps:",
            "  customers:\n    steps:",
            "document.yaml:11: tables.customers: given twice",
        ),
        ("- category: one", "- {a: 1, a: 1}", "document.yaml:12: tables.customers.steps[0].a: given twice"),
    ],
)  # fmt: skip
def test_a_key_given_twice_is_refused(tmp_path: Path, old, new, problem) -> None:
    assert old in GOOD

    assert problems(tmp_path, GOOD.replace(old, new)) == [problem]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tables:\n  a: [1, 2\n", 3),
        ("tables:\n  a: 'open\n", 3),
        ("tables:\n\tb: 1\n", 2),
        ("tables: &a\n  b: *c\n", 2),
        ("tables: {}\n---\ntables: {}\n", 2),
        ("tables: !!python/object/apply:os.getcwd []\n", 1),
        ("tables: \x00\n", 1),
        ("tables: 2026-02-30\n", 1),
    ],
)
def test_what_is_not_yaml_is_refused_on_its_line(tmp_path: Path, text: str, line: int) -> None:
    (problem,) = problems(tmp_path, text)

    assert problem.startswith(f"document.yaml:{line}: not valid YAML: ")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == ["document.yaml:1: the file is empty"]


@pytest.mark.parametrize("text", ["just words\n", "[1, 2]\n", "null\n"])
def test_a_document_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, text)

    assert problem == "document.yaml:1: document: keys with values are wanted"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"

    with pytest.raises(ConfigurationError) as refused:
        read_document(path, Document)

    assert str(refused.value) == f"{path}: cannot be read: No such file or directory"


def test_a_directory_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_document(tmp_path, Document)

    assert str(refused.value) == f"{tmp_path}: cannot be read: Is a directory"


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("label: Etat-civil, identité".encode("latin-1"))

    with pytest.raises(ConfigurationError) as refused:
        read_document(path, Document)

    assert str(refused.value) == f"{path}: cannot be read: not UTF-8 text"


def test_a_recursive_document_is_refused(tmp_path: Path) -> None:
    """An alias inside its own anchor must end in one line, not in a crash."""
    (problem,) = problems(tmp_path, "tables: &a\n  customers: *a\n")

    assert problem.startswith("document.yaml:")
