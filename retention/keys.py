"""The keyring: tokens, digests and seals under the master key, and one key an archive unit.

The master key itself encrypts and signs nothing; each use has a key of its own, derived by
HKDF-SHA256 (RFC 5869). Sealing is AES-256-GCM with a random nonce, and the context of a
sealed value is authenticated with it: a blob moved to another place cannot be unsealed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, Engine, select, update

from retention.encoding import encode
from retention.errors import ConfigurationError, StoreError
from retention.settings import Settings
from retention.stores.errors import store_errors
from retention.stores.keys import units
from retention.stores.open import reading
from retention.stores.sql import batches, upsert

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"


class UnitDestroyed(StoreError):
    """The key of an archive unit was destroyed: nothing can be sealed for it again."""


def new_master_key() -> str:
    """A new random master key, as ``read_master_key`` wants it: base64 of 32 bytes."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode("ascii")


def read_master_key(settings: Settings) -> bytes:
    """The 32-byte master key, from the file or the environment variable that is set.

    Raises:
        ConfigurationError: it is not there, or is not 32 bytes in base64. The message names
            the place and never what was found there.
    """
    if settings.master_key.file is not None:
        path = settings.path(settings.master_key.file)
        place = f"master_key.file: {path}"
        try:
            text = path.read_bytes()
        except OSError as error:
            why = (error.strerror or "it cannot be read").lower()
            raise ConfigurationError(f"{place}: {why}") from None
    else:
        name = settings.master_key.env or ""
        place = f"master_key.env: the environment variable {name}"
        found = settings.environment.get(name)
        if not found:
            raise ConfigurationError(f"{place} is not set")
        text = found.encode("utf-8", "replace")
    try:
        key = base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{place} does not hold a key: 32 bytes in base64 are wanted")
    return key


def seal_with(key: bytes, context: str, data: bytes) -> bytes:
    """``data`` encrypted under ``key`` (32 bytes), bound to ``context``; 29 bytes longer."""
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, data, _bound(context))


def unseal_with(key: bytes, context: str, blob: bytes) -> bytes:
    """What ``seal_with`` sealed under the same key and context.

    Raises:
        StoreError: another key or context, or the blob was changed.
    """
    nonce, sealed = blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :]
    try:
        if blob[:1] != _VERSION or len(nonce) != _NONCE_BYTES:
            raise InvalidTag
        return AESGCM(key).decrypt(nonce, sealed, _bound(context))
    except InvalidTag:
        raise StoreError(
            "a sealed value cannot be unsealed: the master key is another, or it was changed"
        ) from None


