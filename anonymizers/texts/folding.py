"""Texts as patterns see them: no accents, no odd spaces or digits, and every position known.

Full-width digits, no-break spaces, typographic dashes and accented letters become what stands
for them in ASCII (NFKD, one character for one); characters that nobody sees (zero-width ones,
soft hyphens, marks of direction) go. What is found in a folded text is looked up in the text
it came from by its position.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_DASHES = dict.fromkeys("‐‑‒–—―−⁃﹘﹣－", "-")
_QUOTES = dict.fromkeys("’‘‛ʼ`´′＇", "'") | dict.fromkeys("“”„«»″", '"')
_DOTS = dict.fromkeys("·•․‧∙⋅", ".") | {"…": "."}
_STANDS_FOR = _DASHES | _QUOTES | _DOTS
# Combining marks, soft hyphen, zero-width characters, marks of direction, variation selectors,
# and the ligatures that are two or three letters: what changes a text's length.
_IRREGULAR = re.compile(
    "[\u0300-\u036f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufe00-\ufe0f\ufeff\ufb00-\ufb06]"
)


class _Table(dict[int, str]):
    """What each character stands for, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = found = _stands_for(letter)
        return found


def _stands_for(letter: str) -> str:
    if letter in _STANDS_FOR:
        return _STANDS_FOR[letter]
    if _IRREGULAR.match(letter):
        return unicodedata.normalize("NFKD", letter) if "\ufb00" <= letter <= "\ufb06" else ""
    if letter.isspace() and letter not in "\n\r":
        return " "
    if (digit := unicodedata.digit(letter, None)) is not None:
        return str(digit)
    plain = "".join(
        part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part)
    )
    return plain if len(plain) == 1 else letter


_TABLE = _Table()

_LATIN = bytes(
    ord(plain) if (plain := _TABLE[code]) and ord(plain) < 256 else code for code in range(256)
)

_SPACES = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()})
_SIGN = re.compile(r"[\W_]")


class Folded(NamedTuple):
    """A folded text: ``cased`` as written, ``lower`` in lower case, of the same length.

    ``positions`` are those of each character in the original of length ``size``; ``None``
    where they are the same.
    """

    cased: str
    lower: str
    size: int
    positions: list[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Where ``lower[start:end]`` stands in the original, what nobody sees at its end included."""
        if self.positions is None:
            return start, end
        after = self.positions[end] if end < len(self.positions) else self.size
        return self.positions[start], max(after, self.positions[end - 1] + 1)


def fold(text: str) -> Folded:
    """``text`` folded."""
    if text.isascii():
        cased = text.replace("\t", " ")
        return Folded(cased, cased.lower(), len(text))
    try:
        # Most French text is Latin-1, which bytes translate ten times as fast.
        latin = text.encode("latin-1")
    except UnicodeEncodeError:
        latin = b"\xad"
    if b"\xad" not in latin:
        cased = latin.translate(_LATIN).decode("latin-1")
        return Folded(cased, cased.lower(), len(text))
    if _IRREGULAR.search(text):
        parts = [_TABLE[ord(letter)] for letter in text]
        cased = "".join(parts)
        positions = [at for at, part in enumerate(parts) for _ in part]
        return Folded(cased, cased.lower(), len(text), positions)
    cased = text.translate(_TABLE)
    return Folded(cased, cased.lower(), len(text))


def spaced(text: str) -> str:
    """``text`` with a space for every sign, character for character."""
    return text.translate(_SPACES) if text.isascii() else _SIGN.sub(" ", text)
