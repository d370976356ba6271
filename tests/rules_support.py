"""Columns and labels, for the tests of rules."""

from __future__ import annotations

import pandas as pd

from anonymizers.rules.declared import (
    Rule,
)


def column(*values: object) -> pd.Series:
    return pd.Series(list(values), dtype="object", name="c")


def labels(rule: Rule, level: int | str, *values: object) -> list[str]:
    return rule.label(column(*values), level).tolist()
