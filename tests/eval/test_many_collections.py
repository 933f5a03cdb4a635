"""What a collection costs a service; all 200 are in eval/results/many_collections.json."""

from __future__ import annotations

import pytest

from eval.bench.many_collections import measure

pytestmark = pytest.mark.slow


def test_a_small_collection_takes_two_mebibytes_at_most() -> None:
    found = measure(25)
    assert found["mib_a_collection_beyond_the_first"] < 2
