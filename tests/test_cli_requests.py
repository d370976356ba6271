"""``retention request`` and ``retention outbox``, as a person at the office uses them."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from retention.requests.answering.wording import written
from tests.cli_support import Answer, Demo, demo, one_line, pristine, process, today

__all__ = ["demo", "pristine"]

BY = ("--by", "Ada, DPO")
WHY = ("--reason", "as the law says", *BY)

COLUMNS = ("customer_id", "last_name", "first_name", "email", "phone", "street")
LONE = """
    SELECT {} FROM customers WHERE email = trim(lower(email)) AND last_name <> upper(last_name)
    AND phone IS NOT NULL AND street IS NOT NULL AND first_name IS NOT NULL
    AND (SELECT count(*) FROM customers AS c WHERE lower(c.email) = customers.email) = 1
    AND customer_id NOT IN (SELECT customer_id FROM contracts WHERE ended_on IS NULL)
    ORDER BY customer_id LIMIT 1
"""


def person(demo: Demo) -> dict[str, Any]:
    """A customer whom nothing keeps, and who alone has that address."""
    (row,) = demo.sql("crm", LONE.format(", ".join(COLUMNS)))
    return dict(zip(COLUMNS, row, strict=True))


def asks(demo: Demo, kind: str, *more: str, who: dict[str, Any] | None = None) -> dict[str, Any]:
    """A request that was taken in, as JSON."""
    who = who or person(demo)
    said = ("--family-name", who["last_name"], "--first-name", who["first_name"])
    options = ("--kind", kind, "--email", who["email"], *said, *more)
    answer = demo.run("request", "add", *options, *BY, "--json")
    assert answer.code == 0, answer.err
    found: dict[str, Any] = answer.json
    return found


def verified(demo: Demo, kind: str, *more: str) -> str:
    request_id: str = asks(demo, kind, *more)["request_id"]
    answer = demo.run("request", "verify", request_id, "--how", "called back", *BY)
    assert answer.code == 0, answer.err
    return request_id


def letter_of(demo: Demo, request_id: str, lang: str = "fr") -> str:
    return str(done(demo, "answer", request_id, "--json").json["letters"][lang])


def done(demo: Demo, *arguments: str) -> Answer:
    answer = demo.run("request", *arguments)
    assert answer.code == 0, answer.err
    return answer


def test_an_erasure_from_the_letter_that_came_to_the_letter_that_goes(demo: Demo) -> None:
    who = person(demo)
    request_id = asks(demo, "erasure")["request_id"]
    short = request_id[:8]
    assert request_id[:12] in done(demo, "list").out
    before = demo.rows()

    assert "deleted" in done(demo, "plan", short).out
    assert demo.rows() == before
    assert one_line(demo.run("request", "process", short)).startswith(f"request {request_id[:12]}")
    assert demo.rows() == before

    done(demo, "verify", short, "--how", "called back", *BY)
    assert "answered" in done(demo, "process", short).out
    gone = "SELECT count(*) FROM customers WHERE customer_id = ?"
    assert demo.sql("crm", gone, who["customer_id"]) == [(0,)]

    letters = done(demo, "answer", short).out
    assert "Deleted:" in letters and "Supprimé" in letters
    assert "Deleted:" not in done(demo, "answer", short, "--lang", "fr").out
    assert "notice(s) to send" in done(demo, "list").out
    shown = demo.run("outbox", "list", "--json").json
    assert {item["request_id"] for item in shown} == {request_id}
    (text,) = (
        demo.run("outbox", "show", shown[0]["notice_id"], "--lang", "en", "--json")
        .json["texts"]
        .values()
    )
    assert who["last_name"] not in text
    marked = demo.run("outbox", "mark-sent", "--request", short, *BY, "--json").json
    assert marked == {"request_id": request_id, "marked": len(shown), "closed": False}
    (item,) = done(demo, "list", "--json").json
    assert item["waits_for"].startswith("letter to send (who asked is kept until ")
    done(demo, "sent", short, "--by", "A. Martin")
    assert "nothing" not in done(demo, "list", "--all").out
    assert done(demo, "list").out == "no requests in which anything is left to do\n"
    assert demo.run("outbox", "list").out == "no notices to send\n"


def test_who_asked_is_there_for_the_letter_until_it_is_marked_as_sent(demo: Demo) -> None:
    who = person(demo)
    erased, refused = verified(demo, "erasure"), asks(demo, "access")["request_id"]
    done(demo, "process", erased)
    done(demo, "refuse", refused, *WHY)
    found = demo.sql("crm", "SELECT count(*) FROM customers WHERE email = ?", who["email"])
    assert found == [(0,)]
    for number in (erased, refused):
        for command in ("answer", "show"):
            assert who["email"] not in done(demo, command, number).out
            out = done(demo, command, number, "--reveal").out
            assert who["email"] in out and "The letter is not marked as sent." in out
            shown = done(demo, command, number, "--reveal", "--json").json
            assert (shown["letter_sent"], shown["asked"]["email"]) == (False, who["email"])
            assert shown["who_asked_kept_until"] > today().isoformat()
    ahead = ("--on", (today() + timedelta(days=2)).isoformat())
    assert demo.run("request", "sent", erased, *ahead, *BY).code == 8

    answer = demo.run("request", "sent", erased[:8], "0123456789", refused[:8], *BY)

    assert answer.code == 8 and "no request '0123456789'" in one_line(answer)
    assert answer.out.count("marked as sent; who asked is forgotten") == 2
    out = done(demo, "answer", erased, "--reveal").out
    assert "What was asked is not kept any more." in out and "The letter is marked as sent." in out
    shown = done(demo, "show", refused, "--reveal", "--json").json
    assert (shown["letter_sent"], shown["asked"], shown["state"]) == (True, None, "refused")
    assert shown["changes"][-1]["reason"] == f"on {today()}"


def test_nothing_of_the_person_is_shown_unless_it_is_asked_for(demo: Demo) -> None:
    who = person(demo)
    said = ("--phone", who["phone"], "--address", who["street"], "--message", "Adieu, Canari")
    request_id = asks(demo, "access", *said)["request_id"]
    values = [str(who[name]) for name in ("last_name", "email", "street")] + ["Canari"]
    for arguments in (("show", request_id), ("list", "--all"), ("plan", request_id)):
        for more in ((), ("--json",)):
            out = done(demo, *arguments, *more).out
            assert [value for value in values if value in out] == []
    revealed = done(demo, "show", request_id, "--reveal", "--json").json
    assert revealed["asked"]["email"] == who["email"]
    assert revealed["records"][0]["key"] == [who["customer_id"]]
    assert "Canari" in done(demo, "show", request_id, "--reveal").out


def test_what_cannot_be_read_is_not_taken_in_and_not_repeated(demo: Demo) -> None:
    answer = demo.run(
        "request", "add", "--kind", "access", "--email", "canari", "--phone", "12",
        "--received-on", (today() + timedelta(days=3)).isoformat(), *BY,
    )  # fmt: skip
    assert answer.code == 8
    assert [line.split(": ")[2] for line in answer.err.splitlines()] == [
        "email", "phone", "received_on",
    ]  # fmt: skip
    assert "canari" not in answer.out + answer.err
    assert done(demo, "list", "--all").out == "no requests\n"


def test_a_request_comes_from_a_file_or_a_pipe(demo: Demo, tmp_path: Path) -> None:
    document = {"kind": "objection", "email": person(demo)["email"], "message": "Assez !"}
    path = tmp_path / "letter.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    before = today()
    found = done(demo, "add", "--from-file", str(path), *BY, "--json").json
    assert found["kind"] == "objection"
    assert before.isoformat() <= found["received_on"] <= today().isoformat()
    environment = {"RETENTION_CONFIG": str(demo.config)}
    document["kind"] = "portability"
    piped = process(
        "request", "add", "--from-file", "-", *BY, given=json.dumps(document),
        environment=environment,
    )  # fmt: skip
    assert piped.code == 0
    assert len(done(demo, "list", "--json").json) == 2


@pytest.mark.parametrize(
    ("content", "more", "code", "said"),
    [
        (b'{"kind": "acc', (), 8, "it is not JSON"),
        (b'{"kind": "access", "Canari": 1, "email": "a@b.fr"}', (), 8, "a key that is not known"),
        (b"x" * 1_000_001, (), 2, "larger than 1,000,000 bytes"),
        (b"{}", ("--email", "a@b.fr"), 2, "give --from-file alone"),
        (None, (), 2, "cannot be read: No such file"),
    ],
)
def test_a_file_that_will_not_do_is_named(
    demo: Demo, tmp_path: Path, content: bytes | None, more: tuple[str, ...], code: int, said: str
) -> None:
    path = tmp_path / "letter.json"
    if content is not None:
        path.write_bytes(content)
    answer = demo.run("request", "add", "--from-file", str(path), *more, *BY)
    assert answer.code == code
    assert said in one_line(answer)
    assert "anari" not in answer.err


def test_the_same_request_twice_names_the_open_one(demo: Demo) -> None:
    who = person(demo)
    request_id = asks(demo, "erasure")["request_id"]
    who["last_name"] = who["last_name"].upper()
    said = ("--family-name", who["last_name"], "--first-name", who["first_name"])
    answer = demo.run("request", "add", "--kind", "erasure", "--email", who["email"], *said, *BY)
    assert answer.code == 8
    assert request_id in one_line(answer)


def test_two_people_with_one_address_wait_for_a_persons_choice(demo: Demo) -> None:
    who = person(demo)
    demo.sql(
        "crm",
        "INSERT INTO customers (customer_id, last_name, first_name, email, prospecting_opt_in)"
        " VALUES (90001, 'Autre', 'Personne', ?, 0)",
        who["email"],
    )
    found = asks(demo, "erasure", who=who)
    request_id = found["request_id"]
    assert found["records"]["in_doubt"] == 2
    refused = demo.run("request", "verify", request_id, "--how", "x", *BY)
    assert refused.code == 8 and "choose first" in one_line(refused)
    assert "2 record(s) to choose about" in done(demo, "list").out
    planned = done(demo, "plan", request_id).out
    assert "First choose about 2 record(s)" in planned
    assert "is known" not in planned and "Carry it out" not in planned
    for item in done(demo, "show", request_id, "--reveal", "--json").json["records"]:
        yes = "--yes" if item["key"] == [who["customer_id"]] else "--no"
        done(demo, "choose", request_id, item["table"], item["token"][:12], yes, *BY)
    done(demo, "verify", request_id, "--how", "called back", *BY)
    done(demo, "process", "--all")
    left = demo.sql("crm", "SELECT customer_id FROM customers WHERE email = ?", who["email"])
    assert left == [(90001,)]


def test_a_choice_is_made_one_way_or_the_other(demo: Demo) -> None:
    request_id = asks(demo, "erasure")["request_id"]
    answer = demo.run("request", "choose", request_id, "crm.customers", "abcdef", *BY)
    assert answer.code == 2
    answer = demo.run("request", "choose", request_id, "crm.customers", "abcdef", "--yes", *BY)
    assert answer.code == 8
    assert "no record" in one_line(answer)


def test_doubt_stops_the_clock_and_an_extension_moves_it(demo: Demo) -> None:
    request_id = asks(demo, "access")["request_id"]
    first = done(demo, "list", "--json").json[0]["due_on"]
    done(demo, "extend", request_id, *WHY)
    assert done(demo, "list", "--json").json[0]["due_on"] > first
    assert demo.run("request", "extend", request_id, *WHY).code == 8
    done(demo, "doubt", request_id, *WHY)
    (item,) = done(demo, "list", "--json").json
    assert "identity in doubt since" in item["waits_for"]


def test_who_waits_longer_or_is_in_doubt_is_told_so(demo: Demo) -> None:
    request_id = asks(demo, "access")["request_id"]
    early = demo.run("request", "inform", request_id)
    assert early.code == 8 and "nothing is to be told before its answer" in one_line(early)
    why = ("--reason", "quatre systèmes & des archives", *BY)
    assert "request inform" in done(demo, "extend", request_id, *why).out
    due = date.fromisoformat(done(demo, "list", "--json").json[0]["due_on"])
    letters = done(demo, "inform", request_id, "--json").json["letters"]
    assert set(letters) == {"en", "fr"}
    assert f"au plus tard le {written(due, 'fr')}" in letters["fr"]
    assert f"by {written(due, 'en')} at the latest" in letters["en"]
    for text in letters.values():
        assert "quatre systèmes & des archives" in text and "www.cnil.fr" in text
    done(demo, "doubt", request_id, "--reason", "the first name is Zoé on record", *BY)
    for lang, said in (("en", "reasonable doubts"), ("fr", "doutes raisonnables")):
        text = done(demo, "inform", request_id, "--lang", lang).out
        assert said in text and "quatre systèmes" in text
        assert "Zoé" not in text  # whoever reads it may be somebody else
    assert demo.run("request", "inform", request_id, "--lifting", "no restriction").code == 8


def test_a_late_request_comes_first_and_says_so(demo: Demo) -> None:
    asks(demo, "erasure")
    early = (today() - timedelta(days=90)).isoformat()
    late = asks(demo, "access", "--received-on", early)
    listed = done(demo, "list", "--json").json
    assert listed[0]["request_id"] == late["request_id"]
    assert listed[0]["urgency"] == "late" and listed[0]["days_left"] < 0
    assert "LATE" in done(demo, "list").out


def test_a_refusal_has_a_letter_and_an_open_request_has_none(demo: Demo) -> None:
    request_id = asks(demo, "erasure")["request_id"]
    early = demo.run("request", "answer", request_id)
    assert early.code == 8 and early.out == ""
    assert "no answer before it is carried out" in one_line(early)
    done(demo, "refuse", request_id, "--reason", "manifestly unfounded", *BY)
    later = (today() + timedelta(days=40)).isoformat()
    letters = done(demo, "answer", request_id, "--as-of", later, "--json").json["letters"]
    assert set(letters) == {"en", "fr"}
    assert written(today(), "fr") in letters["fr"].split("Votre demande")[0]
    assert demo.run("request", "process", request_id).code == 8


def test_a_copy_is_written_once_for_its_owner_only(demo: Demo, tmp_path: Path) -> None:
    who = person(demo)
    request_id = verified(demo, "access")
    assert done(demo, "package", request_id).out == "no packages\n"
    assert demo.run("request", "package", request_id, "--to", str(tmp_path / "x")).code == 2
    assert "copy" in done(demo, "plan", request_id).out
    done(demo, "process", request_id)
    assert "open until" in done(demo, "package", request_id).out
    path = tmp_path / "copy.zip"
    done(demo, "package", request_id, "--to", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as copy:
        assert who["email"] in copy.read("data.json").decode()
    again = demo.run("request", "package", request_id, "--to", str(path))
    assert again.code == 2 and "File exists" in one_line(again)


def test_a_restriction_is_lifted_and_everything_is_back(demo: Demo) -> None:
    who = person(demo)
    find = "SELECT * FROM customers WHERE customer_id = ?"
    before = demo.sql("crm", find, who["customer_id"])
    request_id = verified(demo, "restriction")
    later = today() + timedelta(days=3)
    done(demo, "process", request_id, "--as-of", later.isoformat())
    assert demo.sql("crm", find, who["customer_id"]) == []
    letter = letter_of(demo, request_id)
    assert written(later, "fr") in letter and "Avant de lever la limitation" in letter
    told = ("--told-on", today().isoformat())
    assert demo.run("request", "lift", request_id, *WHY).code == 2
    ahead = ("--told-on", (today() + timedelta(days=2)).isoformat())
    assert demo.run("request", "lift", request_id, *ahead, *WHY).code == 2
    told_first = done(demo, "inform", request_id, "--lifting", "la facture est juste").out
    assert "allons lever cette limitation" in told_first and "la facture est juste" in told_first
    assert "are going to lift this restriction" in told_first
    done(demo, "lift", request_id, *told, *WHY)
    letter = letter_of(demo, request_id)
    assert written(today(), "fr") in letter and "la limitation étant levée" in letter
    (lifted,) = [item for item in done(demo, "show", request_id, "--json").json["changes"]
                 if item["what"] == "lifted"]  # fmt: skip
    assert f"told on {today()}" in lifted["reason"]
    assert demo.run("request", "inform", request_id, "--lifting", "again").code == 8
    assert "restriction lifted" in demo.run("outbox", "list", "--request", request_id).out
    assert demo.sql("crm", find, who["customer_id"]) == before
    again = demo.run("request", "lift", request_id, *told, *WHY)
    assert again.code == 8
    assert one_line(again)


def test_a_correction_reaches_the_systems(demo: Demo) -> None:
    who = person(demo)
    wrong = ("request", "add", "--kind", "rectification", "--email", who["email"], *BY)
    assert demo.run(*wrong).code == 8
    assert demo.run(*wrong, "--correct", "Lemaire").code == 2
    assert demo.run(*wrong, "--correct", "user.name.lats=Lemaire").code == 8
    twice = ("--correct", "user.name.last=A", "--correct", "user.name.last=B")
    assert demo.run(*wrong, *twice).code == 2
    request_id = verified(demo, "rectification", "--correct", "user.name.last=Le=maire")
    done(demo, "process", request_id)
    find = "SELECT last_name FROM customers WHERE customer_id = ?"
    assert demo.sql("crm", find, who["customer_id"]) == [("Le=maire",)]


def test_the_inbox_is_taken_in(demo: Demo) -> None:
    assert "nothing to take in" in done(demo, "take-in").out
    inbox = demo.folder / "inbox"
    document = {"kind": "erasure", "email": person(demo)["email"]}
    (inbox / "a.json").write_text(json.dumps(document))
    taken = done(demo, "take-in", "--json").json
    assert [(item["file"], item["reasons"]) for item in taken] == [("a.json", [])]
    (inbox / "b.json").write_text(json.dumps({"kind": "erasure", "email": "canari"}))
    answer = demo.run("request", "take-in")
    assert answer.code == 8
    assert one_line(answer).startswith("1 file(s) rejected")
    assert "not an e-mail address" in answer.out and "canari" not in answer.out
    assert len(done(demo, "list", "--json").json) == 1
