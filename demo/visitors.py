# ruff: noqa: D103 - an archetype's name says what it is
"""Archetypes of the web system: accounts nobody else knows, connections and trackers."""

from __future__ import annotations

from datetime import date, time, timedelta

from demo.lives import NEVER, Connection, Tracker, When
from demo.scene import DAY, Scene


def guest_account(scene: Scene) -> None:
    """An account whose owner is no customer: three years from the last login, no archive."""
    kept = scene.maybe(0.6)
    last = scene.ago(0.02, 2.95) if kept else scene.ago(3.05, 7)
    account = scene.account(last, logins=scene.rng.randint(1, 5))
    for row in account.logins:
        if row.when.day > scene.as_of - timedelta(days=460):
            _connect(scene, row.when, account.key)
    scene.life.intended = "active" if kept else "expired"


def account_on_a_boundary_day(scene: Scene) -> None:
    kept = scene.maybe(0.5)
    if kept:
        scene.account(scene.at(scene.last_kept(36), time(0, 10)), logins=1)
    else:
        scene.account(scene.at(scene.first_due(36), time(23, 50)), logins=1)
    scene.life.intended = "active" if kept else "expired"


def connections_of_the_last_months(scene: Scene) -> None:
    _connections(scene, 0.005, 0.49, "active")


def connections_pseudonymised_by_now(scene: Scene) -> None:
    _connections(scene, 0.52, 0.98, "archive")


def connections_past_a_year(scene: Scene) -> None:
    _connections(scene, 1.02, 2, "expired")


def connections_on_a_boundary_day(scene: Scene) -> None:
    day, clock, phase = scene.rng.choice(
        (
            (scene.last_kept(6), time(0, 10), "active"),
            (scene.first_due(6), time(23, 50), "archive"),
            (scene.last_kept(12), time(0, 10), "archive"),
            (scene.first_due(12), time(23, 50), "expired"),
        )
    )
    for _ in range(3):
        _connect(scene, scene.at(day, clock))
    scene.life.intended = phase


def connections_when_the_clocks_change(scene: Scene) -> None:
    day = scene.clock_change(1)
    for clock in (time(0, 30), time(2, 30), time(3, 0)):
        _connect(scene, scene.at(day, clock))


def trackers_within_their_months(scene: Scene) -> None:
    for _ in range(scene.rng.randint(1, 3)):
        day = scene.ago(0.01, 1.05)
        _track(scene, day, consent=scene.at(day) if scene.maybe(0.7) else NEVER)
    scene.life.intended = "active"


def trackers_past_their_months(scene: Scene) -> None:
    """Later deposits of the same tracker do not restart its clock."""
    for _ in range(scene.rng.randint(1, 3)):
        day = scene.ago(1.12, 2.5)
        again = scene.at(scene.ago(0.01, 1)) if scene.maybe(0.5) else NEVER
        _track(scene, day, again, scene.at(day) if scene.maybe(0.5) else NEVER)
    scene.life.intended = "expired"


def trackers_on_a_boundary_day(scene: Scene) -> None:
    kept = scene.maybe(0.5)
    day = scene.last_kept(13) if kept else scene.first_due(13)
    _track(scene, scene.at(day, time(0, 10) if kept else time(23, 50)))
    _track(scene, scene.as_of - timedelta(days=900), scene.at(day), scene.at(day - DAY))
    _track(scene, NEVER, NEVER, scene.at(day))
    scene.life.intended = "active" if kept else "expired"


def trackers_of_a_renewed_consent(scene: Scene) -> None:
    """The first deposit on or after the renewed consent counts, not the very first."""
    consent = scene.ago(0.3, 0.9)
    _track(scene, scene.ago(1.5, 3), scene.at(consent + DAY), scene.at(consent))
    _track(scene, scene.ago(1.5, 3), NEVER, scene.at(consent))
    _track(scene, consent, NEVER, scene.at(consent, time(0, 10)))
    scene.life.intended = "active"


def _connections(scene: Scene, least: float, most: float, phase: str) -> None:
    for _ in range(scene.rng.randint(3, 9)):
        _connect(scene, scene.at(scene.ago(least, most)))
    scene.life.intended = phase


def _connect(scene: Scene, when: When, account: str | None = None) -> None:
    row = Connection(scene.next_key("connections"), when, account)
    scene.life.connections.append(row)


def _track(scene: Scene, first: date | When, again: When = NEVER, consent: When = NEVER) -> None:
    when = first if isinstance(first, When) else scene.at(first)
    scene.life.trackers.append(Tracker(scene.next_key("trackers"), when, again, consent))


VISITORS = (
    (guest_account, 40),
    (account_on_a_boundary_day, 4),
    (connections_of_the_last_months, 40),
    (connections_pseudonymised_by_now, 15),
    (connections_past_a_year, 10),
    (connections_on_a_boundary_day, 4),
    (connections_when_the_clocks_change, 2),
    (trackers_within_their_months, 36),
    (trackers_past_their_months, 18),
    (trackers_on_a_boundary_day, 4),
    (trackers_of_a_renewed_consent, 4),
)
