"""Categories of columns, and what may become of a column in place."""

from __future__ import annotations

import pytest

from retention.catalogue.taxonomy import DATA_CATEGORIES, is_category
from retention.policy.table import Policy
from tests.coherence_support import PLACE, POLICY, case, column


@pytest.mark.parametrize("category", ["user.contact.emial", "users", "user.contact.email.home"])
def test_a_category_that_nobody_defined_is_refused(case, category):
    case.column("crm.customers", "email")["category"] = category
    [problem] = case.problems()
    assert problem.startswith(f"{PLACE}customers.columns.email: '{category}' is no data category")


def test_a_custom_category_and_what_lies_below_it_are_known(case):
    case.policy["custom_categories"].append("user.contact.email.home")
    for category in ("user.contact.email.home", "user.contact.email.home.old"):
        case.column("crm.customers", "email")["category"] = category
        assert case.warnings() == []


def test_a_custom_category_below_nothing_known_is_refused(case):
    case.policy["custom_categories"].append("person.shoe_size")
    assert case.problems() == [
        "policy 'callimedia': category 'person.shoe_size' lies below no known category"
    ]


def test_personal_data_that_no_category_of_the_notice_covers_are_refused(case):
    case.column("crm.customers", "status")["category"] = "user.health.condition"
    assert case.problems() == [
        PLACE + "customers.columns.status: "
        "policy 'callimedia' has no category of data that covers 'user.health.condition'"
    ]


def test_a_name_that_only_begins_like_a_covered_one_is_not_covered(case):
    # the notice covers user.account; user.accounting is declared, yet the notice is silent on it
    case.column("crm.customers", "status")["category"] = "user.health_and_medical"
    assert "covers 'user.health_and_medical'" in case.problems()[0]


def test_data_for_which_the_policy_has_no_duration_are_allowed_with_a_warning(case):
    case.column("crm.customers", "status")["category"] = "user.content.image"
    assert case.warnings() == [
        "crm.customers.status: the policy has no duration for 'images': the rows go to review"
    ]


def test_an_identity_kept_in_a_row_pseudonymised_in_place_is_refused(case):
    case.column("web.log", "ip")["pseudonymise"] = "keep"
    [problem] = case.problems()
    assert problem.startswith("systems.web.tables.log.columns.ip: it identifies and its row is")


def test_a_key_that_identifies_cannot_be_pseudonymised_in_place(case):
    case.column("web.log", "id").update(identifies=True, pseudonymise="token")
    assert case.problems() == [
        (
            "systems.web.tables.log.columns.id: "
            "it is part of the key and cannot be changed while its row stays"
        )
    ]
    case.column("web.log", "id")["pseudonymise"] = "keep"
    assert "it identifies" in case.problems()[0]


def test_a_reference_may_be_cleared_but_not_replaced_by_a_pseudonym(case):
    assert case.column("web.log", "user_id")["pseudonymise"] == "clear"
    assert case.warnings() == []
    case.column("web.log", "user_id")["pseudonymise"] = "token"
    assert "clear it" in case.problems()[0]


def test_an_events_date_cannot_be_changed_in_place(case):
    case.column("web.log", "at")["pseudonymise"] = "clear"
    assert "an event's date and cannot be changed" in case.problems()[0]


def test_an_identity_in_a_dependant_of_a_row_pseudonymised_in_place_is_refused(case):
    case.catalogue["systems"]["web"]["tables"]["log_details"] = {
        "label": "Details",
        "key": "id",
        "owner": {"table": "log", "via": "log_id"},
        "columns": {
            "id": column(),
            "log_id": column(),
            "agent": column("user.device", identifies=True, pseudonymise="clear"),
        },
    }
    [problem] = case.problems()
    assert problem.startswith("systems.web.tables.log_details.columns.agent: it identifies, yet")


def test_a_table_may_be_held_both_in_place_and_for_the_archive(case):
    log = case.table("web.log")
    log["purposes"]["customer_relations"] = "always"
    log["events"]["contact"] = {"column": "at"}
    assert case.warnings() == []


@pytest.mark.parametrize(
    ("name", "role"), [("id", "part of the key"), ("bought_on", "an event's date")]
)
def test_a_column_the_decision_needs_cannot_be_cleared_early(case, name, role):
    customers = case.table("crm.customers")
    customers["purposes"]["customer_relations"] = "always"
    customers["columns"][name]["purposes"] = ["contract"]
    assert case.problems() == [
        f"{PLACE}customers.columns.{name}: it is {role} and cannot be cleared while its row stays"
    ]


def test_a_column_a_condition_reads_cannot_be_cleared_early(case):
    customers = case.table("crm.customers")
    customers["purposes"]["customer_relations"] = {"column": "status", "equals": "customer"}
    customers["columns"]["status"]["purposes"] = ["contract"]
    assert "what a purpose's condition reads" in case.problems()[0]


def test_clearing_a_column_that_a_link_goes_by_is_worth_a_warning(case):
    customers = case.table("crm.customers")
    customers["purposes"]["customer_relations"] = "always"
    customers["columns"]["email"]["purposes"] = ["contract"]
    assert case.warnings() == [
        "crm.customers.email: link 'web' finds nobody by it once it is cleared"
    ]


def test_the_policys_own_categories_are_all_of_the_taxonomy_or_custom():
    policy = Policy.model_validate(POLICY)
    named = [
        *(name for item in policy.data_categories.values() for name in item.covers),
        *(name for item in policy.uncovered.values() for name in item.categories),
    ]
    assert [name for name in named if not is_category(name, policy.custom_categories)] == []


def test_every_taxonomy_name_lies_below_another():
    orphans = {
        name
        for name in DATA_CATEGORIES
        if "." in name and name.rpartition(".")[0] not in DATA_CATEGORIES
    }
    assert orphans == set()
    assert {"user.contact.email", "user.device.ip_address", "system.operations"} <= DATA_CATEGORIES
