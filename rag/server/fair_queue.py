"""Queues that callers take in turn, by their work; a full one refuses the greediest's newest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from rag.server.caller import PendingQuestion

T = TypeVar("T")


class FairLane(Generic[T]):
    """Items by key. The next one is of the key that has had the least work (start-time fair
    queueing: a returning key starts level with the others, without saved-up credit).

    Not thread-safe; the owner locks.
    """

    def __init__(self) -> None:
        self.by_key: dict[str, deque[T]] = {}
        self._work: dict[str, float] = {}
        """Work of the keys on a common virtual clock."""
        self._clock = 0.0

    def __len__(self) -> int:
        return sum(map(len, self.by_key.values()))

    def __iter__(self) -> Iterator[T]:
        for items in self.by_key.values():
            yield from items

    def add(self, key_id: str, item: T) -> None:
        if key_id not in self.by_key:
            self._work[key_id] = max(self._clock, self._work.get(key_id, 0.0))
        self.by_key.setdefault(key_id, deque()).append(item)

    @property
    def next_key(self) -> str:
        return self.least(self.by_key)

    def least(self, keys: Iterable[str]) -> str:
        """Which of these keys has had the least work."""
        return min(keys, key=lambda key_id: self._work[key_id])

    def take(self, amount: float = 0.0, key_id: str | None = None) -> T:
        """Remove the next item, or the next of a key, for so much work."""
        key_id = self.next_key if key_id is None else key_id
        self._clock = max(self._clock, self._work[key_id])
        item = self.by_key[key_id].popleft()
        self.charge(key_id, amount)
        self._forget()
        return item

    def charge(self, key_id: str, amount: float) -> None:
        self._work[key_id] = self._work.get(key_id, self._clock) + amount

    def drop_newest(self, key_id: str) -> T:
        dropped = self.by_key[key_id].pop()
        self._forget()
        return dropped

    def keep(self, condition: Callable[[T], bool]) -> None:
        for key_id, items in self.by_key.items():
            self.by_key[key_id] = deque(filter(condition, items))
        self._forget()

    def _forget(self) -> None:
        """Drop keys that have no items, and their work once others have had as much."""
        self.by_key = {key_id: items for key_id, items in self.by_key.items() if items}
        self._work = {
            key_id: amount
            for key_id, amount in self._work.items()
            if key_id in self.by_key or amount > self._clock
        }


class FairQueue:
    """Queue of questions, with a lane for searches and one for readings."""

    def __init__(self) -> None:
        self.searches: FairLane[PendingQuestion] = FairLane()
        self.readings: FairLane[PendingQuestion] = FairLane()

    def __len__(self) -> int:
        return len(self.searches) + len(self.readings)

    def __iter__(self) -> Iterator[PendingQuestion]:
        yield from self.searches
        yield from self.readings

    def add(self, items: Sequence[PendingQuestion]) -> None:
        for item in items:
            lane = self.searches if item.search else self.readings
            lane.add(item.caller.key_id, item)

    def make_room(self, key_id: str, arriving: int, capacity: int) -> list[PendingQuestion] | None:
        """The items to refuse so that `arriving` of this key fit into `capacity`; None if the
        key itself must be refused.

        A key takes at most three quarters of the queue, so a key that floods is refused at once.
        If it is full, drops items without a waiting client. If several keys have filled it, removes
        the newest items of the key with the most waiting, as long as it would still have more than
        this key.
        """
        if len(self) + arriving > capacity:
            for lane in (self.searches, self.readings):
                lane.keep(lambda item: item.wanted)
        own = self._count(key_id)
        if key_id and own and own + arriving > capacity * 3 // 4:
            return None
        dropped: list[PendingQuestion] = []
        while len(self) + arriving > capacity:
            keys = {*self.searches.by_key, *self.readings.by_key}
            largest = max(keys, key=self._count, default=key_id)
            if largest == key_id or self._count(largest) <= self._count(key_id) + arriving:
                self.add(dropped[::-1])
                return None
            lane = self.readings if largest in self.readings.by_key else self.searches
            dropped.append(lane.drop_newest(largest))
        return dropped

    def _count(self, key_id: str) -> int:
        return sum(len(lane.by_key.get(key_id, ())) for lane in (self.searches, self.readings))

    def ahead(self, key_id: str) -> int:
        """Passages read before an item added now: its key's, and at most as many of each other."""
        sums = {name: sum(w.cost for w in items) for name, items in self.readings.by_key.items()}
        own = sums.pop(key_id, 0)
        first = max((item.cost for item in self.readings), default=0)
        return own + sum(min(passages, max(own, first)) for passages in sums.values())

    @property
    def passages(self) -> int:
        """Passages of all waiting readings."""
        return sum(item.cost for item in self.readings)

    def take_searches(self, limit: int) -> list[PendingQuestion]:
        """Take up to `limit` searches, of each key in turn."""
        return [self.searches.take(1) for _ in range(min(limit, len(self.searches)))]

    def take_readings(self, passages: int) -> list[PendingQuestion]:
        """Take at least one reading, and more up to so many passages in total."""
        batch: list[PendingQuestion] = []
        costs: dict[Hashable, int] = {}
        while self.readings:
            item = self.readings.by_key[self.readings.next_key][0]
            total = sum({**costs, item.key: item.cost}.values())
            if batch and total > passages:
                break
            batch.append(self.readings.take(0 if item.key in costs else item.cost))
            costs[item.key] = item.cost
        return batch
