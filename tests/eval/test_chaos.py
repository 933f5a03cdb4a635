"""Short runs of the scripts that kill processes; results of long runs are in eval/results/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from eval.chaos import cluster as clusters
from eval.chaos import collection_kills, kills, load, shared, three_keys
from rag.server.app import create_app
from rag.settings import Settings
from tests.postgres import Cluster
from tests.store.helpers import schema_dsn

pytestmark = [pytest.mark.slow, pytest.mark.soak]


def ran(command: click.Command, *arguments: str) -> dict[str, Any]:
    """The result of a script."""
    result: dict[str, Any] = command.main(arguments, standalone_mode=False)
    return result


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_process_leaves_a_consistent_index(seed: int, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    result = ran(kills.main, "--kills", "8", "--seed", str(seed), "--out", str(out))
    assert (result["kills"], result["violations"]) == (8, 0)
    assert json.loads(out.read_text()) == result


def test_two_writers_and_three_readers_share_an_index() -> None:
    result = ran(shared.main, "--minutes", "0.05", "--readers", "3")
    assert min(result["asked"], result["citations"], result["changes"]) > 0
    assert (result["wrong"], result["errors"], result["doctor"]) == (0, [], [])


def test_killed_servers_and_workers_lose_nothing(cluster: Cluster, tmp_path: Path) -> None:
    options = ["--fake", "--minutes", "0.25", "--pause", "2"]
    result = ran(clusters.main, schema_dsn(cluster, tmp_path), *options)
    assert result["wrong"] == []
    assert min(result["kills"]["workers"], result["kills"]["servers"]) > 0
    assert min(result["counts"]["answers"], result["counts"]["polls"]) > 0
    assert result["acknowledged_uploads"] > 0


@pytest.mark.parametrize("store", ["local", "database"])
def test_kills_of_changes_to_collections_lose_nothing(
    store: str, request: pytest.FixtureRequest
) -> None:
    if store == "database":
        cluster = request.getfixturevalue("cluster")
        cluster.execute("CREATE DATABASE kills")
        store = cluster.dsn("kills")
    result = ran(collection_kills.main, "--kills", "20", "--store", store)
    assert result["kills"] == 20
    assert result["changes_done"]


def test_three_keys_see_nothing_of_each_other() -> None:
    result = ran(three_keys.main, "--requests", "400")
    assert result["broken"] == []
    assert {"200", "403", "404"} <= set(result["statuses"])


def test_the_flood_of_one_key_asks_every_route(tmp_path: Path) -> None:
    paths = create_app(Settings(index=tmp_path)).openapi()["paths"]
    assert len(paths) > 40
    assert load.unlisted_routes(paths, load.worst_requests()) == []
