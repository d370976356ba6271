# ruff: noqa: D103 - an archetype's name says what it is
"""Lives with something wrong in them: what a real database holds after fifteen years.

Each sends its record to review. They are few (``DIRT`` gives each family's share of all
people), so that no table comes near the share at which a run stops. Invoices that nobody can
date belong to active customers: elsewhere they would hold up the deletion of their owner.
"""

from __future__ import annotations

from datetime import date, timedelta

from demo.lives import NEVER, UNKNOWN_END, Connection, Customer, Tracker, When
from demo.scene import Scene


def customer_without_any_event(scene: Scene) -> None:
    scene.customer(scene.ago(1, 6), opt_in=0)
    scene.life.intended = "review"


def order_without_a_date(scene: Scene) -> None:
    scene.order(scene.customer(scene.ago(1, 6), opt_in=0), NEVER)
    scene.life.intended = "review"


def order_in_the_future(scene: Scene) -> None:
    scene.order(_former(scene, 3.2, 4.8), _future(scene))
    scene.life.intended = "review"


def order_date_unreadable(scene: Scene) -> None:
    customer = scene.customer(scene.ago(4, 6), opt_in=0)
    scene.order(customer, scene.bad("crm", "31/12/2019"))
    scene.life.intended = "review"


def contract_end_unknown(scene: Scene) -> None:
    customer = scene.customer(scene.ago(4, 8), opt_in=0)
    scene.contract(customer, scene.ago(4, 8), UNKNOWN_END)
    scene.bank(customer)
    scene.life.intended = "review"


def contract_end_unreadable(scene: Scene) -> None:
    """Where the database takes no such text, the contract is left without an end instead."""
    customer = scene.customer(scene.ago(4, 8), opt_in=0)
    end = scene.bad("crm", "2023-02-30")
    scene.contract(customer, scene.ago(4, 8), end if end.script else None)
    scene.life.intended = "review" if end.script else "active"


def contract_starts_in_the_future(scene: Scene) -> None:
    start = scene.as_of + timedelta(days=scene.rng.randint(30, 300))
    scene.contract(scene.customer(scene.ago(1, 2), opt_in=0), start, start + timedelta(days=365))
    scene.life.intended = "review"


def contract_ends_before_it_starts(scene: Scene) -> None:
    start = scene.ago(4, 8)
    customer = scene.customer(start, opt_in=0)
    scene.contract(customer, start, start - timedelta(days=scene.rng.randint(1, 700)))
    scene.bank(customer)
    scene.life.intended = "review"


def contact_without_a_contract(scene: Scene) -> None:
    """A former lead: nothing says when the contract purpose ends, since it never began."""
    scene.contact(scene.customer(scene.ago(4, 6), opt_in=0), scene.ago(3.2, 4))
    scene.life.intended = "review"


def contact_date_unreadable(scene: Scene) -> None:
    """Relations in review, contract archived; with a null instead, only archived."""
    customer = _former(scene, 3.2, 4.8)
    contact = scene.contact(customer, scene.bad("crm"))
    scene.life.intended = "review" if contact.when.script else "archive"


def consent_in_the_future(scene: Scene) -> None:
    customer = _former(scene, 5.2, 8)
    customer.opt_in, customer.consent = 1, _future(scene)
    scene.life.intended = "review"


def opted_in_nobody_knows_when(scene: Scene) -> None:
    customer = _former(scene, 5.2, 8)
    customer.opt_in, customer.collected, customer.consent = 1, NEVER, NEVER
    scene.life.intended = "review"


def web_login_in_the_future(scene: Scene) -> None:
    """The CRM's record is in review for what the web system says."""
    _former(scene, 3.2, 8)
    scene.account(_future(scene), logins=0)
    scene.life.intended = "review"


def web_login_unreadable(scene: Scene) -> None:
    _former(scene, 3.2, 4.8)
    account = scene.account(scene.ago(4, 6), logins=0)
    row = scene.login(account, scene.bad("web", "n/a"))
    scene.life.intended = "review" if row.when.script else "archive"


def invoice_without_a_date(scene: Scene) -> None:
    scene.invoice(_in_force(scene), NEVER)
    scene.life.intended = "active"


def invoice_in_the_future(scene: Scene) -> None:
    scene.invoice(_in_force(scene), _future(scene))
    scene.life.intended = "active"


def invoice_date_unreadable(scene: Scene) -> None:
    scene.invoice(_in_force(scene), scene.bad("crm"))
    scene.life.intended = "active"


