"""Running a job in this very process, against the installation's own ``DAGSTER_HOME``.

What every job that the command line runs has in common: Dagster's instance, its quiet, its
signal handlers, and what its failures say. Which job, and what came of it, is in ``launch``.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import DagsterEventType, DagsterInstance

from assets.door import EXIT_CODE
from assets.stopping import handled_by, handlers_now
from retention.errors import ConfigurationError, RetentionError
from retention.settings import read_settings
from retention.unexpected import EXIT_CODE as UNEXPECTED

INTERRUPTED = "the run was interrupted; run it again to go on"

_OUR_DAGSTER_YAML = Path(__file__).parent.parent / "dagster.yaml"
_NO_TELEMETRY = "telemetry:\n  enabled: false\n"
_INTERRUPTS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
_RED_CHECK = "DagsterAssetCheckFailedError"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def instance_of(config: Path, environment: Mapping[str, str]) -> Iterator[DagsterInstance]:
    """The Dagster instance of the installation at ``config``, with this process's handlers.

    Raises:
        ConfigurationError: the settings are wrong, or Dagster cannot use the folder.
    """
    settings = read_settings(config, environment)
    home = prepare_home(settings.path(settings.dagster_home))
    # Dagster leaves the handler of SIGTERM changed
    with _instance(home) as instance, handled_by(handlers_now()):
        yield instance


def execute(
    job: Any,
    instance: DagsterInstance,
    *,
    run_config: Mapping[str, Any],
    tags: Mapping[str, str],
    **more: Any,
) -> Any:
    """Run ``job`` to its end without a word on the console; its failures are in the result."""
    return job.execute_in_process(
        instance=instance,
        run_config={**run_config, **_QUIET},
        tags=dict(tags) or None,
        raise_on_error=False,
        **more,
    )


def failures(outcome: Any) -> dict[str, int]:
    """One line and an exit code for each step that failed; Dagster's wrapping is left out.

    A step that failed because a blocking check is red says which check, and why.
    """
    found: dict[str, int] = {}
    for event in outcome.all_events:
        if event.event_type is DagsterEventType.STEP_FAILURE:
            found |= dict(_failure(outcome, event))
    return found


def _failure(outcome: Any, event: Any) -> Iterator[tuple[str, int]]:
    given = event.step_failure_data.user_failure_data
    error = event.step_failure_data.error
    if given is not None and given.description:
        code = given.metadata.get(EXIT_CODE)
        yield given.description, int(code.value) if code else UNEXPECTED
    elif error is not None and error.cls_name == _RED_CHECK:
        yield from _red_checks(outcome, event.step_key)
    elif error is None or error.cls_name not in _INTERRUPTS:
        yield f"step {event.step_key} failed; Dagster's log says more", UNEXPECTED


def _red_checks(outcome: Any, step: str) -> Iterator[tuple[str, int]]:
    for event in outcome.all_events:
        if (
            event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION
            and event.step_key == step
            and not event.asset_check_evaluation_data.passed
        ):
            found = event.asset_check_evaluation_data
            name = ".".join(found.asset_key.path[1:]) or found.asset_key.to_user_string()
            check = found.check_name.replace("_", " ")
            yield f"{name}: {check}: {found.description}", RetentionError.exit_code


@contextmanager
def _instance(home: Path) -> Iterator[DagsterInstance]:
    try:
        instance = DagsterInstance.from_config(str(home))
    except Exception as error:  # noqa: BLE001 - a wrong dagster.yaml raises many kinds
        kind = type(error).__name__
        raise ConfigurationError(
            f"{home / 'dagster.yaml'}: Dagster cannot use it: {kind}"
        ) from None
    with instance:
        yield instance


def prepare_home(home: Path) -> Path:
    """Make sure that ``home`` can serve as ``DAGSTER_HOME``, telemetry switched off.

    A ``dagster.yaml`` that is there stays as it is.

    Raises:
        ConfigurationError: the folder cannot be made or written.
    """
    target = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            if _OUR_DAGSTER_YAML.exists():
                shutil.copyfile(_OUR_DAGSTER_YAML, target)
            else:
                target.write_text(_NO_TELEMETRY, encoding="utf-8")
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        raise ConfigurationError(f"dagster_home: {home} cannot be written: {why}") from None
    return home
