"""``decide`` and the compiled SQL agree on every row, on every supported database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Phase_
from hypothesis import strategies as st

from retention.catalogue.binding import Binder
from retention.catalogue.bound import BoundTable
from retention.catalogue.model import Catalogue, TableName
from retention.catalogue.sources import Sources
from retention.planning.judge import candidates, judge
from retention.planning.pages import read_rows
from retention.policy.decide import Action, Phase
from retention.policy.predicates import PHASE_OF_NUMBER
from retention.policy.table import Policy, read_policy

PARIS = ZoneInfo("Europe/Paris")
AS_OF = date(2026, 11, 23)
PHASES = (Phase_.explicit, Phase_.reuse, Phase_.generate)  # a row is small enough to read as it is
ROOT = Path(__file__).parent.parent


def column(category: str = "system.operations", **more: Any) -> dict[str, Any]:
    return {"category": category, **more}


CATALOGUE = Catalogue.model_validate(
    {
        "catalogue": "property test",
        "systems": {
            "shop": {
                "label": "Shop",
                "url": "sqlite:///unused",
                "time_zone": "Europe/Paris",
                "tables": {
                    "persons": {
                        "label": "Persons",
                        "subject": "customer",
                        "key": "id",
                        "purposes": {
                            "contract": "always",
                            "customer_relations": "always",
                            "prospecting": {"column": "opted", "equals": 1},
                        },
                        "events": {
                            "contracts": [
                                {"table": "agreements", "start": "from_day", "end": "to_day"},
                                {"start": "member_from", "end": "member_to"},
                            ],
                            "purchase": {"table": "orders", "column": "ordered"},
                            "login": {"column": "seen"},
                            "collected": {"column": "collected"},
                            "consent": {"table": "orders", "column": "opted_at"},
                            "withdrawn": {"column": "withdrawn"},
                        },
                        "columns": {
                            "id": column(),
                            "opted": column(),
                            "member_from": column(sentinels={"unknown": ["1900-01-01"]}),
                            "member_to": column(
                                sentinels={"open": ["9999-12-31"], "unknown": ["1900-01-01"]}
                            ),
                            "seen": column(time_zone="UTC"),
                            "collected": column(sentinels={"unknown": ["1900-01-01"]}),
                            "withdrawn": column(),
                        },
                    },
                    "agreements": {
                        "label": "Agreements",
                        "key": "id",
                        "owner": {"table": "persons", "via": "person"},
                        "columns": {
                            "id": column(),
                            "person": column(),
                            "from_day": column(),
                            "to_day": column(sentinels={"open": ["9999-12-31"]}),
                        },
                    },
                    "orders": {
                        "label": "Orders",
                        "key": "id",
                        "owner": {"table": "persons", "via": "person"},
                        "columns": {
                            "id": column(),
                            "person": column(),
                            "ordered": column(),
                            "opted_at": column(time_zone="America/New_York"),
                        },
                    },
                    "bills": {
                        "label": "Bills",
                        "key": "id",
                        "owner": {"table": "persons", "via": "person"},
                        "purposes": {"contract": "always", "accounting": "always"},
                        "events": {"issued": {"column": "issued"}},
                        "columns": {"id": column(), "person": column(), "issued": column()},
                    },
                    "cookies": {
                        "label": "Cookies",
                        "key": "id",
                        "purposes": {"trackers": "always"},
                        "events": {
                            "deposit": [
                                {"column": "deposited"},
                                {"table": "renewals", "column": "again"},
                            ],
                            "consent": [
                                {"column": "consented"},
                                {"table": "renewals", "column": "consented"},
                            ],
                        },
                        "columns": {
                            "id": column(),
                            "deposited": column(format="epoch_seconds"),
                            "consented": column(),
                        },
                    },
                    "renewals": {
                        "label": "Renewals",
                        "key": "id",
                        "owner": {"table": "cookies", "via": "cookie"},
                        "columns": {
                            "id": column(),
                            "cookie": column(),
                            "again": column(time_zone="UTC"),
                            "consented": column(),
                        },
                    },
                    "hits": {
                        "label": "Hits",
                        "key": "id",
                        "purposes": {"connection_security": "always"},
                        "events": {"connected": {"column": "at"}},
                        "columns": {
                            "id": column(),
                            "at": column(format="epoch_milliseconds"),
                            "ip": column(
                                "user.device.ip_address", identifies=True, pseudonymise="token"
                            ),
                        },
                    },
                },
            }
        },
    }
)

METADATA = sa.MetaData()
KINDS: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
    "persons": {
        "opted": sa.Integer(),
        "member_from": sa.Date(),
        "member_to": sa.Date(),
        "seen": sa.DateTime(timezone=True),
        "collected": sa.DateTime(),
        "withdrawn": sa.Date(),
    },
    "agreements": {"person": sa.Integer(), "from_day": sa.Date(), "to_day": sa.Date()},
    "orders": {"person": sa.Integer(), "ordered": sa.DateTime(), "opted_at": sa.DateTime()},
    "bills": {"person": sa.Integer(), "issued": sa.Date()},
    "cookies": {"deposited": sa.BigInteger(), "consented": sa.DateTime(timezone=True)},
    "renewals": {"cookie": sa.Integer(), "again": sa.DateTime(), "consented": sa.Date()},
    "hits": {"at": sa.BigInteger(), "ip": sa.String(45)},
}
for _name, _columns in KINDS.items():
    sa.Table(
        _name,
        METADATA,
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, kind) for name, kind in _columns.items()),
    )

# Days on and around every boundary of the policy, so that most examples matter.
_OFFSETS = [0, 1, 2, 3, 30, 181, 182, 184, 365, 366, 395, 396, 730, 731, 1095, 1096, 1097]
_OFFSETS += [1460, 1461, 1825, 1826, 1827, 1900, 3287, 3652, 3653, 3654, 4017, 4018]
days = st.one_of(
    st.sampled_from([AS_OF - timedelta(days=offset) for offset in _OFFSETS]),
    st.sampled_from([AS_OF + timedelta(days=1), AS_OF + timedelta(days=2), date(2024, 2, 29)]),
    st.dates(date(2013, 1, 1), date(2027, 3, 1)),
    *[st.dates(date(2013, 1, 1), date(2021, 11, 1))] * 3,
)
times = st.sampled_from(["00:00:00", "00:30:00", "12:00:00", "22:30:00", "23:00:00", "23:59:59"])
instants = st.builds(lambda day, time: datetime.fromisoformat(f"{day}T{time}"), days, times)
DIRT = ["n/a", "31/12/2019", "2023-02-30", "", "2023-13-01", "2024-01-01T25:00:00", 20230101, 1.5]


def value(kind: sa.types.TypeEngine[Any], dialect: str, name: str) -> st.SearchStrategy[Any]:
    """A value for a column, in the spelling the database would hold."""
    if name == "opted":
        return st.sampled_from([0, 1, None])
    if name == "ip":
        return st.sampled_from(["192.0.2.1", None])
    if name in ("person", "cookie"):
        return st.integers(1, 4)
    if isinstance(kind, sa.BigInteger):
        scale = 1000 if name == "at" else 1
        numbers = instants.map(lambda at: int(at.replace(tzinfo=PARIS).timestamp()) * scale)
        odd = [None, 2**62] + (["soon", "2024-01-01"] if dialect == "sqlite" else [])
        return st.one_of(numbers, numbers, numbers, st.sampled_from(odd))
    sentinels = [date(1900, 1, 1), date(9999, 12, 31)]
    if isinstance(kind, sa.Date):
        plain: st.SearchStrategy[Any] = st.one_of(
            *[days] * 6, st.none(), st.sampled_from(sentinels)
        )
    elif kind.timezone:  # type: ignore[attr-defined]
        offsets = st.sampled_from(["+00:00", "+02:00", "-05:00"])
        plain = st.builds(lambda at, offset: f"{at.isoformat()}{offset}", instants, offsets)
        plain = st.one_of(plain, st.none())
    else:
        plain = st.one_of(instants, st.none(), st.just(datetime(1900, 1, 1)))  # noqa: DTZ001
    if dialect != "sqlite":
        return plain
    text = plain.map(lambda item: item if item is None else str(item))
    spelled = st.builds(
        lambda item, t: item if item is None else item.replace(" ", "T" if t else " "),
        text,
        st.booleans(),
    )
    return st.one_of(*[spelled] * 24, st.sampled_from(DIRT))


def rows(dialect: str) -> st.SearchStrategy[dict[str, list[dict[str, Any]]]]:
    sizes = {"persons": 4, "cookies": 4, "agreements": 3, "orders": 3, "bills": 4, "renewals": 3}
    tables = {}
    for name, columns in KINDS.items():
        row = st.fixed_dictionaries({c: value(k, dialect, c) for c, k in columns.items()})
        size = sizes.get(name, 3)
        least = size if name in ("persons", "cookies") else 0
        tables[name] = st.lists(row, min_size=least, max_size=size)
    content = st.fixed_dictionaries(tables)
    tidy = content.map(tidied)
    return st.one_of(content, tidy, tidy, tidy.map(aged), tidy.map(aged))


def tidied(content: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Contracts that end after they start, or most persons would be in review."""
    for table, start, end in (("agreements", "from_day", "to_day"),
                              ("persons", "member_from", "member_to")):  # fmt: skip
        for row in content[table]:
            if str(row[start]) > str(row[end]):
                row[start], row[end] = row[end], row[start]
    return content