class Keyring:
    """Everything the orchestrator does with keys.

    Args:
        master: The 32-byte master key.
        engine: The keys store.
    """

    def __init__(self, master: bytes, engine: Engine) -> None:
        if len(master) != KEY_BYTES:
            raise ConfigurationError("a master key has 32 bytes")
        self._master = master
        self._engine = engine
        self._derived: dict[str, bytes] = {}

    @property
    def pseudonym_key(self) -> bytes:
        """The key of pseudonyms written in place, in source systems."""
        return self._key("pseudonym")

    def token(self, domain: str, *parts: object) -> str:
        """64 hexadecimal characters that stand for ``parts``, unlinkable between domains.

        Raises:
            TypeError: a part that ``encode`` does not know.
        """
        return hmac.digest(self._key(f"token/{domain}"), encode(parts), "sha256").hex()

    def row_digest(self, row: Mapping[str, object]) -> bytes:
        """32 bytes that change with any value of the row; says nothing without the key."""
        return hmac.digest(self._key("row"), encode(dict(row)), "sha256")

    def seal(self, context: str, data: bytes) -> bytes:
        """``data`` sealed for the journal, bound to ``context``."""
        return seal_with(self._key("seal"), context, data)

    def unseal(self, context: str, blob: bytes) -> bytes:
        """What ``seal`` sealed.

        Raises:
            StoreError: another master key or context, or the blob was changed.
        """
        return unseal_with(self._key("seal"), context, blob)

    def unit_id(self, subject_token: str, expires_on: date, generation: int = 0) -> str:
        """The archive unit of a subject's rows that expire on a day.

        ``generation`` grows when the unit of the same subject and day was destroyed before.
        """
        return self.token("unit", subject_token, expires_on, generation)

    def ensure_units(self, unit_ids: Iterable[str]) -> dict[str, bytes]:
        """The keys of all of ``unit_ids``; those missing are made, at random.

        Raises:
            UnitDestroyed: at least one was destroyed. None was made then.
            StoreError: the store cannot be written, or a key cannot be unwrapped.
        """
        wanted = list(dict.fromkeys(unit_ids))
        with store_errors("keys"), self._engine.begin() as connection:
            known = self._wrapped(connection, wanted)
            missing = [unit_id for unit_id in wanted if unit_id not in known]
            for batch in batches(missing):
                made = [
                    {"unit_id": unit_id, "wrapped": self._wrap(unit_id, os.urandom(KEY_BYTES))}
                    for unit_id in batch
                ]
                upsert(connection, units, made, ["unit_id"], [])
            # Read back: another process may have made the same unit first.
            known |= self._wrapped(connection, missing)
            gone = sum(1 for unit_id in wanted if known.get(unit_id) is None)
            if gone:
                raise UnitDestroyed(
                    f"store 'keys': {gone} of {len(wanted)} archive units were destroyed"
                )
        return self._unwrapped(known)

    def open_units(self, unit_ids: Iterable[str]) -> dict[str, bytes]:
        """The keys of those of ``unit_ids`` that there are; destroyed ones are left out.

        Raises:
            StoreError: the store cannot be read, or a key cannot be unwrapped.
        """
        with store_errors("keys"), reading(self._engine) as connection:
            known = self._wrapped(connection, list(dict.fromkeys(unit_ids)))
        return self._unwrapped(known)

    def destroyed(self, unit_ids: Iterable[str]) -> set[str]:
        """Those of ``unit_ids`` whose key was destroyed (a unit never made is not)."""
        with store_errors("keys"), reading(self._engine) as connection:
            known = self._wrapped(connection, list(dict.fromkeys(unit_ids)))
        return {unit_id for unit_id, wrapped in known.items() if wrapped is None}

    def destroy_units(self, unit_ids: Iterable[str], now: datetime) -> int:
        """Destroy keys for good; returns how many there still were.

        What they sealed is unreadable from here on, in every copy of archive and vault.
        Backups of the keys store itself hold the wrapped keys until they lapse.
        """
        count = 0
        with store_errors("keys"):
            with self._engine.begin() as connection:
                for batch in batches(dict.fromkeys(unit_ids)):
                    found = units.c.unit_id.in_(batch) & units.c.wrapped.is_not(None)
                    change = update(units).where(found).values(wrapped=None, destroyed_at=now)
                    count += connection.execute(change).rowcount
            if count and self._engine.dialect.name == "sqlite":
                self._empty_write_ahead_log()
        return count

    def _empty_write_ahead_log(self) -> None:
        """Copy the log into the file, where the old pages are overwritten, and cut it.

        A reader at work prevents it; the next destruction, or closing, makes up for it.
        """
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA busy_timeout = 1000")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.close()
        finally:
            # Closed for good, since its patience is no longer that of the pool's others.
            connection.invalidate()

    def _wrapped(self, connection: Connection, unit_ids: list[str]) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        for batch in batches(unit_ids):
            query = select(units.c.unit_id, units.c.wrapped).where(units.c.unit_id.in_(batch))
            found.update((row.unit_id, row.wrapped) for row in connection.execute(query))
        return found

    def _wrap(self, unit_id: str, key: bytes) -> bytes:
        return seal_with(self._key("wrap"), unit_id, key)

    def _unwrapped(self, known: Mapping[str, bytes | None]) -> dict[str, bytes]:
        key = self._key("wrap")
        return {
            unit_id: unseal_with(key, unit_id, wrapped)
            for unit_id, wrapped in known.items()
            if wrapped is not None
        }

    def _key(self, use: str) -> bytes:
        key = self._derived.get(use)
        if key is None:
            info = b"retention/1/" + use.encode("utf-8", "surrogatepass")
            key = HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(self._master)
            self._derived[use] = key
        return key


def _bound(context: str) -> bytes:
    return b"retention/1/" + context.encode("utf-8", "surrogatepass")
