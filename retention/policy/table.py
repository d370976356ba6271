"""The policy table: how long each purpose may keep data, and which line promises it.

Only the shape of the table belongs here; what a date makes of it is in ``decide`` (Python)
and ``predicates`` (SQL).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from retention.documents import Misplaced, Place, StrictModel, read_document
from retention.policy.calendar import EndOf, Period, close_of_financial_year, zone


def _duration(value: object) -> Period:
    return value if isinstance(value, Period) else Period.parse(str(value))


Duration = Annotated[
    Period,
    BeforeValidator(_duration),
    PlainSerializer(str),
]


def _existing_zone(name: str) -> str:
    zone(name)
    return name


TimeZone = Annotated[str, AfterValidator(_existing_zone)]


class Basis(StrEnum):
    """Who chose a duration."""

    notice = "notice"
    interpreted = "notice (interpreted)"
    statute = "statute"
    default = "default"


class Event(StrictModel):
    """A kind of event that a catalogue may point at."""

    label: str
    label_fr: str
    interval: bool = False
    """A start/end pair (a contract) rather than a single day."""


class Rule(StrictModel):
    """What every phase of every purpose says: its length, its clock and its source."""

    lasts: Duration = Field(alias="for")
    from_latest: tuple[str, ...] = ()
    from_first: str | None = None
    since_latest: str | None = None
    basis: Basis
    citation: str
    confirm: str | None = None
    """What the DPO or a lawyer still has to confirm."""

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if bool(self.from_latest) == bool(self.from_first):
            raise ValueError("give either 'from_latest' or 'from_first'")
        if self.since_latest and not self.from_first:
            raise ValueError("'since_latest' goes with 'from_first'")
        if len(set(self.from_latest)) != len(self.from_latest):
            raise ValueError("an event is listed twice in 'from_latest'")
        return self

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The events that start this clock."""
        return frozenset((*self.from_latest, *filter(None, (self.from_first, self.since_latest))))


class ActiveRule(Rule):
    """The active phase. A contract in force among ``from_latest`` keeps it open."""

    ended_by: tuple[str, ...] = ()
    """Events that end the phase from their very day when no starting event is later."""

    @model_validator(mode="after")
    def _ends_differ(self) -> Self:
        if set(self.ended_by) & self.kinds:
            raise ValueError("an event cannot both start and end a phase")
        if self.ended_by and not self.from_latest:
            raise ValueError("'ended_by' goes with 'from_latest'")
        return self


class ArchiveRule(Rule):
    """The intermediate archive, counted from the event, not from the end of the active phase."""

    counted_from: Literal["event", "end_of_financial_year"] = "event"
    in_place: bool = False
    """Pseudonymised where it lies rather than moved to the archive."""
    on_erasure: Literal["keep", "delete"] | None = None
    """What a person's request for erasure does with it; by default a statute keeps, nothing else
    does (GDPR art. 17(3)(b))."""

    @property
    def outlives_erasure(self) -> bool:
        """Whether the data stay in the archive though the person asked for erasure."""
        if self.on_erasure is not None:
            return self.on_erasure == "keep"
        return self.basis is Basis.statute


class Purpose(StrictModel):
    """One row of the policy table."""

    label: str
    label_fr: str
    legal_basis: Literal[
        "consent", "contract", "legal_obligation", "legitimate_interest", "not_applicable"
    ]
    active: ActiveRule | None = None
    archive: ArchiveRule | None = None
    anonymous_only: str | None = None
    """For a purpose that may hold anonymous output only: the citation. It has no clock."""

    id: str = ""
    financial_year_end: tuple[int, int] = Field(default=(12, 31), exclude=True)

    @model_validator(mode="after")
    def _has_a_phase(self) -> Self:
        if (self.active or self.archive) and self.anonymous_only:
            raise ValueError("a purpose for anonymous output has neither active nor archive phase")
        if not (self.active or self.archive or self.anonymous_only):
            raise ValueError("a purpose needs an 'active' or an 'archive' phase")
        return self

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Every event this purpose reads, those that end it included."""
        return self.starting_kinds | frozenset(self.active.ended_by if self.active else ())

    @property
    def starting_kinds(self) -> frozenset[str]:
        """The events that start one of its clocks."""
        return frozenset().union(*(rule.kinds for rule in (self.active, self.archive) if rule))

    @property
    def only_prolonged_by_evidence(self) -> bool:
        """Whether a further event, wherever it is found, can never shorten this purpose.

        True of clocks that start at the latest event. Where it is false, or for events in
        ``ended_by``, evidence from another system is refused.
        """
        return not any(rule and rule.from_first for rule in (self.active, self.archive))

    def active_end(self, day: date) -> date:
        """The last active day when the clock starts on ``day``."""
        assert self.active is not None
        return self.active.lasts.after(day)

    def archive_end(self, day: date) -> date:
        """The last archive day when the clock starts on ``day``."""
        assert self.archive is not None
        if self.archive.counted_from == "end_of_financial_year":
            day = close_of_financial_year(day, *self.financial_year_end)
        return self.archive.lasts.after(day)

    def ends(self) -> Mapping[str, EndOf]:
        """The end functions of the phases this purpose has."""
        ends: dict[str, EndOf] = {}
        if self.active:
            ends["active"] = self.active_end
        if self.archive:
            ends["archive"] = self.archive_end
        return ends


class Term(StrictModel):
    """How long the orchestrator keeps something of its own, and who says so."""

    lasts: Duration = Field(alias="for")
    basis: Basis
    citation: str
    confirm: str | None = None


def _term(lasts: str, citation: str, confirm: str | None = None) -> Term:
    return Term(lasts=Period.parse(lasts), basis=Basis.default, citation=citation, confirm=confirm)


class RequestTerms(StrictModel):
    """How long what data subjects' requests leave behind is kept."""

    files: Term = _term(
        "5 years", "no figure is fixed; restricted for as long as a dispute may arise",
        "The DPO decides how long files of answered requests are kept.",
    )  # fmt: skip
    """Answered and refused requests, reduced to what evidence needs."""
    opposition: Term = _term("3 years", "CNIL, MED-2023-040: three years at least")
    """The fingerprints by which a person who objected is recognised."""
    packages: Term = _term("30 days", "as long as the person needs to fetch it")
    """Copies made for access and portability; who asked, where nobody says that the letter went."""


