"""Recodings by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anonymizers.recoding.full_domain import GlobalRecoding
from anonymizers.recoding.local import LocalRecoding
from anonymizers.recoding.models import (
    PrivacyModel,
)
from anonymizers.recoding.mondrian import Mondrian
from anonymizers.recoding.recode import Recoding
from tests.recoding_support import QUASI, TREES

HIERARCHIES = [TREES[name] for name in QUASI]

MERGING = {"local": LocalRecoding, "mondrian": Mondrian}

SUPPRESSING = {"local, suppressing": LocalRecoding, "global": GlobalRecoding}


def made(name: str, models: Sequence[PrivacyModel], subject: str | None, share: float) -> Recoding:
    options: dict[str, Any] = {"subject": subject, "max_suppressed": share}
    if name == "local, suppressing":
        options["merge_leftovers"] = False
    return {**MERGING, **SUPPRESSING}[name](HIERARCHIES, models, **options)
