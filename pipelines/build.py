"""Putting the definitions together. Reads policy and catalogue; contacts no database."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import make_url

from assets import naming
from assets.archive import archive_assets
from assets.blueprint import Blueprint
from assets.classification import classification_assets
from assets.deletion import deletion_assets
from assets.evidence import evidence_assets
from assets.forecast import forecast_assets
from assets.pseudonymisation import pseudonymisation_assets
from assets.release_checks import release_checks
from assets.requests_carried_out import carried_out_assets
from assets.requests_open import look, open_requests_assets
from assets.requests_opposition import opposition_checks
from assets.requests_retired import retired_assets
from assets.requests_returned import returned_assets
from assets.source_checks import source_checks
from assets.sources import source_assets
from assets.statistics import statistics_assets
from assets.statistics_published import published_assets
from assets.statistics_quarantine import quarantine_assets
from pipelines.jobs import (
    attempts_in,
    daily_job,
    forecast_job,
    requests_config,
    requests_job,
    statistics_job,
)
from pipelines.resources import RETENTION, retention_resource
from pipelines.schedules import daily_schedule, forecast_schedule, statistics_schedule
from retention.catalogue.coherence import coherent
from retention.catalogue.model import Catalogue, System, read_catalogue
from retention.documents import read_document
from retention.errors import ConfigurationError
from retention.policy.table import read_policy
from retention.releases.model import Releases
from retention.releases.reading import read_releases
from retention.settings import Settings, read_settings
from sensors.deadlines import deadline_sensor
from sensors.failures import failure_sensors
from sensors.requests import request_sensors

_KINDS = {"sqlite": "sqlite", "postgresql": "postgres"}


def read_blueprint(config: Path, environment: Mapping[str, str]) -> Blueprint:
    """Policy, catalogue and releases of the installation at ``config``, checked against each other.

    Raises:
        ConfigurationError: naming file, line and key of each fault.
    """
    settings = read_settings(config, environment)
    policy = read_policy(settings.path(settings.policy))
    path = settings.path(settings.catalogue)
    catalogue = read_catalogue(path)
    coherent(catalogue, policy, path)
    kinds = {name: _kind(settings, system) for name, system in catalogue.systems.items()}
    return Blueprint(policy, catalogue, kinds, _releases(settings, catalogue))


def _releases(settings: Settings, catalogue: Catalogue) -> Releases | None:
    """The declaration of releases: its shape, and that the graph can be made of it.

    Whether rules and hierarchies fit takes libraries that are slow to import. It is asked by
    ``retention check``, and by every run before it builds anything.
    """
    if settings.statistics is None:
        return None
    path = settings.path(settings.statistics.declaration)
    releases = read_document(path, Releases)
    tables = {name for name, _ in catalogue.tables()}
    parts = [part for release in releases.releases.values() for _, part in release.parts]
    if any(part.table not in tables for part in parts):
        return read_releases(path, catalogue, settings.path(settings.catalogue).parent)
    taken = {naming.ACCUMULATORS.path[-1], naming.DATA_DOCS} & set(releases.releases)
    if taken:
        raise ConfigurationError(
            f"{path}: releases.{min(taken)}: the name is taken; choose another"
        )
    return releases


def _kind(settings: Settings, system: System) -> str:
    """The kind of a system's database by its URL; where that is not known here, ``sql``."""
    try:
        url = make_url(settings.address(system.url, system.url_env))
    except ConfigurationError:
        return "sql"
    return _KINDS.get(url.get_backend_name(), "sql")


def build_defs(
    config: Path,
    resource_overrides: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
) -> dg.Definitions:
    """The definitions for the installation at ``config``.

    ``resource_overrides`` replaces resources by key, for tests and for the command line.

    Raises:
        ConfigurationError: settings, policy or catalogue are wrong.
    """
    blueprint = read_blueprint(config, environment)
    zone, releases = blueprint.policy.time_zone, blueprint.release_names
    daily, forecast, requests = daily_job(releases), forecast_job(), requests_job()
    jobs = [daily, forecast, requests]
    schedules = [daily_schedule(daily, zone), forecast_schedule(forecast, zone)]
    if releases:
        statistics = statistics_job(releases)
        jobs.append(statistics)
        schedules.append(statistics_schedule(statistics, zone))
    return dg.Definitions(
        assets=[
            *source_assets(blueprint),
            *classification_assets(blueprint),
            *archive_assets(blueprint),
            *pseudonymisation_assets(blueprint),
            *deletion_assets(blueprint),
            *statistics_assets(blueprint),
            *quarantine_assets(blueprint),
            *published_assets(blueprint),
            *evidence_assets(),
            *forecast_assets(blueprint),
            *open_requests_assets(),
            *carried_out_assets(),
            *returned_assets(),
            *retired_assets(),
        ],
        asset_checks=[
            *source_checks(blueprint),
            *release_checks(blueprint),
            *opposition_checks(blueprint),
        ],
        jobs=jobs,
        schedules=schedules,
        sensors=[
            *failure_sensors([daily, requests], attempts_in),
            *request_sensors(requests, requests_config, attempts_in),
            deadline_sensor(look),
        ],
        resources={
            RETENTION: retention_resource(config, environment),
            **(resource_overrides or {}),
        },
    )
