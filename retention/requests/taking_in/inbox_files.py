"""The inbox's files: read without trusting them, moved without ever overwriting one.

Names and contents come from other programs. No link is followed, nothing but a regular file
is read, and what is kept is for the owner's eyes only.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import uuid4

from retention.errors import ConfigurationError
from retention.requests.taking_in.intake import Rejected, Unreadable

LARGEST = 1_000_000
"""Bytes of a request file."""

SUFFIX = ".json"
REASON = ".reason.txt"

_LONGEST_STEM = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@contextmanager
def opened(inbox: Path, *folders: str) -> Iterator[None]:
    """The inbox for oneself; it and its ``folders`` are made where they are missing.

    Raises:
        ConfigurationError: it cannot be used.
    """
    try:
        for folder in (inbox, *(inbox / name for name in folders)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder != inbox and folder.is_symlink():
                raise ConfigurationError(f"requests.inbox: {folder}: a link leads out of the inbox")
        lock = os.open(inbox / ".lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
    except OSError as error:
        raise ConfigurationError(f"requests.inbox: {inbox}: {error.strerror}") from None


def names(folder: Path) -> list[str]:
    """The names of the request files in ``folder``, in order. Hidden ones are none."""
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.name.lower().endswith(SUFFIX) and not entry.name.startswith(".")
    )


def read(path: Path) -> tuple[bytes, datetime]:
    """What is in a file, and when it was last written.

    Raises:
        FileNotFoundError: it is gone.
        Unreadable: it may not be read. Rejected: it is no regular file, or too large.
    """
    try:
        # Without O_NONBLOCK a named pipe would wait for a writer.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink():
            raise Rejected(["it is a link, not a file"]) from None
        raise Unreadable([f"it cannot be read: {error.strerror}"]) from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise Rejected(["it is not a regular file"])
        if found.st_size > LARGEST:
            raise Rejected([f"it is larger than {LARGEST:,} bytes"])
        with os.fdopen(os.dup(handle), "rb") as stream:
            data = stream.read(LARGEST + 1)
    finally:
        os.close(handle)
    if len(data) > LARGEST:
        raise Rejected([f"it is larger than {LARGEST:,} bytes"])
    return data, datetime.fromtimestamp(found.st_mtime, UTC)


def written_at(path: Path) -> datetime:
    """When a file was last written. Raises FileNotFoundError: it is gone."""
    return datetime.fromtimestamp(path.lstat().st_mtime, UTC)


def claim(path: Path, folder: Path) -> str:
    """Move a dropped file into ``folder`` under a number of its own; returns its new name.

    Raises:
        FileNotFoundError: it is gone.
    """
    name = f"{uuid4().hex[:16]}.{_safe(path.name)}"
    path.rename(folder / name)
    if (folder / name).is_file() and not (folder / name).is_symlink():
        with suppress(PermissionError):  # another account's file: its folder protects it
            (folder / name).chmod(0o600)
    return name


def keep_number(path: Path) -> None:
    """Make sure that a claimed file keeps its number, whatever happens to the machine."""
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def number_of(name: str) -> str:
    """The number under which a file was claimed."""
    return name.partition(".")[0]


def given_name(name: str) -> str:
    """The name a claimed file had before, without its odd characters."""
    return name.partition(".")[2]


def replace(path: Path, text: str) -> None:
    """Put ``text`` in a file's place, at once and in whole."""
    fresh = path.with_name("." + path.name)
    fresh.unlink(missing_ok=True)
    _write(fresh, text)
    fresh.replace(path)


def move(path: Path, folder: Path, reasons: tuple[str, ...] = ()) -> None:
    """Move a claimed file into ``folder`` under the name it had, or one like it that is free.

    ``reasons`` are put beside it first.
    """
    name = given_name(path.name)
    for number in count(1):
        target = folder / (name if number == 1 else f"{name[: -len(SUFFIX)]}-{number}{SUFFIX}")
        beside = target.with_name(target.name + REASON)
        if not os.path.lexists(target) and not os.path.lexists(beside):
            break
    if reasons:
        _write(beside, "".join(f"{reason}\n" for reason in reasons))
    # Only who has the lock puts anything here, so nothing came between.
    path.rename(target)


def forget(folder: Path, before: datetime) -> int:
    """Delete what lies in ``folder`` since before an instant; returns how many files.

    By the time of the move where the file system tells it, else of the last writing.
    """
    if folder.is_symlink() or not folder.is_dir():
        return 0
    gone = 0
    for entry in list(os.scandir(folder)):
        found = entry.stat(follow_symlinks=False)
        moved = datetime.fromtimestamp(max(found.st_ctime, found.st_mtime), UTC)
        if moved < before and not entry.is_dir(follow_symlinks=False):
            Path(entry.path).unlink(missing_ok=True)
            gone += 1
    return gone


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)


def _safe(name: str) -> str:
    stem = _UNSAFE.sub("_", name[: -len(SUFFIX)])
    return (stem[:_LONGEST_STEM] or "_") + SUFFIX