class DataCategory(StrictModel):
    """One of the notice's own categories, and the taxonomy names that fall under it."""

    label: str
    label_fr: str
    covers: tuple[str, ...]


class Uncovered(StrictModel):
    """Data the notice names without a duration: rows that hold them go to review."""

    label: str
    label_fr: str
    categories: tuple[str, ...]
    citation: str


class PolicyVersion(StrictModel):
    """The table as in force from a day on."""

    effective_from: date
    purposes: dict[str, Purpose]

    @model_validator(mode="before")
    @classmethod
    def _name_purposes(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("purposes"), dict):
            named = {
                key: {**value, "id": str(key)} if isinstance(value, dict) else value
                for key, value in data["purposes"].items()
            }
            return {**data, "purposes": named}
        return data


class Policy(StrictModel):
    """A published notice, made executable."""

    policy: str
    controller: str
    source: str
    time_zone: TimeZone
    financial_year_end: str = "12-31"
    events: dict[str, Event]
    data_categories: dict[str, DataCategory]
    uncovered: dict[str, Uncovered] = Field(default_factory=dict)
    custom_categories: tuple[str, ...] = ()
    requests: RequestTerms = RequestTerms()
    versions: tuple[PolicyVersion, ...]

    @field_validator("financial_year_end")
    @classmethod
    def _month_and_day(cls, text: str) -> str:
        try:
            date.fromisoformat(f"2024-{text}")
        except ValueError:
            raise ValueError("write the month and day as 'MM-DD', as in '12-31'") from None
        return text

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not self.versions:
            raise ValueError("a policy needs at least one version")
        for number, version in enumerate(self.versions):
            place = ("versions", number)
            before = self.versions[number - 1] if number else None
            if before and before.effective_from >= version.effective_from:
                raise Misplaced(
                    place, "versions must be in order of 'effective_from', each day once"
                )
            for label, purpose in version.purposes.items():
                self._check_events((*place, "purposes", label), purpose)
        month, last_day = (int(part) for part in self.financial_year_end.split("-"))
        versions = tuple(
            version.model_copy(
                update={
                    "purposes": {
                        name: purpose.model_copy(update={"financial_year_end": (month, last_day)})
                        for name, purpose in version.purposes.items()
                    }
                }
            )
            for version in self.versions
        )
        object.__setattr__(self, "versions", versions)
        return self

    def _check_events(self, place: Place, purpose: Purpose) -> None:
        for phase, rule in (("active", purpose.active), ("archive", purpose.archive)):
            for key, kinds in _named_events(rule):
                for kind in kinds:
                    at = (*place, phase, key)
                    if kind not in self.events:
                        raise Misplaced(
                            at,
                            f"purpose '{purpose.id}' names event '{kind}', which is not declared",
                        )
                    if self.events[kind].interval and key != "from_latest":
                        raise Misplaced(
                            at, f"purpose '{purpose.id}': '{kind}' is an interval; a day is needed"
                        )

    def version_on(self, as_of: date) -> PolicyVersion:
        """The version that governs ``as_of``; the first one also governs all earlier days."""
        chosen = self.versions[0]
        for version in self.versions:
            if version.effective_from <= as_of:
                chosen = version
        return chosen

    def digest(self, as_of: date) -> str:
        """A SHA-256 over all that the version in force on ``as_of`` decides, in hex."""
        version = self.version_on(as_of).model_dump(mode="json")
        document = {
            "time_zone": self.time_zone,
            "financial_year_end": self.financial_year_end,
            "uncovered": {key: item.categories for key, item in sorted(self.uncovered.items())},
            "version": version,
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=list)
        return hashlib.sha256(text.encode()).hexdigest()


def _named_events(rule: Rule | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each key of a rule that names events, with the events it names."""
    if rule is None:
        return
    yield "from_latest", rule.from_latest
    yield "from_first", (rule.from_first,) if rule.from_first else ()
    yield "since_latest", (rule.since_latest,) if rule.since_latest else ()
    if isinstance(rule, ActiveRule):
        yield "ended_by", rule.ended_by


def read_policy(path: Path) -> Policy:
    """Read a policy table.

    Raises:
        ConfigurationError: naming file, line and key of each fault.
    """
    return read_document(path, Policy)
