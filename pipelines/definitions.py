"""The code location: what ``dagster dev -w workspace.yaml`` and ``dg dev`` load."""

import os
from pathlib import Path

import dagster as dg

from pipelines.build import build_defs
from retention.errors import ConfigurationError

VARIABLE = "RETENTION_CONFIG"
DEMONSTRATION = Path(__file__).parent.parent / "var" / "demo" / "retention.yaml"


def configured() -> Path:
    """The ``retention.yaml`` to use: the variable's, else the demonstration's.

    Raises:
        ConfigurationError: there is neither.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).resolve()
    if DEMONSTRATION.exists():
        return DEMONSTRATION
    raise ConfigurationError(
        f"set {VARIABLE} to a retention.yaml, or make the demonstration with 'make demo'"
    )


defs: dg.Definitions = build_defs(configured())
