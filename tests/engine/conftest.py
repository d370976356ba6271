"""Installations for the engine's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.small import Small


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """The scripted lives, on SQLite."""
    return Small(tmp_path / "small").write().fill()


@pytest.fixture
def server(tmp_path: Path, postgres_url: str) -> Small:
    """The scripted lives, sources and stores in one PostgreSQL database."""
    return Small(tmp_path / "server", postgres_url).write().fill()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest) -> Small:
    """The scripted lives, on SQLite and then on PostgreSQL."""
    made: Small = request.getfixturevalue("small" if request.param == "sqlite" else "server")
    return made
