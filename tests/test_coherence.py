from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from retention.catalogue.coherence import coherent
from retention.catalogue.model import Catalogue
from retention.catalogue.taxonomy import DATA_CATEGORIES, is_category
from retention.errors import ConfigurationError
from retention.policy.table import Policy

POLICY_FILE = Path(__file__).parent.parent / "policies" / "callimedia.yaml"
POLICY = yaml.safe_load(POLICY_FILE.read_text(encoding="utf-8"))
PLACE = "systems.crm.tables."


def column(category: str = "system.operations", **more: Any) -> dict[str, Any]:
    return {"category": category, **more}


CATALOGUE: dict[str, Any] = {
    "catalogue": "test",
    "links": {
        "web": {"near": "crm.customers.email", "far": "web.users.email", "normaliser": "email"}
    },
    "systems": {
        "crm": {
            "label": "CRM",
            "url": "sqlite:///crm.db",
            "time_zone": "Europe/Paris",
            "tables": {
                "customers": {
                    "label": "Customers",
                    "subject": "customer",
                    "key": "id",
                    "purposes": {"contract": "always"},
                    "events": {
                        "contracts": {"table": "contracts", "start": "starts", "end": "ends"},
                        "purchase": {"column": "bought_on"},
                        "login": {"link": "web", "column": "seen"},
                    },
                    "columns": {
                        "id": column("user.unique_id"),
                        "email": column("user.contact.email", identifies=True),
                        "bought_on": column("user.behavior.purchase_history"),
                        "status": column(),
                    },
                },
                "contracts": {
                    "label": "Contracts",
                    "key": "id",
                    "owner": {"table": "customers", "via": "customer_id"},
                    "columns": {
                        "id": column(),
                        "customer_id": column("user.unique_id"),
                        "starts": column(),
                        "ends": column(),
                    },
                },
                "bank_details": {
                    "label": "Bank details",
                    "key": "id",
                    "owner": {"table": "customers", "via": "customer_id"},
                    "purposes": {"payment": "always"},
                    "columns": {
                        "id": column(),
                        "customer_id": column("user.unique_id"),
                        "iban": column("user.financial.bank_account", identifies=True),
                    },
                },
            },
        },
        "web": {
            "label": "Web shop",
            "url": "sqlite:///web.db",
            "time_zone": "UTC",
            "tables": {
                "users": {
                    "label": "Users",
                    "subject": "customer",
                    "key": "id",
                    "purposes": {"customer_relations": "always"},
                    "events": {"login": {"column": "seen"}},
                    "columns": {
                        "id": column("user.unique_id"),
                        "email": column("user.contact.email", identifies=True),
                        "seen": column("user.behavior"),
                    },
                },
                "log": {
                    "label": "Connections",
                    "key": "id",
                    "purposes": {"connection_security": "always"},
                    "references": [{"table": "users", "via": "user_id"}],
                    "events": {"connected": {"column": "at"}},
                    "columns": {
                        "id": column(),
                        "user_id": column("user.unique_id", identifies=True, pseudonymise="clear"),
                        "at": column("user.device"),
                        "ip": column(
                            "user.device.ip_address", identifies=True, pseudonymise="token"
                        ),
                    },
                },
            },
        },
    },
}


class Case:
    """A coherent catalogue and policy, for a test to spoil."""

    def __init__(self) -> None:
        self.catalogue = copy.deepcopy(CATALOGUE)
        self.policy = copy.deepcopy(POLICY)

    def table(self, name: str) -> Any:
        system, _, table = name.partition(".")
        return self.catalogue["systems"][system]["tables"][table]

    def column(self, name: str, column: str) -> Any:
        return self.table(name)["columns"][column]

    def warnings(self) -> list[str]:
        found = coherent(
            Catalogue.model_validate(self.catalogue),
            Policy.model_validate(self.policy),
            Path("catalogue.yaml"),
        )
        assert all(item.severity == "warning" for item in found)
        return [str(item) for item in found]

    def problems(self) -> list[str]:
        with pytest.raises(ConfigurationError) as refusal:
            self.warnings()
        problems = refusal.value.problems
        assert all(problem.startswith("catalogue.yaml: ") for problem in problems)
        assert all("\n" not in problem for problem in problems)
        return [problem.removeprefix("catalogue.yaml: ") for problem in problems]


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_coherent_catalogue_passes_without_a_warning(case):
    assert case.warnings() == []


def test_a_purpose_the_policy_does_not_know_is_named_with_its_place(case):
    case.table("crm.customers")["purposes"]["contrat"] = "always"
    assert case.problems() == [
        PLACE + "customers.purposes.contrat: no such purpose in policy 'callimedia'"
    ]


def test_a_purpose_missing_from_one_version_alone_is_refused(case):
    later = copy.deepcopy(case.policy["versions"][0])
    later["effective_from"] = "2026-01-01"
    del later["purposes"]["payment"]
    case.policy["versions"].append(later)
    assert case.problems() == [
        PLACE + "bank_details.purposes.payment: "
        "no such purpose in policy 'callimedia' as of 2026-01-01"
    ]


def test_every_fault_is_told_at_once(case):
    case.table("crm.customers")["purposes"]["contrat"] = "always"
    case.table("web.users")["purposes"]["relation"] = "always"
    assert len(case.problems()) == 2


def test_a_purpose_for_anonymous_output_cannot_hold_a_table(case):
    case.table("crm.customers")["purposes"]["statistics"] = "always"
    assert case.problems() == [
        PLACE + "customers.purposes.statistics: the purpose may hold anonymous output only"
    ]


