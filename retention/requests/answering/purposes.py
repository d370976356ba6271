"""What purposes are called where a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from retention.installation import Installation
from retention.requests.answering.wording import Lang

_QUOTED: Mapping[Lang, str] = {"en": "“{}”", "fr": "« {} »"}


def labels(installation: Installation, lang: Lang) -> dict[str, str]:
    """Labels of every version's purposes: an outcome can be older than today's policy."""
    return {
        name: purpose.label_fr if lang == "fr" else purpose.label
        for version in installation.policy.versions
        for name, purpose in version.purposes.items()
    }


def quoted(installation: Installation, names: Iterable[str], lang: Lang) -> str:
    """The purposes ``names`` one after the other, for a sentence."""
    known = labels(installation, lang)
    return ", ".join(_QUOTED[lang].format(known.get(name, name)) for name in names)
