"""A short run of `python -m eval.chaos.cluster`: server and worker processes are killed while they
work.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.chaos.cluster import main
from tests.postgres import Cluster
from tests.store.helpers import schema_dsn


@pytest.mark.slow
def test_killed_servers_and_workers_lose_nothing(cluster: Cluster, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options = ["--fake", "--minutes", "0.25", "--pause", "2", "--out", str(out)]
    assert main([schema_dsn(cluster, tmp_path), *options]) == 0
    result = json.loads(out.read_text())
    assert result["wrong"] == []
    assert result["kills"]["workers"] > 0
    assert result["kills"]["servers"] > 0
    assert (
        min(result["acknowledged_uploads"], result["counts"]["answers"], result["counts"]["polls"])
        > 0
    )
