"""Items of several keys, of which the key with the least work so far goes first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

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
        return self.key_with_least_work(self.by_key)

    def key_with_least_work(self, keys: Iterable[str]) -> str:
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
