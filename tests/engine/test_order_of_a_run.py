"""What leaves today still counts today: no run takes a row that its plan had not counted."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.engine.lives import ANNA, BY_LOGIN
from tests.engine.small import Small


@pytest.fixture
def brief(small: Small) -> Small:
    """The web site comes first, and keeps accounts for less time than they prolong customers."""
    systems = small.catalogue["systems"]
    small.catalogue["systems"] = {"web": systems["web"], "crm": systems["crm"]}
    accounts = systems["web"]["tables"]["accounts"]
    accounts["purposes"] = {"payment": "always"}
    accounts["events"]["service"] = {"table": "logins", "column": "logged_in_on"}
    small.settings["max_review_share"] = 1
    small.write_documents()
    with small.source("web") as connection:
        connection.execute(sa.text("DELETE FROM connections"))
    return small


def test_a_customer_is_decided_on_before_the_logins_that_prolong_them_leave(brief: Small) -> None:
    with brief.opened() as installation:
        assert installation.catalogue.clocked_tables()[-1] == "web.accounts"
    brief.run()
    assert ANNA not in brief.ids("web.accounts")
    assert BY_LOGIN in brief.ids("crm.customers")
