from __future__ import annotations

import copy

from tests.coherence_support import PLACE, case


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
    customers["on_objection"] = {"status": "objected"}
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


def test_a_mixed_table_has_to_be_able_to_say_that_its_owner_objected(case):
    table = case.table("crm.customers")
    table["purposes"]["prospecting"] = "always"
    table["events"] |= {"collected": {"column": "bought_on"}, "withdrawn": {"column": "bought_on"}}
    (warning,) = [str(found) for found in case.warnings() if "objection" in str(found)]
    assert warning.startswith("crm.customers: held for purpose 'prospecting' beside others")
    table["on_objection"] = {"status": "objected"}
    assert not [found for found in case.warnings() if "objection" in str(found)]
