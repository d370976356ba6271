"""What may be said of an error nobody foresaw: its kind and its place, never its text.

The text of a driver's or a library's error can quote a row.
"""

from __future__ import annotations

import traceback
from pathlib import Path

_HERE = Path(__file__).parent.parent

EXIT_CODE = 70
"""What a program exits with after such an error (``EX_SOFTWARE``)."""


def unexpected_text(error: BaseException) -> str:
    """One line: the error's class, and the last of our own lines that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(Path(frame.filename))]
    place = f" at {Path(ours[-1].filename).relative_to(_HERE)}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}; its text may hold personal data and is not shown"


def _is_ours(file: Path) -> bool:
    return file.is_relative_to(_HERE) and "site-packages" not in file.parts
