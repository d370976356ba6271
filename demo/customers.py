# ruff: noqa: D103 - an archetype's name says what it is
"""Archetypes of customers whose fate is told by the CRM alone.

Each function writes one life; ``intended`` is the phase of its first customer on the
demonstration's day. Weights are people in a thousand.
"""

from __future__ import annotations

from datetime import date, timedelta

from demo.lives import UNKNOWN_START
from demo.scene import DAY, Scene


def contract_in_force(scene: Scene) -> None:
    start = scene.ago(0.1, 12)
    customer = scene.customer(start)
    scene.contract(customer, start, None)
    scene.trade(customer, start, scene.as_of)
    scene.life.intended = "active"


def contract_ends_later(scene: Scene) -> None:
    start = scene.ago(0.1, 4)
    customer = scene.customer(start)
    scene.contract(customer, start, scene.as_of + timedelta(days=scene.rng.randint(2, 700)))
    scene.trade(customer, start, scene.as_of)
    scene.life.intended = "active"


def contract_ended_recently(scene: Scene) -> None:
    scene.ended(scene.ago(0.01, 2.98))
    scene.life.intended = "active"


def contract_archived(scene: Scene) -> None:
    scene.ended(scene.ago(3.02, 4.97))
    scene.life.intended = "archive"


def contract_expired(scene: Scene) -> None:
    scene.ended(scene.ago(5.02, 9))
    scene.life.intended = "expired"


def contract_ended_on_a_boundary_day(scene: Scene) -> None:
    day, phase = scene.rng.choice(
        (
            (scene.last_kept(36), "active"),
            (scene.first_due(36), "archive"),
            (scene.last_kept(60), "archive"),
            (scene.first_due(60), "expired"),
            (scene.as_of, "active"),
            (scene.as_of + DAY, "active"),
        )
    )
    scene.ended(day)
    scene.life.intended = phase


def contract_ended_on_a_leap_day(scene: Scene) -> None:
    scene.ended(scene.leap_day())


def contract_renewed(scene: Scene) -> None:
    customer = scene.ended(scene.ago(4, 8))
    scene.contract(customer, scene.ago(0.5, 3.5), None)
    scene.life.intended = "active"


def contracts_all_over(scene: Scene) -> None:
    """The latest end counts, in whatever order the contracts were entered."""
    customer = scene.ended(scene.ago(3.1, 4.9))
    end = scene.ago(5.5, 9)
    scene.contract(customer, end - timedelta(days=400), end)
    scene.life.intended = "archive"


def purchase_only(scene: Scene) -> None:
    least, most, phase = scene.rng.choice(
        ((0.01, 2.98, "active"), (3.02, 4.97, "archive"), (5.02, 9, "expired"))
    )
    _bought(scene, scene.ago(least, most))
    scene.life.intended = phase


def purchase_on_a_boundary_day(scene: Scene) -> None:
    day, phase = scene.rng.choice(
        (
            (scene.last_kept(36), "active"),
            (scene.first_due(36), "archive"),
            (scene.last_kept(60), "archive"),
            (scene.first_due(60), "expired"),
        )
    )
    _bought(scene, day)
    scene.life.intended = phase


def purchase_after_the_contract(scene: Scene) -> None:
    customer = scene.ended(scene.ago(3.5, 8))
    scene.order(customer, scene.ago(0.1, 2.9))
    scene.life.intended = "active"


def service_after_the_contract(scene: Scene) -> None:
    end = scene.ago(5.5, 8)
    start = end - timedelta(days=600)
    customer = scene.customer(start)
    scene.contract(customer, start, end, service=scene.ago(3.1, 4.9))
    scene.trade(customer, start, end)
    scene.life.intended = "archive"


def contact_prolongs_relations(scene: Scene) -> None:
    """The record stays for customer relations; its contract purpose may be over."""
    customer = scene.ended(scene.ago(3.1, 9))
    day = scene.ago(0.1, 2.9)
    if scene.maybe(0.5):
        scene.contact(customer, day)
    else:
        scene.ticket(customer, day)
    scene.life.intended = "active"


def contact_on_a_boundary_day(scene: Scene) -> None:
    customer = scene.ended(scene.ago(5.5, 9))
    kept = scene.maybe(0.5)
    scene.contact(customer, scene.last_kept(36) if kept else scene.first_due(36))
    scene.life.intended = "active" if kept else "expired"


def bank_details_in_dispute(scene: Scene) -> None:
    scene.bank(scene.ended(scene.ago(0.01, 1.07)))
    scene.life.intended = "active"


def bank_details_on_a_boundary_day(scene: Scene) -> None:
    days = (scene.as_of, scene.as_of - DAY, scene.last_kept(13), scene.first_due(13))
    scene.bank(scene.ended(scene.rng.choice(days)))
    scene.life.intended = "active"


def invoices_of_every_age(scene: Scene) -> None:
    """Invoices that outlive their owner, and some that do not, 31 December included."""
    end = scene.ago(5.1, 8)
    start = date(scene.as_of.year - 14, 3, 1)
    customer = scene.customer(start)
    scene.contract(customer, start, end)
    for back in (10, 11):
        scene.invoice(customer, date(scene.as_of.year - back, 1, 1))
        scene.invoice(customer, date(scene.as_of.year - back, 12, 31))
    scene.invoice(customer, scene.between(start, end))
    scene.life.intended = "expired"


def invoices_of_a_loyal_customer(scene: Scene) -> None:
    """As old as the others, and kept in the active base by the owner's contract."""
    start = date(scene.as_of.year - 13, 5, 1)
    customer = scene.customer(start)
    scene.contract(customer, start, None)
    for back in (12, 11, 10, 4):
        scene.invoice(customer, scene.ago(back - 1, back))
    scene.bank(customer)
    scene.life.intended = "active"


def start_of_contract_unknown(scene: Scene) -> None:
    """A sentinel that does no harm: the end is known."""
    end = scene.ago(0.5, 2.5)
    customer = scene.customer(end - timedelta(days=900))
    scene.contract(customer, UNKNOWN_START, end)
    scene.life.intended = "active"


def _bought(scene: Scene, last: date) -> None:
    first = last - timedelta(days=scene.rng.randint(0, 700))
    customer = scene.customer(first)
    for day in sorted({first, last}):
        scene.order(customer, day)
        if scene.maybe(0.7):
            scene.invoice(customer, day)
    if scene.maybe(0.4):
        scene.bank(customer)


CUSTOMERS = (
    (contract_in_force, 190),
    (contract_ends_later, 35),
    (contract_ended_recently, 85),
    (contract_archived, 60),
    (contract_expired, 50),
    (contract_ended_on_a_boundary_day, 12),
    (contract_ended_on_a_leap_day, 4),
    (contract_renewed, 20),
    (contracts_all_over, 8),
    (purchase_only, 60),
    (purchase_on_a_boundary_day, 6),
    (purchase_after_the_contract, 8),
    (service_after_the_contract, 5),
    (contact_prolongs_relations, 14),
    (contact_on_a_boundary_day, 4),
    (bank_details_in_dispute, 16),
    (bank_details_on_a_boundary_day, 6),
    (invoices_of_every_age, 12),
    (invoices_of_a_loyal_customer, 12),
    (start_of_contract_unknown, 1),
)