def account_that_never_logged_in(scene: Scene) -> None:
    scene.account(NEVER)
    scene.life.intended = "review"


def prospect_without_any_date(scene: Scene) -> None:
    scene.prospect(NEVER)
    scene.life.intended = "review"


def prospect_collected_in_the_future(scene: Scene) -> None:
    scene.prospect(_future(scene))
    scene.life.intended = "review"


def prospect_date_unreadable(scene: Scene) -> None:
    prospect = scene.prospect(scene.bad("marketing", "n/a"))
    scene.opening(prospect, scene.ago(1, 2))
    scene.life.intended = "review"


def response_in_the_future(scene: Scene) -> None:
    scene.response(scene.prospect(scene.ago(3.5, 6)), _future(scene))
    scene.life.intended = "review"


def withdrawal_in_the_future(scene: Scene) -> None:
    scene.prospect(scene.ago(1, 2), withdrawn=_future(scene))
    scene.life.intended = "review"


def withdrawal_and_nothing_else(scene: Scene) -> None:
    """No start is known, an end is: nothing allows the record to be kept."""
    scene.prospect(NEVER, withdrawn=scene.at(scene.ago(0.5, 2)))
    scene.life.intended = "expired"


def connection_without_a_date(scene: Scene) -> None:
    _connect(scene, NEVER)


def connection_in_the_future(scene: Scene) -> None:
    _connect(scene, _future(scene))


def connection_date_unreadable(scene: Scene) -> None:
    _connect(scene, scene.bad("web"))


def tracker_without_a_date(scene: Scene) -> None:
    _track(scene, NEVER, NEVER)


def tracker_consent_in_the_future(scene: Scene) -> None:
    _track(scene, scene.at(scene.ago(1.5, 2)), _future(scene))


def tracker_date_unreadable(scene: Scene) -> None:
    _track(scene, scene.bad("web"), scene.at(scene.ago(1.5, 2)))


def _future(scene: Scene) -> When:
    """More than a day ahead: a slip of the hand, or a year mistyped."""
    if scene.maybe(0.3):
        return scene.at(date(scene.as_of.year + 180, 3, 14))
    return scene.at(scene.as_of + timedelta(days=scene.rng.choice((2, 3, 30, 400))))


def _former(scene: Scene, least: float, most: float) -> Customer:
    end = scene.ago(least, most)
    start = end - timedelta(days=500)
    customer = scene.customer(start, opt_in=0)
    scene.contract(customer, start, end)
    scene.invoice(customer, end)
    if scene.maybe(0.4):
        scene.bank(customer)
        scene.ticket(customer, scene.between(start, end))
    return customer


def _in_force(scene: Scene) -> Customer:
    start = scene.ago(1, 6)
    customer = scene.customer(start)
    scene.contract(customer, start, None)
    return customer


def _connect(scene: Scene, when: When) -> None:
    scene.life.connections.append(Connection(scene.next_key("connections"), when))
    scene.life.intended = "review"


def _track(scene: Scene, deposited: When, consent: When) -> None:
    tracker = Tracker(scene.next_key("trackers"), deposited, NEVER, consent)
    scene.life.trackers.append(tracker)
    unreadable = deposited.script is None and consent.script is not None
    scene.life.intended = "expired" if unreadable else "review"


DIRT = (
    (
        0.0034,
        (
            customer_without_any_event,
            contract_end_unknown,
            order_in_the_future,
            contract_ends_before_it_starts,
            web_login_in_the_future,
            order_date_unreadable,
            contract_end_unreadable,
            invoice_without_a_date,
            opted_in_nobody_knows_when,
            contact_without_a_contract,
            web_login_unreadable,
            order_without_a_date,
            contract_starts_in_the_future,
            contact_date_unreadable,
            consent_in_the_future,
            invoice_in_the_future,
            invoice_date_unreadable,
        ),
    ),
    (0.0004, (account_that_never_logged_in,)),
    (
        0.0012,
        (
            prospect_without_any_date,
            prospect_collected_in_the_future,
            prospect_date_unreadable,
            response_in_the_future,
            withdrawal_in_the_future,
            withdrawal_and_nothing_else,
        ),
    ),
    (
        0.0006,
        (connection_without_a_date, connection_in_the_future, connection_date_unreadable),
    ),
    (
        0.0006,
        (tracker_without_a_date, tracker_consent_in_the_future, tracker_date_unreadable),
    ),
)
