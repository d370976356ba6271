"""The page of a package: one file, nothing loaded from elsewhere, in French and English.

Both languages stand in it; a switch without any script hides one. What comes from a database
is escaped, and the page forbids itself every script and every connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from html import escape
from typing import Any
from unicodedata import category as category_of

from retention.catalogue.declarations import Recipient
from retention.requests.answering import wording
from retention.requests.answering.wording import LANGS, Lang
from retention.requests.copies.files import About, category, columns, table_of
from retention.requests.copies.records import GatheredTable, Record
from retention.requests.copies.terms import kept
from retention.requests.copies.words import PAGE, PHASE, PLACE, WITHHELD, category_label

_TURNING = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """
:root { color-scheme: light; --line: #d5d9e0; --soft: #f4f6f9; --ink: #1d2433; --dim: #5a6478; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.8rem; margin: .5rem 0; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; color: var(--dim); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { background: var(--soft); overflow-wrap: normal; } tbody th { font-weight: 600; width: 17rem; }
.number { text-align: right; width: 10rem; } .dim, code { color: var(--dim); font-size: .85rem; }
.record { border: 1px solid var(--line); border-radius: .5rem; margin: .8rem 0; }
.record > table tr:last-child > * { border-bottom: 0; }
.about { background: var(--soft); padding: .6rem .7rem; border-radius: .5rem .5rem 0 0; }
.about p { margin: .1rem 0; } code { display: block; font-weight: 400; }
.value { white-space: pre-wrap; } .none { color: var(--dim); }
.switch { position: absolute; opacity: 0; } label { cursor: pointer; text-decoration: underline; }
.switch:focus-visible ~ header label { outline: 2px solid var(--ink); }
#show-fr:checked ~ * [lang="en"], #show-en:checked ~ * [lang="fr"] { display: none; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); }
@media print { label { display: none; } .record { break-inside: avoid; } }
@media (max-width: 40rem) { body { padding: .8rem; } tbody th { width: 45%; } }
"""


def page(about: About) -> bytes:
    """``index.html``."""
    title = " · ".join(PAGE[lang]["title"] for lang in LANGS)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="fr"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        '<input class="switch" type="radio" name="show" id="show-fr" checked>',
        '<input class="switch" type="radio" name="show" id="show-en">',
        *_header(about),
        "<main>",
        *_contents(about),
        *_purposes(about),
        *(part for place, _ in enumerate(about.gathered.tables) for part in _table(about, place)),
        *_rights(about),
        "</main></body></html>",
    ]
    return ("\n".join(parts) + "\n").encode("utf-8", "replace")


def _both(texts: dict[Lang, str], tag: str = "span") -> str:
    """The same in each language, escaped."""
    if len({texts[lang] for lang in LANGS}) == 1 and tag == "span":
        return _text(texts["en"])
    return "".join(
        f'<{tag} lang="{lang}">{_text(_set(texts[lang], lang))}</{tag}>' for lang in LANGS
    )


def _set(text: str, lang: Lang) -> str:
    return wording.spaced(text) if lang == "fr" else text


def _said(key: str, tag: str = "span", **days: date | str) -> str:
    """A phrase of the page in each language; days among its parts are written out."""
    texts: dict[Lang, str] = {}
    for lang in LANGS:
        parts = {
            name: wording.written(part, lang) if isinstance(part, date) else part
            for name, part in days.items()
        }
        texts[lang] = PAGE[lang][key].format(**parts)
    return _both(texts, tag)


def _lead(key: str) -> str:
    """A phrase that what it announces follows on the same line."""
    return _both({"en": f"{PAGE['en'][key]}: ", "fr": f"{PAGE['fr'][key]} : "})


def _text(value: str) -> str:
    """Text that is safe between tags and in attributes; invisible controls become visible."""
    shown = "".join("\N{REPLACEMENT CHARACTER}" if _misleads(sign) else sign for sign in value)
    return escape(shown, quote=True)


def _misleads(sign: str) -> bool:
    """Controls, halves of characters, and signs that turn the direction of the text around."""
    return sign in _TURNING or (category_of(sign) in ("Cc", "Cs") and sign not in "\n\t")


def _day(day: date) -> str:
    return _both({lang: wording.written(day, lang) for lang in LANGS})


def _header(about: About) -> Iterator[str]:
    yield '<header><p><label for="show-en" lang="fr">English version</label>'
    yield '<label for="show-fr" lang="en">Version française</label></p>'
    yield f"<p>{_text(about.policy.controller)}</p><h1>{_said('title')}</h1>"
    yield _said(
        "intro",
        "p",
        day=about.made_on,
        received=about.request.received_on,
        reference=about.request.request_id,
    )
    yield "</header>"


def _contents(about: About) -> Iterator[str]:
    yield f"<h2>{_said('contents')}</h2>"
    if not about.gathered.tables:
        yield _said("nothing", "p")
        return
    heads = f"<th>{_said('table')}</th><th class=number>{_said('number')}</th>"
    yield f"<table><thead><tr>{heads}<th>{_said('last')}</th></tr></thead><tbody>"
    for place, table in enumerate(about.gathered.tables):
        days = [record.goes_on for record in table.records]
        last = max(day for day in days if day) if None not in days else None
        gone = _day(last) if last else _said("no_day")
        link = f'<a href="#table-{place}">{_label(about, table)}</a>'
        number = f"<td class=number>{len(table.records)}</td>"
        yield f"<tr><th>{link}</th>{number}<td>{gone}</td></tr>"
    yield "</tbody></table>"


def _purposes(about: About) -> Iterator[str]:
    used = about.purposes()
    if not used:
        return
    yield f"<h2>{_said('purposes')}</h2><table><thead><tr><th>{_said('purpose')}</th>"
    yield f"<th>{_said('basis')}</th><th>{_said('kept')}</th></tr></thead><tbody>"
    for purpose in used.values():
        label = _both({"en": purpose.label, "fr": purpose.label_fr})
        basis = _both({lang: wording.LEGAL_BASIS[lang][purpose.legal_basis] for lang in LANGS})
        terms = _both({lang: kept(purpose, about.policy, lang) for lang in LANGS})
        yield f"<tr><th>{label}</th><td>{basis}</td><td>{terms}</td></tr>"
    yield "</tbody></table>"


def _label(about: About, table: GatheredTable) -> str:
    declared = table_of(about.catalogue, table.name)
    if declared is None:
        return _text(table.name)
    return _both({"en": declared.label, "fr": declared.label_fr or declared.label})


def _table(about: About, place: int) -> Iterator[str]:
    table = about.gathered.tables[place]
    declared = table_of(about.catalogue, table.name)
    yield f'<section id="table-{place}"><h2>{_label(about, table)}</h2>'
    if declared and declared.origin:
        origin = _both({"en": declared.origin, "fr": declared.origin_fr or declared.origin})
        yield f"<p>{_lead('origin')}{origin}</p>"
    yield f"<p>{_lead('recipients')}{_recipients(about, table)}</p>"
    for number, record in enumerate(table.records, 1):
        yield from _record(about, table, record, number)
    yield "</section>"


def _recipients(about: About, table: GatheredTable) -> str:
    items = [about.catalogue.recipients[name] for name in table.recipients]
    if not items:
        return _said("nobody")
    return "; ".join(map(_recipient, items))


def _recipient(item: Recipient) -> str:
    label = _both({"en": item.label, "fr": item.label_fr or item.label})
    found = f"{label} ({_text(item.contact)})"
    if not item.outside_eu:
        return found
    safeguards: dict[Lang, str] = {
        "en": item.outside_eu,
        "fr": item.outside_eu_fr or item.outside_eu,
    }
    said = {lang: PAGE[lang]["outside_eu"].format(safeguard=safeguards[lang]) for lang in LANGS}
    return f"{found}, {_both(said)}"


def _record(about: About, table: GatheredTable, record: Record, number: int) -> Iterator[str]:
    yield f'<div class="record"><div class="about"><p><strong>{_said("record")} {number}</strong>, '
    phase = {lang: PHASE[lang][str(record.phase)] for lang in LANGS}
    place = {lang: PLACE[lang][record.place] for lang in LANGS}
    yield f"{_both(place if record.place == 'archive' else phase)}</p>"
    if record.held_for:
        yield f"<p>{_lead('held_for')}{_held_for(about, record)}</p>"
    yield f"<p>{_lead('goes')}{_goes(about, record)}</p></div><table><tbody>"
    for name in columns(table):
        if name in record.values:
            value = _value(record.values[name])
            if name in record.earlier:
                value += f'<div class="dim">{_said("earlier", day=record.earlier[name])}</div>'
            yield _row(about, table, name, value)
    for name, why in sorted(record.withheld.items()):
        reason = _both({lang: WITHHELD[lang][why] for lang in LANGS})
        yield _row(about, table, name, f'<span class="none">{reason}</span>')
    yield "</tbody></table></div>"


def _row(about: About, table: GatheredTable, name: str, value: str) -> str:
    of = category(about.catalogue, table.name, name)
    label = _both({lang: category_label(of, lang) for lang in LANGS})
    return f"<tr><th>{label}<code>{_text(name)}</code></th><td>{value}</td></tr>"


def _held_for(about: About, record: Record) -> str:
    used = about.purposes()
    parts = []
    for item in record.held_for:
        purpose = used.get(item.purpose)
        label = (
            _both({"en": purpose.label, "fr": purpose.label_fr}) if purpose else _text(item.purpose)
        )
        if item.until:
            label += f" ({_said('until', day=item.until)})"
        parts.append(label)
    return " · ".join(parts)


def _goes(about: About, record: Record) -> str:
    if record.goes_on is None:
        if record.because is None:
            return _said("no_day")
        reason = {lang: wording.BECAUSE[lang][str(record.because)] for lang in LANGS}
        return f"{_said('no_day')}, {_both(reason)}"
    due = f" ({_said('due')})" if record.goes_on <= about.made_on else ""
    return _day(record.goes_on) + due


def _value(value: Any) -> str:
    """A value as it is read. ``bdi`` keeps text of another direction from moving its neighbours."""
    if value is None:
        return '<span class="none">–</span>'
    if isinstance(value, bool):
        return _both({"en": "yes" if value else "no", "fr": "oui" if value else "non"})
    if isinstance(value, bytes | bytearray | memoryview):
        size = len(bytes(value))
        return _both({"en": f"{size} bytes, in data.json", "fr": f"{size} octets, dans data.json"})
    return f'<bdi class="value">{_text(str(value))}</bdi>'


def _rights(about: About) -> Iterator[str]:
    yield f"<footer><h2>{_said('rights')}</h2>{_said('rights_text', 'p')}"
    yield f"<p>{_text(about.policy.controller)}</p>"
    yield f"{_both(dict(wording.CNIL), 'p')}</footer>"
