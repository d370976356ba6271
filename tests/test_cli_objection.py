"""An objection that names purposes, from the letter that came to the letter that goes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli_support import Demo, demo, pristine
from tests.test_cli_requests import BY, done, letter_of

__all__ = ["demo", "pristine"]

VISITOR = """
    SELECT a.email FROM accounts AS a JOIN connections AS c ON c.account_id = a.account_id
    WHERE a.email = trim(lower(a.email)) AND a.email LIKE '%@%'
    AND (SELECT count(*) FROM accounts AS b WHERE lower(trim(b.email)) = a.email) = 1
    GROUP BY a.account_id HAVING count(*) > 1 ORDER BY a.account_id LIMIT 1
"""


def test_an_objection_to_the_connection_log_is_weighed_and_carried_out(demo: Demo) -> None:
    ((email,),) = demo.sql("web", VISITOR)
    added = demo.run(
        "request", "add", "--kind", "objection", "--purpose", "connection_security",
        "--email", email, *BY, "--json",
    )  # fmt: skip
    assert added.code == 0, added.err
    short = added.json["request_id"][:12]
    assert "connection_security" in done(demo, "show", short, "--reveal").out
    plan = " ".join(done(demo, "plan", short).out.split())
    assert "connection_security, by legitimate interest (GDPR art. 21(1))" in plan
    assert "refuse it: retention request refuse ID --reason" in plan

    before = demo.rows()
    done(demo, "verify", short, "--how", "called back", *BY)
    assert "answered" in done(demo, "process", short).out
    after = demo.rows()
    assert {name for name in before if before[name] != after[name]} == {"web.connections"}
    assert "« Données de connexion »" in letter_of(demo, short).replace("\N{NO-BREAK SPACE}", " ")
    assert "true" not in demo.run("opposition", "check", "--email", email, "--json").out


def test_what_cannot_be_objected_to_is_rejected_with_the_reason(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    purposes = ["contract", "accounting"]
    file.write_text(json.dumps({"kind": "objection", "email": "a@b.fr", "purposes": purposes}))
    answer = demo.run("request", "add", "--from-file", str(file), *BY)
    assert answer.code == 8
    first, second = answer.err.splitlines()
    assert "contract: it rests on a contract" in first
    assert "accounting: it rests on a legal obligation" in second
    answer = demo.run("request", "add", "--kind", "erasure", "--purpose", "trackers",
                      "--email", "a@b.fr", *BY)  # fmt: skip
    assert answer.code == 8 and "only an objection names any" in answer.err
