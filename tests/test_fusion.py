import pytest

from rag.retrieval import fuse


def test_fusion_scales_both_retrievers_from_minimum_to_best() -> None:
    fused = fuse({1: 1.0, 2: 0.0}, {2: 8.0, 1: 4.0}, 0.5)
    assert fused == {1: pytest.approx(0.75), 2: pytest.approx(0.75)}
    assert fuse({1: 0.2}, {}, 0.7) == {1: pytest.approx(0.7)}
    assert fuse({}, {}, 0.7) == {}


def test_close_cosines_are_spread() -> None:
    close = {number: 0.8 + number / 200 for number in range(21)}
    assert fuse(close, {}, 1.0) == {number: pytest.approx(number / 20) for number in close}
    few = {number: close[number] for number in range(3)}
    assert fuse(few, {}, 1.0)[0] > 0.99
    assert fuse(close | {21: 0.1}, {}, 1.0)[0] > 0.9
