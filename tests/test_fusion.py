import pytest

from rag.fusion import fuse


def test_fusion_weighs_both_legs_from_their_least_to_their_best() -> None:
    fused = fuse({1: 1.0, 2: 0.0}, {2: 8.0, 1: 4.0}, 0.5)
    assert fused == {1: pytest.approx(0.75), 2: pytest.approx(0.75)}
    assert fuse({1: 0.2}, {}, 0.7) == {1: pytest.approx(0.7)}
    assert fuse({}, {}, 0.7) == {}
