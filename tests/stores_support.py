"""Stores by their settings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from retention.settings import Settings, read_settings
from retention.stores import archive, cases, control, keys, vault

NOW = datetime(2026, 11, 24, 3, 0, 0, 123456, tzinfo=UTC)

TABLES = {
    "control": control.metadata,
    "cases": cases.metadata,
    "archive": archive.metadata,
    "vault": vault.metadata,
    "keys": keys.metadata,
}

HOLD = {
    "table_name": "crm.customers",
    "key": '["Canari"]',
    "kind": "legal_hold",
    "reason": "a lawsuit",
    "placed_at": NOW,
    "placed_by": "dpo",
}


def settings(folder: Path, environment: dict[str, str] | None = None, **urls: str) -> Settings:
    lines = [
        f"  {name}: {{url: {urls.get(name, f'sqlite:///var/{name}.db')!r}}}" for name in TABLES
    ]
    path = folder / "retention.yaml"
    path.write_text(
        "policy: p.yaml\ncatalogue: c.yaml\nmaster_key: {env: KEY}\nstores:\n" + "\n".join(lines)
    )
    return read_settings(path, environment or {})
