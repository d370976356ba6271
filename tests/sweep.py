"""The pytest plugin of ``make sweeps``: property tests try many more examples."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "sweep", max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("sweep")
