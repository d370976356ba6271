"""What must hold before a run may touch anything: the day, the size of the plan, approval.

Fail closed, in proportion: a plan that looks wrong waits for a person's approval of that
very digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from retention.errors import ApprovalNeeded, ConfigurationError
from retention.installation import Installation
from retention.planning.plan import Plan, PlanDigest, Transition
from retention.settings import Caps, Settings
from retention.stores import archive, control
from retention.stores.open import reading, writing
from retention.stores.sql import upsert


def check_day(installation: Installation, as_of: date, today: date) -> None:
    """A run may not be dated in the future, except on a demonstration.

    Raises:
        ConfigurationError: it is.
    """
    if as_of > today and not installation.catalogue.demo:
        raise ConfigurationError(
            f"a run dated {as_of} would run ahead of today, {today}; only a catalogue marked "
            "'demo: true' may be run for a future day (use 'retention plan' to look ahead)"
        )


def reasons_to_ask(installation: Installation, plan: Plan) -> list[str]:
    """Why a person should look at the plan before it is executed."""
    reasons: list[str] = []
    settings = installation.settings
    if plan.request is not None:
        rows = sum(item.rows for item in plan.items)
        if rows > settings.requests.max_rows:
            reasons.append(f"{rows} rows for one person, the cap is {settings.requests.max_rows}")
        return reasons
    if settings.backlog is None:
        reasons += _over_caps(plan, settings.caps, _archived_units(installation.stores.archive))
    if not installation.catalogue.demo:
        last = _last_day(installation.stores.control)
        if last and abs((plan.as_of - last).days) > settings.max_clock_jump_days:
            reasons.append(f"the last run was dated {last}, this one {plan.as_of}")
    return reasons


def _over_caps(plan: Plan, caps: Caps, archived_units: int) -> Iterator[str]:
    for counts in plan.tables:
        changed = sum(plan.rows(transition, counts.table) for transition in _CAPPED)
        yield from _over_cap(
            counts.table, "rows would leave or be pseudonymised", changed, counts.rows, caps
        )
        cleared = plan.rows(Transition.clear, counts.table)
        if cleared > caps.rows:
            yield f"{counts.table}: {cleared} rows would lose a column, the cap is {caps.rows}"
    expiring = plan.rows(Transition.expire)
    yield from _over_cap("archive", "units would expire", expiring, archived_units, caps)


_CAPPED = (Transition.archive, Transition.dispose, Transition.pseudonymise)


def _over_cap(place: str, what: str, changed: int, total: int, caps: Caps) -> Iterator[str]:
    if changed > caps.rows:
        yield f"{place}: {changed} {what}, the cap is {caps.rows}"
    elif changed > caps.share_from_rows and changed > caps.share * total:
        yield f"{place}: {changed} of {total} {what}, the cap is {caps.share:.0%}"


def _archived_units(engine: Engine) -> int:
    statement = sa.select(sa.func.count()).where(archive.units.c.destroyed_on.is_(None))
    with reading(engine) as connection:
        return int(connection.execute(statement).scalar_one())


def _last_day(engine: Engine) -> date | None:
    at = control.runs.c
    # Whatever became of it: a run begins only once its day has passed these guards.
    statement = sa.select(at.as_of).where(at.mode == "execute")
    with reading(engine) as connection:
        return connection.execute(statement.order_by(at.started_at.desc()).limit(1)).scalar()


def check_approval(installation: Installation, plan: Plan) -> None:
    """A plan that a person should look at needs approval, binding its counts.

    Raises:
        ApprovalNeeded: it is not approved, or it has grown since.
    """
    reasons = reasons_to_ask(installation, plan)
    if not reasons:
        return
    approved = approved_plan(installation.stores.control, plan.digest)
    how = f"look at it with 'retention plan', then 'retention approve {plan.digest}'"
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    if approved is None:
        raise ApprovalNeeded(f"{reasons[0]}{more}; {how}")
    if not plan.within(approved):
        raise ApprovalNeeded(f"the plan has grown since it was approved: {reasons[0]}{more}; {how}")


def approved_plan(engine: Engine, digest: PlanDigest) -> Plan | None:
    """The plan as it was approved, or ``None``."""
    at = control.plans.c
    statement = sa.select(at.document).where(at.digest == digest, at.approved_at.is_not(None))
    with reading(engine) as connection:
        document = connection.execute(statement).scalar()
    return Plan.model_validate(document) if document else None


def save_plan(engine: Engine, plan: Plan, now: datetime) -> None:
    """Keep a plan, so that it can be approved and looked up. An approved one stays as it was."""
    row = {
        "digest": plan.digest,
        "as_of": plan.as_of,
        "created_at": now,
        "document": plan.model_dump(mode="json"),
    }
    at = control.plans.c
    with writing(engine) as connection:
        approved = connection.execute(
            sa.select(at.digest).where(at.digest == plan.digest, at.approved_at.is_not(None))
        ).first()
        if approved is None:
            upsert(connection, control.plans, [row], ["digest"], ["document", "created_at"])


def load_plan(engine: Engine, digest: str) -> Plan:
    """The plan kept under ``digest``.

    Raises:
        ConfigurationError: there is none.
    """
    statement = sa.select(control.plans.c.document).where(control.plans.c.digest == digest)
    with reading(engine) as connection:
        document = connection.execute(statement).scalar()
    if document is None:
        raise ConfigurationError(f"there is no plan '{digest}'; 'retention plan' makes one")
    return Plan.model_validate(document)


def approve(engine: Engine, digest: str, *, by: str, reason: str, now: datetime) -> Plan:
    """Approve the plan kept under ``digest``, with its counts as upper bounds.

    Raises:
        ConfigurationError: there is no such plan.
    """
    plan = load_plan(engine, digest)
    with writing(engine) as connection:
        connection.execute(
            control.plans.update()
            .where(control.plans.c.digest == digest)
            .values(approved_at=now, approved_by=by, approval_reason=reason)
        )
    return plan


def too_much_in_review(plan: Plan, settings: Settings) -> dict[str, str]:
    """Tables of which more than ``max_review_share`` cannot be decided on, and why."""
    return {
        counts.table: (
            f"{counts.table}: {counts.phases['review']} of {counts.rows} rows cannot be decided "
            f"on, more than {settings.max_review_share:.1%}; see 'retention review find' and mend "
            "the catalogue or the data"
        )
        for counts in plan.tables
        if counts.phases["review"] > settings.max_review_share * counts.rows
    }
