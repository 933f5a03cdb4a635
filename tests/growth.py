"""Whether work grows in proportion to its input, measured in CPU seconds of the process."""

import gc
import time
from collections.abc import Callable, Sequence

MOST_GROWTH = 2.5
"""Doubling the input may multiply the time by this."""
MEASUREMENTS = (1, 3, 7, 15)
"""Repeats of each measurement, while the growth seems too large."""
NOISE_SECONDS = 0.05
"""Below this time, for the doubled input, growth is not measured."""


def cpu_seconds(run: Callable[[], object], repeats: int = 1) -> float:
    """The fewest CPU seconds that `run` takes, without collecting the garbage of other tests."""
    times = []
    gc.disable()
    try:
        for _ in range(repeats):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
    finally:
        gc.enable()
    return min(times)


def growth(
    run: Callable[[int], object],
    size: int,
    noise: float = NOISE_SECONDS,
    measurements: Sequence[int] = MEASUREMENTS,
) -> float:
    """The time of `run(2 * size)` divided by that of `run(size)`; 1 where neither matters. A
    growth that seems too large is measured again, since other processes disturb the first.
    """
    factor = 1.0
    for repeats in measurements:
        doubled = cpu_seconds(lambda: run(2 * size), repeats)
        if doubled < noise:
            return 1.0
        factor = doubled / cpu_seconds(lambda: run(size), repeats)
        if factor <= MOST_GROWTH:
            break
    return factor
