"""Short runs of the scripts about collections; results of long runs are in eval/results/."""

from __future__ import annotations

import pytest

from eval.chaos import collection_kills, three_keys
from tests.postgres import Cluster

pytestmark = pytest.mark.slow


def test_kills_lose_nothing() -> None:
    found = collection_kills.main(["--kills", "20"])
    assert found["kills"] == 20
    assert found["changes_done"]


def test_kills_lose_nothing_in_a_database(cluster: Cluster) -> None:
    cluster.execute("CREATE DATABASE kills")
    found = collection_kills.main(["--kills", "20", "--store", cluster.dsn("kills")])
    assert found["changes_done"]


def test_three_keys_see_nothing_of_each_other() -> None:
    found = three_keys.main(["--requests", "400"])
    assert found["broken"] == []
    assert {"200", "403", "404"} <= set(found["statuses"])
