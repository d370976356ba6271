"""Dagster's own pages on a demonstration: the code location loads, as the README says."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dagster_support import Demo

ROOT = Path(__file__).parent.parent
QUERY = """
{ repositoriesOrError { ... on RepositoryConnection { nodes {
    name location { name } jobs { name } schedules { name } sensors { name }
    assetNodes { groupName }
} } } }
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server on this machine, started as `make ui` starts it, from another folder."""
    demo = Demo(tmp_path_factory.mktemp("ui") / "demo", people=10)
    demo.home.mkdir()
    (demo.home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = demo.folder / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "dagster-webserver"),
                *("-w", str(ROOT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)),
            ],
            cwd=demo.folder,
            env=os.environ | {"DAGSTER_HOME": str(demo.home), "RETENTION_CONFIG": str(demo.config)},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(f"http://127.0.0.1:{port}/server_info", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
        else:
            return
    raise AssertionError(log.read_text())


def ask(address: str, query: str) -> Any:
    request = urllib.request.Request(
        f"{address}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


@pytest.mark.ui
def test_the_code_location_loads_with_its_jobs_and_groups(address: str) -> None:
    (node,) = ask(address, QUERY)["repositoriesOrError"]["nodes"]
    assert node["location"]["name"] == "retention"
    assert {
        "carry_out_requests",
        "daily_retention",
        "forecast_retention",
        "monthly_statistics",
    } <= {job["name"] for job in node["jobs"]}
    assert {item["name"] for item in node["schedules"]} == {
        "every_night",
        "every_sunday",
        "every_month",
    }
    assert {item["name"] for item in node["sensors"]} == {
        "close_failed_runs",
        "close_terminated_runs",
        "request_deadlines",
        "request_inbox",
        "verified_requests",
    }
    assert {asset["groupName"] for asset in node["assetNodes"]} == {
        "source",
        "classification",
        "archive",
        "pseudonymisation",
        "deletion",
        "statistics",
        "evidence",
        "requests",
    }


@pytest.mark.ui
def test_no_dialog_asks_for_an_address_and_telemetry_is_off(address: str) -> None:
    assert ask(address, "{ shouldShowNux }") == {"shouldShowNux": False}
    config = ask(address, "{ instance { info } }")["instance"]["info"]
    assert "telemetry:\n  enabled: false" in config
