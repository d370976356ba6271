# ruff: noqa: D103 - an archetype's name says what it is
"""Archetypes of prospects: collection, active responses, enquiries, consent, withdrawal."""

from __future__ import annotations

from datetime import timedelta

from demo.scene import DAY, Scene


def prospect_collected_lately(scene: Scene) -> None:
    scene.prospect(scene.ago(0.01, 2.98))
    scene.life.intended = "active"


def prospect_collected_long_ago(scene: Scene) -> None:
    scene.prospect(scene.ago(3.02, 8))
    scene.life.intended = "expired"


def prospect_on_a_boundary_day(scene: Scene) -> None:
    kept = scene.maybe(0.5)
    scene.prospect(scene.last_kept(36) if kept else scene.first_due(36))
    scene.life.intended = "active" if kept else "expired"


def prospect_collected_on_a_leap_day(scene: Scene) -> None:
    scene.prospect(scene.leap_day(6))


def active_response_restarts(scene: Scene) -> None:
    prospect = scene.prospect(scene.ago(4, 10))
    scene.response(prospect, scene.ago(3.2, 3.9))
    scene.response(prospect, scene.ago(0.05, 2.95))
    scene.life.intended = "active"


def active_response_on_a_boundary_day(scene: Scene) -> None:
    kept = scene.maybe(0.5)
    prospect = scene.prospect(scene.ago(4, 10))
    scene.response(prospect, scene.last_kept(36) if kept else scene.first_due(36))
    scene.life.intended = "active" if kept else "expired"


def opened_mails_and_nothing_else(scene: Scene) -> None:
    """Opening an e-mail is not an active response."""
    prospect = scene.prospect(scene.ago(3.5, 10))
    for _ in range(3):
        scene.opening(prospect, scene.ago(0.05, 2.5))
    scene.life.intended = "expired"


def enquiry_restarts(scene: Scene) -> None:
    scene.prospect(scene.ago(3.5, 10), enquiry=scene.at(scene.ago(0.05, 2.95)))
    scene.life.intended = "active"


def opted_in_again(scene: Scene) -> None:
    prospect = scene.prospect(scene.ago(3.5, 8))
    scene.opt_in(prospect, scene.ago(0.05, 2.95))
    scene.life.intended = "active"


def prospect_consented(scene: Scene) -> None:
    day = scene.ago(0.1, 6)
    prospect = scene.prospect(day, consent=scene.at(day))
    scene.opt_in(prospect, day)
    scene.life.intended = "active" if day >= scene.last_kept(36) else "expired"


def prospect_withdrew(scene: Scene) -> None:
    collected = scene.ago(0.2, 2.8)
    withdrawn = scene.between(collected + DAY, scene.as_of)
    scene.prospect(collected, withdrawn=scene.at(withdrawn))
    scene.life.intended = "expired"


def prospect_withdrew_the_same_day(scene: Scene) -> None:
    day = scene.rng.choice((scene.ago(0.1, 2.8), scene.as_of))
    prospect = scene.prospect(scene.ago(2.9, 6), withdrawn=scene.at(day))
    scene.response(prospect, day)
    scene.life.intended = "expired"


def prospect_withdrew_then_consented_again(scene: Scene) -> None:
    again = scene.ago(0.1, 2.8)
    withdrawn = scene.at(again - timedelta(days=scene.rng.randint(1, 400)))
    prospect = scene.prospect(again - timedelta(days=800), withdrawn=withdrawn)
    scene.opt_in(prospect, again)
    scene.life.intended = "active"


def two_prospects_of_one_address(scene: Scene) -> None:
    """A bought-in list met the form on the site; each record has its own clock."""
    scene.prospect(scene.ago(3.5, 6))
    scene.prospect(scene.ago(0.1, 2.9))
    scene.life.intended = "expired"


def collected_tomorrow(scene: Scene) -> None:
    """A day ahead is within what clocks that differ explain."""
    scene.prospect(scene.as_of + DAY)
    scene.life.intended = "active"


PROSPECTS = (
    (prospect_collected_lately, 70),
    (prospect_collected_long_ago, 62),
    (prospect_on_a_boundary_day, 8),
    (prospect_collected_on_a_leap_day, 4),
    (active_response_restarts, 24),
    (active_response_on_a_boundary_day, 5),
    (opened_mails_and_nothing_else, 18),
    (enquiry_restarts, 12),
    (opted_in_again, 10),
    (prospect_consented, 16),
    (prospect_withdrew, 10),
    (prospect_withdrew_the_same_day, 3),
    (prospect_withdrew_then_consented_again, 4),
    (two_prospects_of_one_address, 3),
    (collected_tomorrow, 1),
)