def aged(content: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The same lives years ago, so that purposes are over and not only new."""

    def old(item: Any) -> Any:
        if isinstance(item, str) and item[:3] == "202":
            return f"{2017 + int(item[3]) % 6}-{item[5:7]}-{min(item[8:10], '28')}{item[10:]}"
        if isinstance(item, date) and item.year >= 2020:
            return item.replace(year=2017 + item.year % 6, day=min(item.day, 28))
        return item

    for table in ("persons", "agreements", "orders", "bills"):
        for row in content[table]:
            row.update({name: old(item) for name, item in row.items()})
            for end in {"member_to", "to_day"} & set(row):
                row[end] = row[end] or "2019-05-05"
    return content


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(ROOT / "policies" / "callimedia.yaml")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def sources(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sources]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('shop')}/shop.sqlite"
    else:
        url = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(url)
    METADATA.create_all(engine)
    engine.dispose()
    with Sources(CATALOGUE, PARIS, lambda *_: url) as opened:
        yield opened


def compare(bound: BoundTable, sources: Sources, as_of: date) -> None:
    found = candidates(bound, as_of, sources)
    labelled = [phase.label(f"p_{name}") for name, phase in found.phases.items()]
    statement = sa.select(
        *bound.key,
        found.phase.label("joint"),
        found.condition.label("candidate"),
        found.to_pseudonymise.label("in_place"),
        *labelled,
    )
    with sources.begin("shop") as connection:
        by_sql = {row["id"]: row for row in connection.execute(statement).mappings()}
        all_rows = read_rows(connection, bound, sa.true())
        judged = judge(connection, bound, all_rows, as_of, sources)
    assert len(judged) == len(by_sql)
    for item in judged:
        said = by_sql[item.key[0]]
        context = (bound.name, dict(item.row), item.facts)
        assert PHASE_OF_NUMBER[said["joint"]] is item.decision.phase, context
        for purpose in item.decision.purposes:
            assert PHASE_OF_NUMBER[said[f"p_{purpose.purpose}"]] is purpose.phase, context
        moving = item.decision.action in (Action.archive, Action.dispose, Action.review)
        assert bool(said["candidate"]) == moving, context
        assert bool(said["in_place"]) == (item.decision.action is Action.pseudonymise), context


@pytest.mark.parametrize("table", CATALOGUE.clocked_tables())
def test_sql_and_python_agree_on_every_row(
    table: TableName, sources: Sources, policy: Policy
) -> None:
    dialect = sources.engine("shop").dialect.name
    bound = Binder(CATALOGUE, policy, AS_OF, sources).bind(table)

    @settings(suppress_health_check=list(HealthCheck), phases=PHASES)
    @given(rows(dialect), st.sampled_from([AS_OF, date(2027, 2, 28), date(2027, 3, 1)]))
    def agree(content: dict[str, list[dict[str, Any]]], as_of: date) -> None:
        with sources.engine("shop").begin() as connection:
            for target in METADATA.sorted_tables:
                connection.execute(target.delete())
                found = [{"id": n, **row} for n, row in enumerate(content[target.name], 1)]
                if found:
                    raw = sa.table(target.name, *(sa.column(c) for c in found[0]))
                    used = raw if dialect == "sqlite" else target
                    connection.execute(used.insert(), found)
        compare(bound, sources, as_of)

    agree()


def test_the_four_phases_all_occur_in_the_property_test(sources: Sources, policy: Policy) -> None:
    """A generator that never leaves one phase would prove nothing."""
    dialect = sources.engine("shop").dialect.name
    seen: set[Phase] = set()
    binder = Binder(CATALOGUE, policy, AS_OF, sources)
    tables = [binder.bind(TableName(f"shop.{name}")) for name in ("persons", "bills")]
    statements = [
        sa.select(candidates(bound, AS_OF, sources).phase).select_from(bound.sql)
        for bound in tables
    ]

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        phases=PHASES,
    )
    @given(rows(dialect))
    def collect(content: dict[str, list[dict[str, Any]]]) -> None:
        with sources.engine("shop").begin() as connection:
            for target in METADATA.sorted_tables:
                connection.execute(target.delete())
                found = [{"id": n, **row} for n, row in enumerate(content[target.name], 1)]
                if found:
                    raw = sa.table(target.name, *(sa.column(c) for c in found[0]))
                    connection.execute((raw if dialect == "sqlite" else target).insert(), found)
            for statement in statements:
                seen.update(PHASE_OF_NUMBER[row[0]] for row in connection.execute(statement))

    collect()
    assert seen == set(Phase)
