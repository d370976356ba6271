"""Whether two records under one key are one person's."""

from __future__ import annotations

import pytest

from retention.requests.finding.holders import Group, Prints, Relation, relation, whose


def prints(**fields: str) -> Prints:
    return frozenset(fields.items())


ANNA = prints(family_name="roux", first_name="anna", full_name="anna roux", email="a@x")
MARRIED = prints(family_name="martin", first_name="anna", full_name="anna martin", email="a@y")
LUC = prints(family_name="petit", first_name="luc", full_name="luc petit", email="l@x")
NOBODY: Prints = frozenset()


@pytest.mark.parametrize(
    ("one", "two", "found"),
    [
        (ANNA, ANNA, Relation.same),
        (ANNA, prints(full_name="luc petit", email="a@x"), Relation.same),
        (ANNA, NOBODY, Relation.same),
        (ANNA, prints(customer_ref="50"), Relation.same),
        (ANNA, LUC, Relation.other),
        (ANNA | {("customer_ref", "50")}, LUC | {("customer_ref", "50")}, Relation.other),
        (ANNA, MARRIED, Relation.unclear),
        (prints(email="a@x"), prints(email="l@x"), Relation.unclear),
        (prints(email="a@x"), LUC, Relation.unclear),
    ],
)
def test_the_number_says_nothing_and_what_cannot_be_told_is_said(
    one: Prints, two: Prints, found: Relation
):
    assert relation(one, two) is relation(two, one) is found


ROW, EVIDENCE = (Group(ANNA, is_own_row=True), Group(ANNA, is_own_row=False))
OLD_EMAIL = Group(prints(email="a@old"), is_own_row=False)


@pytest.mark.parametrize(
    ("groups", "in_source", "found"),
    [
        ([], True, Relation.same),
        ([Group(LUC, is_own_row=True)], True, Relation.same),
        ([ROW], True, Relation.other),
        ([ROW, EVIDENCE], True, Relation.other),
        ([EVIDENCE], True, Relation.unclear),
        ([ROW, Group(LUC, is_own_row=False)], True, Relation.unclear),
        ([OLD_EMAIL], True, Relation.same),
        ([Group(prints(email="a@old"), is_own_row=True)], True, Relation.unclear),
        ([ROW, Group(LUC, is_own_row=True)], False, Relation.unclear),
    ],
)
def test_what_an_earlier_holder_of_lucs_key_has_left(
    groups: list[Group], *, in_source: bool, found: Relation
):
    assert whose(LUC, groups, in_source=in_source) is found


def test_of_whom_only_the_archive_knows_one_person_is_that_person():
    assert whose(NOBODY, [ROW, EVIDENCE], in_source=False) is Relation.same
    assert whose(NOBODY, [ROW, Group(LUC, is_own_row=True)], in_source=False) is Relation.unclear


def test_what_the_request_says_does_not_split_what_a_person_has_chosen_in_the_archive():
    account = Group(prints(iban="fr76"), is_own_row=False)
    for groups in ([account, ROW], [ROW, account]):
        assert whose(LUC, groups, in_source=False) is Relation.same
