"""Queues that callers take in turn, by their work; a full one refuses the greediest's newest."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from rag.server.caller import PendingQuestion
from rag.server.fair_lane import FairLane


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
        count = self._count(key_id)
        if key_id and count and count + arriving > capacity * 3 // 4:
            return None
        dropped: list[PendingQuestion] = []
        while len(self) + arriving > capacity:
            keys = {*self.searches.by_key, *self.readings.by_key}
            busiest_key = max(keys, key=self._count, default=key_id)
            if busiest_key == key_id or self._count(busiest_key) <= self._count(key_id) + arriving:
                self.add(dropped[::-1])
                return None
            lane = self.readings if busiest_key in self.readings.by_key else self.searches
            dropped.append(lane.drop_newest(busiest_key))
        return dropped

    def _count(self, key_id: str) -> int:
        return sum(len(lane.by_key.get(key_id, ())) for lane in (self.searches, self.readings))

    def passages_ahead(self, key_id: str) -> int:
        """Passages read before an item added now: its key's, and at most as many of each other."""
        sums = {name: sum(w.cost for w in items) for name, items in self.readings.by_key.items()}
        of_key = sums.pop(key_id, 0)
        longest_cost = max((item.cost for item in self.readings), default=0)
        return of_key + sum(min(passages, max(of_key, longest_cost)) for passages in sums.values())

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
