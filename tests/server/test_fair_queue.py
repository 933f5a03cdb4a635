"""The order in which questions are read."""

from __future__ import annotations

from collections import Counter
from itertools import count

from rag.answering.searcher import Query
from rag.server.caller import Caller, PendingQuestion
from rag.server.fair_queue import FairLane, FairQueue

_numbers = count()


def question(
    key_id: str, cost: int = 10, search: bool = False, wanted: bool = True, text: str = ""
) -> PendingQuestion:
    """Unlike all others unless it has a text."""
    query = Query(text or str(next(_numbers)))
    pending = PendingQuestion(query, 0.0, cost, search, caller=Caller(key_id))
    if not wanted:
        pending.cancel()
    return pending


def filled(*questions: PendingQuestion) -> FairQueue:
    queue = FairQueue()
    queue.add(questions)
    return queue


def test_heavy_callers_do_not_delay_light_ones() -> None:
    queue = filled(*(question("loud") for _ in range(50)))
    queue.take_readings(100)
    queue.add([question("quiet"), question("quiet")])
    assert Counter(work.caller.key_id for work in queue.take_readings(40)) == {
        "quiet": 2,
        "loud": 2,
    }


def test_a_large_question_counts_as_many_small_ones() -> None:
    queue = filled(
        *(question("large", 80) for _ in range(5)), *(question("small") for _ in range(30))
    )
    taken = [work.caller.key_id for _ in range(18) for work in queue.take_readings(10)]
    assert Counter(taken) == {"large": 2, "small": 16}


def test_returning_callers_have_no_credit() -> None:
    queue = filled(question("early"), *(question("other") for _ in range(100)))
    for _ in range(50):
        queue.take_readings(10)
    queue.add([question("early") for _ in range(50)])
    taken = Counter(work.caller.key_id for _ in range(20) for work in queue.take_readings(10))
    assert abs(taken["early"] - taken["other"]) <= 1


def test_searches_are_taken_in_turn_and_cost_nothing() -> None:
    queue = filled(
        *(question("loud", 0, True) for _ in range(40)),
        question("quiet", 0, True),
        question("reader"),
    )
    assert queue.searches
    assert "quiet" in [work.caller.key_id for work in queue.take_searches(2)]
    queue.take_searches(100)
    assert not queue.searches
    assert len(queue) == 1


def test_a_call_is_charged_when_its_work_is_known() -> None:
    lane: FairLane[str] = FairLane()
    order = []
    for name in ("long", "long", "short", "short", "short"):
        lane.add(name, name)
    while lane:
        order.append(lane.take())
        lane.charge(order[-1], 2.5 if order[-1] == "long" else 1.0)
    assert order == ["long", "short", "short", "short", "long"]


def test_the_same_question_is_read_once() -> None:
    queue = filled(
        *(question("a", 60, text="same") for _ in range(5)), question("a", 60, text="other")
    )
    assert len(queue.take_readings(100)) == 5


def test_the_heaviest_caller_makes_room() -> None:
    queue = filled(*(question("loud") for _ in range(9)), question("other"))
    dropped = queue.make_room("quiet", 3, 10)
    assert [work.caller.key_id for work in dropped or []] == ["loud"] * 3
    assert queue.make_room("loud", 4, 10) is None
    assert queue.make_room("other", 20, 10) is None
    assert len(queue) == 7


def test_work_ahead_counts_own_items_and_as_much_of_others() -> None:
    queue = filled(*(question("loud") for _ in range(50)))
    assert queue.ahead("quiet") == 10
    assert queue.ahead("loud") == 500
    queue.add([question("quiet") for _ in range(5)])
    assert queue.ahead("quiet") == 100
    assert queue.passages == 550


def test_items_without_clients_are_dropped() -> None:
    queue = filled(
        question("a", wanted=False),
        question("a"),
        question("b", wanted=False),
        question("c", 0, True, wanted=False),
    )
    queue.prune()
    assert [work.caller.key_id for work in queue] == ["a"]


def test_floods_are_refused_before_the_queue_is_full() -> None:
    queue = filled(*(question("loud") for _ in range(90)))
    assert queue.make_room("loud", 6, 128) == []
    assert queue.make_room("loud", 7, 128) is None
    assert queue.make_room("quiet", 30, 128) == []
    alone = filled(question("", 10))
    assert alone.make_room("", 127, 128) == []  # without keys there is only one caller
    assert filled().make_room("loud", 128, 128) == []  # a single request
