"""Why a release is not published. Every message can be shown: names, months and counts only."""

from __future__ import annotations

from retention.errors import RetentionError


class EmptyRelease(RetentionError):
    """Nothing could be published: a release without a cell or a row is no release."""


class NotAudited(RetentionError):
    """No audit that passed is on record for exactly these bytes."""


class BudgetSpent(RetentionError):
    """What the release would spend is above what is left of the year's privacy budget."""