def test_a_column_needed_for_a_purpose_its_table_is_not_held_for_is_refused(case):
    case.column("crm.customers", "status")["purposes"] = ["prospecting"]
    assert case.problems() == [
        PLACE + "customers.columns.status: crm.customers is not held for purpose 'prospecting'"
    ]


def test_a_dependants_column_is_measured_by_its_owners_purposes(case):
    case.column("crm.contracts", "id")["purposes"] = ["contract"]
    assert case.warnings() == []
    case.column("crm.contracts", "id")["purposes"] = ["payment"]
    assert "crm.customers is not held for purpose 'payment'" in case.problems()[0]


def test_an_event_the_policy_does_not_know_is_refused(case):
    case.table("crm.customers")["events"]["buying"] = {"column": "bought_on"}
    assert case.problems() == [
        PLACE + "customers.events.buying: no such event in policy 'callimedia'"
    ]


def test_an_interval_wants_a_start_and_an_end(case):
    case.table("crm.customers")["events"]["contracts"] = {"column": "bought_on"}
    assert case.problems() == [
        PLACE + "customers.events.contracts: the event is an interval; give 'start' and 'end'"
    ]


def test_a_single_day_wants_one_column(case):
    case.table("crm.customers")["events"]["purchase"] = {"start": "bought_on", "end": "bought_on"}
    assert case.problems() == [
        PLACE + "customers.events.purchase: the event is a single day; give 'column'"
    ]


def test_an_event_that_ends_a_purpose_cannot_come_through_a_link(case):
    customers = case.table("crm.customers")
    customers["purposes"]["prospecting"] = "always"
    customers["events"]["consent"] = {"column": "bought_on"}
    customers["events"]["withdrawn"] = {"column": "bought_on"}
    assert case.warnings() == []
    customers["events"]["withdrawn"] = {"link": "web", "column": "seen"}
    [problem] = case.problems()
    assert problem.startswith(PLACE + "customers.events.withdrawn: it ends purpose 'prospecting'")


def test_a_clock_that_counts_from_a_first_event_takes_no_evidence_through_a_link(case):
    customers = case.table("crm.customers")
    customers["purposes"]["trackers"] = "always"
    customers["events"]["deposit"] = {"column": "bought_on"}
    assert case.warnings() == []
    customers["events"]["consent"] = {"link": "web", "column": "seen"}
    [problem] = case.problems()
    assert problem.startswith(PLACE + "customers.events.consent: purpose 'trackers' counts from")


def test_a_link_is_refused_also_where_evidence_takes_it_from_its_owner(case):
    case.table("crm.customers")["events"]["deposit"] = {"link": "web", "column": "seen"}
    case.table("crm.bank_details")["purposes"] = {"payment": "always", "trackers": "always"}
    assert any(
        problem.startswith(PLACE + "customers.events.deposit: purpose 'trackers'")
        for problem in case.problems()
    )


def test_evidence_may_be_active_while_its_owner_surely_is(case):
    # payment is active for as long as the relationship, contract for three years more
    assert "payment" in case.table("crm.bank_details")["purposes"]
    assert case.warnings() == []


def test_evidence_that_stays_active_longer_than_its_owner_is_refused(case):
    case.policy["versions"][0]["purposes"]["payment"]["active"]["for"] = "37 months"
    [problem] = case.problems()
    assert problem.startswith(
        PLACE + "bank_details.purposes.payment: keeps rows active although crm.customers"
    )


def test_evidence_kept_active_by_an_event_its_owner_ignores_is_refused(case):
    case.policy["versions"][0]["purposes"]["payment"]["active"]["from_latest"].append("contact")
    [problem] = case.problems()
    assert problem.startswith(PLACE + "bank_details.purposes.payment: keeps rows active")


def test_an_owner_whose_purpose_a_withdrawal_ends_does_not_vouch_for_its_evidence(case):
    contract = case.policy["versions"][0]["purposes"]["contract"]["active"]
    contract["ended_by"] = ["withdrawn"]
    [problem] = case.problems()
    assert problem.startswith(PLACE + "bank_details.purposes.payment: keeps rows active")


def test_evidence_may_share_its_owners_purpose(case):
    case.table("crm.bank_details")["purposes"] = {"contract": "always"}
    assert case.warnings() == []


def test_a_purpose_of_which_no_starting_event_has_a_source_is_refused(case):
    case.table("web.users")["events"] = {}
    [problem] = case.problems()
    assert problem.startswith("systems.web.tables.users.purposes.customer_relations: none of the")


def test_evidence_may_take_its_events_from_its_owner(case):
    assert "events" not in case.table("crm.bank_details")
    assert case.warnings() == []
    case.table("crm.bank_details")["purposes"] = {"accounting": "always"}
    [problem] = case.problems()
    assert problem.startswith(PLACE + "bank_details.purposes.accounting: none of the events")


def test_an_active_phase_that_nothing_can_start_is_worth_a_warning(case):
    purposes = case.policy["versions"][0]["purposes"]
    purposes["accounting"]["active"] = {
        "for": "1 year", "from_latest": ["connected"], "basis": "default", "citation": "none",
    }  # fmt: skip
    users = case.table("web.users")
    users["purposes"]["accounting"] = "always"
    users["events"]["issued"] = {"column": "seen"}
    [warning] = case.warnings()
    assert warning.startswith("web.users: purpose 'accounting': no event that starts its active")


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
