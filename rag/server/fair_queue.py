"""Queue of questions: searches before readings, and callers in turn by the work they have used."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """A waiting item. `cost` is the number of tokens to read; a `search` reads none."""

    cost: int
    caller: str
    search: bool

    @property
    def key(self) -> Hashable:
        """Equal for equal questions, which are read once per batch."""

    @property
    def wanted(self) -> bool:
        """Whether a client still waits for it."""


W = TypeVar("W", bound=Waiting)


class FairQueue(Generic[W]):
    """Not thread-safe; the owner locks.

    Readings are taken from the caller that has used the least work (start-time fair queueing: a
    returning caller starts level with the others, without saved-up credit).
    """

    def __init__(self) -> None:
        self._searches: dict[str, deque[W]] = {}
        self._readings: dict[str, deque[W]] = {}
        self._given: dict[str, float] = {}
        """Tokens used by waiting callers, on a common virtual clock."""
        self._clock = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._searches.values())) + self._to_read()

    def __iter__(self) -> Iterator[W]:
        for lane in (self._searches, self._readings):
            for waiting in lane.values():
                yield from waiting

    @property
    def has_searches(self) -> bool:
        return bool(self._searches)

    @property
    def has_readings(self) -> bool:
        return bool(self._readings)

    def _to_read(self) -> int:
        return sum(map(len, self._readings.values()))

    def add(self, works: Sequence[W]) -> None:
        for work in works:
            lane = self._searches if work.search else self._readings
            if not work.search and work.caller not in lane:
                self._given[work.caller] = max(self._clock, self._given.get(work.caller, 0.0))
            lane.setdefault(work.caller, deque()).append(work)

    def clear(self) -> None:
        self._searches.clear()
        self._readings.clear()

    def prune(self) -> None:
        """Drop items without a waiting client."""
        for lane in (self._searches, self._readings):
            for caller, waiting in list(lane.items()):
                lane[caller] = deque(work for work in waiting if work.wanted)
                _close(lane, caller)

    def make_room(self, caller: str, arriving: int, most: int) -> list[W] | None:
        """The items to refuse so that `arriving` of `caller` fit among at most `most`; None if the
        caller itself must be refused.

        A key takes at most three quarters of the queue, so a key that floods is refused at once.
        If several keys have filled it, removes the newest items of the caller with the most
        waiting, as long as it would still have more than this caller.
        """
        own = self._count(caller)
        if caller and own and own + arriving > most * 3 // 4:
            return None
        dropped: list[W] = []
        while len(self) + arriving > most:
            largest = max(self._callers(), key=self._count, default=caller)
            if largest == caller or self._count(largest) <= self._count(caller) + arriving:
                self.add(dropped[::-1])
                return None
            dropped.append(self._drop_newest(largest))
        return dropped

    def _callers(self) -> set[str]:
        return {*self._searches, *self._readings}

    def _count(self, caller: str) -> int:
        return len(self._searches.get(caller, ())) + len(self._readings.get(caller, ()))

    def _drop_newest(self, caller: str) -> W:
        lane = self._readings if caller in self._readings else self._searches
        dropped = lane[caller].pop()
        _close(lane, caller)
        return dropped

    def ahead(self, caller: str) -> int:
        """Tokens to be read before an item that `caller` adds now: its own, and as many of each
        other caller at most.
        """
        sums = {
            name: sum(work.cost for work in waiting) for name, waiting in self._readings.items()
        }
        own = sums.pop(caller, 0)
        first = max(
            (work.cost for waiting in self._readings.values() for work in waiting), default=0
        )
        return own + sum(min(other, max(own, first)) for other in sums.values())

    def tokens(self) -> int:
        """Tokens of all waiting readings."""
        return sum(work.cost for waiting in self._readings.values() for work in waiting)

    def take_searches(self, most: int) -> list[W]:
        """Take up to `most` searches, one of each caller in turn."""
        taken: list[W] = []
        while self._searches and len(taken) < most:
            for caller in list(self._searches):
                taken.append(self._searches[caller].popleft())
                _close(self._searches, caller)
        return taken

    def take_readings(self, tokens: int) -> list[W]:
        """Take at least one reading, and more up to `tokens` in total."""
        taken: list[W] = []
        costs: dict[Hashable, int] = {}
        while self._readings:
            caller = min(self._readings, key=lambda name: self._given[name])
            work = self._readings[caller][0]
            total = sum({**costs, work.key: work.cost}.values())
            if taken and total > tokens:
                break
            self._clock = self._given[caller]
            self._given[caller] += 0 if work.key in costs else work.cost
            costs[work.key] = work.cost
            taken.append(self._readings[caller].popleft())
            _close(self._readings, caller)
        self._given = {
            name: given
            for name, given in self._given.items()
            if name in self._readings or given > self._clock
        }
        return taken


def _close(lane: dict[str, deque[W]], caller: str) -> None:
    if not lane[caller]:
        del lane[caller]
