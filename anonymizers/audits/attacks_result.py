"""What an attack came to: its success, that of the control, and when that is too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt

from anonymizers.audits.findings import Figure, Finding

LIMIT = 0.15
"""Of attacks that are tried on a sample: what the release adds to guessing, at most.

Among k rows the target is one of k votes: a guess from them is better than one about a stranger
by up to some 1/k, without anything being known of the target alone. On the Adult data inference
has a risk of .07 with k = 10 and entropy l = 3, .16 with k = 5 alone, .28 with k = 2, and .47
where the data are copied: the first two are to pass, the others to fail.
"""

LIMIT_OF_COUNTS = 0.01
"""Of rows that can be counted (attribute certainty, a cube's lines): one in a hundred.

On the Adult data, classes of k = 10 alone leave 2 % of the rows with a nearly certain value,
distinct l = 3 leaves 1.4 %, entropy l = 3 none: the first two are to fail.
"""

NOBODY = 0.0
"""Of singling out and of linking cells: one person is one too many."""

_Z = 1.959963984540054


@dataclass(frozen=True)
class AttackResult:
    """How often an attack succeeded on targets, and on people who are not in the release."""

    attack: str
    attempts: int
    success: float
    control_attempts: int
    control: float
    risk: float
    """(success - control) / (1 - control), never below 0 (Giomi and others, 2023)."""
    low: float
    high: float
    """Wilson interval (95 %) of ``risk``: the worst and the best of both rates' intervals."""
    limit: float
    """The risk from which on the attack counts as successful."""
    exhaustive: bool = False
    """Every promising target was tried: the success is a count and not an estimate."""
    details: Mapping[str, Figure] = field(default_factory=dict)
    """More figures: columns, how many rows …"""

    @property
    def passed(self) -> bool:
        """Whether the release withstands: what was counted, or is all but sure, is in the limit."""
        return (self.risk if self.exhaustive else self.low) <= self.limit

    def figures(self) -> dict[str, Figure]:
        """What may be shown, passed or not."""
        return {
            "attempts": self.attempts,
            "success": round(self.success, 4),
            "control": round(self.control, 4),
            "risk": round(self.risk, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "limit": self.limit,
            **self.details,
        }

    def findings(self) -> list[Finding]:
        """The finding that the attack succeeds, if it does."""
        if self.passed:
            return []
        problem = f"{self.attack} succeeds more often than against the control group"
        return [Finding(f"attacks.{self.attack.replace(' ', '_')}", problem, self.figures())]


def wilson(hits: int, attempts: int) -> tuple[float, float]:
    """The Wilson score interval (95 %) of a rate; without attempts it says nothing."""
    if not attempts:
        return 0.0, 1.0
    rate, square = hits / attempts, _Z**2
    centre = (rate + square / (2 * attempts)) / (1 + square / attempts)
    half = _Z * sqrt(rate * (1 - rate) / attempts + square / (4 * attempts**2))
    half /= 1 + square / attempts
    # At the ends the formula is exact, and its rounding is not.
    return (
        max(0.0, centre - half) if hits else 0.0,
        min(1.0, centre + half) if hits < attempts else 1.0,
    )


def against_control(
    attack: str,
    hits: int,
    attempts: int,
    control_hits: int,
    control_attempts: int,
    *,
    limit: float,
    exhaustive: bool = False,
    details: Mapping[str, Figure] | None = None,
) -> AttackResult:
    """The result of an attack. Without any attempt there is no risk; without control no excuse."""
    success = hits / attempts if attempts else 0.0
    control = control_hits / control_attempts if control_attempts else 0.0
    low, high = wilson(hits, attempts) if attempts else (0.0, 0.0)
    below, above = wilson(control_hits, control_attempts) if control_attempts else (0.0, 0.0)
    return AttackResult(
        attack=attack,
        attempts=attempts,
        success=success,
        control_attempts=control_attempts,
        control=control,
        risk=_risk(success, control),
        low=_risk(low, above),
        high=_risk(high, below),
        limit=limit,
        exhaustive=exhaustive,
        details=dict(details or {}),
    )


def _risk(success: float, control: float) -> float:
    return max(0.0, (success - control) / (1 - control)) if control < 1 else 0.0
