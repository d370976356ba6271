"""``retention opposition``: is an address on the list, and the way off it."""

from __future__ import annotations

import pytest

from retention.requests.doing import opposition
from tests.cli_support import AS_OF, Demo, call, demo, pristine
from tests.test_cli_requests import BY

__all__ = ["demo", "pristine"]

EMAIL = "Paul.Objects@example.org"
WHY = ("--reason", "web form of 20 November", *BY)


@pytest.fixture
def listed(demo: Demo) -> Demo:
    from cli.door import Door  # noqa: PLC0415 - as the command opens it

    with Door(demo.config).installation() as installation:
        opposition.add(installation, [("email", EMAIL)], as_of=AS_OF)
    return demo


def test_whoever_is_on_the_list_is_not_to_be_contacted_until_they_consent_anew(listed):
    assert listed.run("opposition", "check", "--email", " paul.objects@EXAMPLE.org").code == 1
    assert listed.run("opposition", "check", "--phone", "06 12 34 56 78").code == 0
    both = ("--email", EMAIL, "--phone", "06 12 34 56 78")
    assert listed.run("opposition", "check", *both, "--json").json == {
        "email": True,
        "phone": False,
    }

    gone = listed.run("opposition", "remove", *both, *WHY)
    assert (gone.code, gone.out) == (0, "1 entry(s) taken off the opposition list\n")
    assert listed.run("opposition", "check", *both).code == 0
    again = listed.run("opposition", "remove", *both, *WHY)
    assert again.code == 8 and "objects" not in again.err.casefold()
    assert listed.run("ledger", "verify").code == 0


def test_what_is_missing_is_said(listed):
    assert listed.run("opposition", "check").code == 2
    assert listed.run("opposition", "remove", *WHY).code == 2
    assert listed.run("opposition", "remove", "--email", EMAIL, *BY).code == 2
    assert listed.run("opposition", "remove", "--email", EMAIL, "--reason", " ", *BY).code != 0
    assert listed.run("opposition", "check", "--email", EMAIL).code == 1
    assert call("opposition", "--help").code == 0
