"""What a letter says of archived records that an erasure leaves where they are."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from retention.catalogue.model import Catalogue
from retention.execution.erasing import RecordVerdict, UnitVerdict
from retention.policy.decide import Facts, Location, decide
from retention.policy.rights import erased
from retention.policy.table import read_policy
from retention.requests.doing.aims import PersonAim
from retention.requests.doing.outcomes import Line, archived_lines
from retention.requests.model import Kind, Outcome

POLICY = read_policy(Path(__file__).parents[1] / "policies" / "callimedia.yaml")
PAID, AS_OF = date(2026, 8, 12), date(2026, 11, 24)
SHOP = {"label": "Shop", "url": "sqlite:///shop.sqlite", "time_zone": "UTC", "tables": {}}
CATALOGUE = Catalogue.model_validate({"catalogue": "c", "systems": {"shop": SHOP}})


def test_each_purpose_of_an_archived_record_is_told_with_its_own_last_day():
    names = ("payment", "accounting")
    known = POLICY.version_on(AS_OF).purposes
    facts = Facts(days={"purchase": (PAID,), "issued": (PAID,)})
    purposes = [known[name] for name in names]
    decision = decide(purposes, facts, AS_OF, location=Location.archive)
    decision = erased(purposes, facts, decision, AS_OF, location=Location.archive)
    record = RecordVerdict("token", 1, "shop.payments", names, decision)
    units = [UnitVerdict("unit", "person", date(2037, 1, 1), (record,))]
    aim = PersonAim(Kind.erasure, (), AS_OF, obliging=frozenset({"accounting"}))
    assert archived_lines(CATALOGUE, aim, units, (), "statute") == {
        Line("shop.payments", "payment", Outcome.archived, date(2027, 9, 12), "claims"): 1,
        Line("shop.payments", "accounting", Outcome.archived, date(2036, 12, 31), "statute"): 1,
    }
