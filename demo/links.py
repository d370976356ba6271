# ruff: noqa: D103 - an archetype's name says what it is
"""Archetypes whose fate hangs on another system, or on who is the same person.

The web system's logins prolong a customer of the CRM who has the same e-mail address,
whatever its spelling; consent, its withdrawal and its renewal decide on prospecting.
"""

from __future__ import annotations

from datetime import date, time, timedelta

from demo.scene import DAY, Scene


def web_login_keeps_the_customer(scene: Scene) -> None:
    """The CRM alone would archive, or delete, this customer."""
    _over(scene, 3.1, 8)
    scene.account(scene.ago(0.05, 2.95))
    scene.life.intended = "active"


def web_login_on_a_boundary_day(scene: Scene) -> None:
    """At ten past midnight in Paris the UTC day is the day before, already due."""
    kept = scene.maybe(0.5)
    _over(scene, 3.1, 4.5)
    if kept:
        scene.account(scene.at(scene.last_kept(36), time(0, 10)), logins=0)
    else:
        scene.account(scene.at(scene.first_due(36), time(23, 50)), logins=0)
    scene.life.intended = "active" if kept else "archive"


def web_login_when_the_clocks_change(scene: Scene) -> None:
    _over(scene, 6, 9)
    clocks = (time(0, 30), time(1, 59, 59), time(2, 30), time(3, 0), time(23, 59, 59))
    scene.account(scene.at(scene.clock_change(), scene.rng.choice(clocks)), logins=0)


def late_login_past_the_archives_end(scene: Scene) -> None:
    """Active by a late login until after the archive's end: then straight to expiry."""
    end = scene.ago(5.8, 6.5)
    _over_on(scene, end)
    late = scene.between(end + timedelta(days=800), end + timedelta(days=1000))
    if scene.maybe(0.5):
        scene.account(late)
        scene.life.intended = "expired"
    else:
        scene.account(scene.ago(2.5, 2.9))
        scene.life.intended = "active"


def login_only(scene: Scene) -> None:
    """Never a contract, hence never an archive."""
    kept = scene.maybe(0.5)
    last = scene.ago(0.1, 2.9) if kept else scene.ago(3.1, 6)
    scene.customer(last - timedelta(days=400), opt_in=0)
    scene.account(last)
    scene.life.intended = "active" if kept else "expired"


def two_spellings_of_an_address(scene: Scene) -> None:
    _over(scene, 3.1, 8, spelling=scene.rng.choice(("capitals", "blanks", "plain")))
    scene.account(scene.ago(0.05, 2.9), spelling=scene.rng.choice(("capitals", "blanks", "mixed")))
    scene.life.intended = "active"


def two_accounts_of_one_address(scene: Scene) -> None:
    _over(scene, 3.1, 8)
    scene.account(scene.ago(4, 7))
    scene.account(scene.ago(0.05, 2.9), spelling="capitals")
    scene.life.intended = "active"


def duplicate_customers(scene: Scene) -> None:
    """Two customer records share an address; a login prolongs both."""
    _over(scene, 3.1, 4.9)
    _over(scene, 5.1, 8, "capitals")
    scene.account(scene.ago(0.05, 2.9))
    scene.life.intended = "active"


def login_from_another_address(scene: Scene) -> None:
    """The same human, whom nothing links: the CRM's record goes its way."""
    _over(scene, 3.1, 4.9)
    scene.account(scene.ago(0.05, 2.9), mailbox="work")
    scene.life.intended = "archive"


def customer_without_an_address(scene: Scene) -> None:
    scene.ended(scene.ago(3.1, 4.9), mailbox=None)
    scene.account(scene.ago(0.05, 2.9), mailbox="work")
    scene.life.intended = "archive"


def prospecting_alive(scene: Scene) -> None:
    """The contract is long over; a renewed consent keeps the record."""
    customer = scene.ended(scene.ago(5.2, 9), opt_in=1)
    customer.consent = scene.at(scene.ago(0.1, 2.9))
    scene.life.intended = "active"


def prospecting_over(scene: Scene) -> None:
    """A customer in force whom one may no longer solicit: a column goes, the record stays."""
    start = scene.ago(3.5, 10)
    customer = scene.customer(start, opt_in=1)
    customer.consent = customer.collected
    scene.contract(customer, start, None)
    scene.trade(customer, start, scene.as_of)
    scene.life.intended = "active"


def prospecting_on_a_boundary_day(scene: Scene) -> None:
    customer = scene.ended(scene.ago(5.2, 9), opt_in=1)
    kept = scene.maybe(0.5)
    customer.consent = scene.at(scene.last_kept(36) if kept else scene.first_due(36))
    scene.life.intended = "active" if kept else "expired"


def consent_withdrawn(scene: Scene) -> None:
    customer = scene.ended(scene.ago(5.2, 9), opt_in=1)
    consent = scene.ago(1, 2.5)
    customer.consent = scene.at(consent)
    customer.withdrawn = scene.at(scene.between(consent + DAY, scene.as_of))
    scene.life.intended = "expired"


def consent_withdrawn_the_same_day(scene: Scene) -> None:
    customer = scene.ended(scene.ago(3.2, 4.9), opt_in=1)
    day = scene.rng.choice((scene.ago(0.1, 2.5), scene.as_of))
    customer.consent, customer.withdrawn = scene.at(day), scene.at(day)
    scene.life.intended = "archive"


def consent_withdrawn_then_given_again(scene: Scene) -> None:
    customer = scene.ended(scene.ago(5.2, 9), opt_in=1)
    again = scene.ago(0.1, 2.5)
    customer.withdrawn = scene.at(again - timedelta(days=scene.rng.randint(1, 500)))
    customer.consent = scene.at(again)
    scene.life.intended = "active"


def prospect_who_became_a_customer(scene: Scene) -> None:
    """The contract keeps the CRM's record and says nothing for the prospect's."""
    start = scene.ago(0.5, 6)
    customer = scene.customer(start)
    scene.contract(customer, start, None)
    scene.trade(customer, start, scene.as_of)
    prospect = scene.prospect(start - timedelta(days=scene.rng.randint(10, 300)))
    scene.response(prospect, start)
    scene.life.intended = "active"


def _over(scene: Scene, least: float, most: float, spelling: str = "plain") -> None:
    _over_on(scene, scene.ago(least, most), spelling)


def _over_on(scene: Scene, end: date, spelling: str = "plain") -> None:
    """A customer whose contract ended on ``end`` and who has no account yet."""
    start = end - timedelta(days=scene.rng.randint(200, 1500))
    customer = scene.customer(start, spelling=spelling)
    scene.contract(customer, start, end)
    scene.trade(customer, start, end, light=True)


LINKS = (
    (web_login_keeps_the_customer, 24),
    (web_login_on_a_boundary_day, 8),
    (web_login_when_the_clocks_change, 4),
    (late_login_past_the_archives_end, 8),
    (login_only, 16),
    (two_spellings_of_an_address, 8),
    (two_accounts_of_one_address, 3),
    (duplicate_customers, 6),
    (login_from_another_address, 4),
    (customer_without_an_address, 6),
    (prospecting_alive, 10),
    (prospecting_over, 20),
    (prospecting_on_a_boundary_day, 4),
    (consent_withdrawn, 6),
    (consent_withdrawn_the_same_day, 3),
    (consent_withdrawn_then_given_again, 4),
    (prospect_who_became_a_customer, 12),
)
