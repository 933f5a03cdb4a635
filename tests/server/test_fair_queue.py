"""The order in which questions are read."""

from collections import Counter
from collections.abc import Iterable
from itertools import count
from typing import Any

from rag.query import Query
from rag.server.caller import Caller, PendingQuestion
from rag.server.fair_lane import FairLane
from rag.server.fair_queue import FairQueue

_numbers = count()
ENGINE: Any = None
"""Nothing is read."""


def question(
    key_id: str, cost: int = 10, search: bool = False, is_wanted: bool = True, text: str = ""
) -> PendingQuestion:
    """Unlike all others unless it has a text."""
    query = Query(text or str(next(_numbers)))
    pending = PendingQuestion(query, ENGINE, 0.0, cost, search, caller=Caller(key_id))
    if not is_wanted:
        pending.cancel()
    return pending


def many(key_id: str, count: int, cost: int = 10, search: bool = False) -> list[PendingQuestion]:
    return [question(key_id, cost, search) for _ in range(count)]


def filled(*questions: PendingQuestion) -> FairQueue:
    queue = FairQueue()
    queue.add(questions)
    return queue


def callers(pending: Iterable[PendingQuestion]) -> Counter[str]:
    return Counter(asked_question.caller.key_id for asked_question in pending)


def test_heavy_callers_do_not_delay_light_ones() -> None:
    queue = filled(*many("loud", 50))
    queue.take_readings(100)
    queue.add(many("quiet", 2))
    assert callers(queue.take_readings(40)) == {"quiet": 2, "loud": 2}


def test_a_large_question_counts_as_many_small_ones() -> None:
    queue = filled(*many("large", 5, 80), *many("small", 30))
    assert callers(pending for _ in range(18) for pending in queue.take_readings(10)) == {
        "large": 2,
        "small": 16,
    }


def test_returning_callers_have_no_credit() -> None:
    queue = filled(question("early"), *many("other", 100))
    for _ in range(50):
        queue.take_readings(10)
    queue.add(many("early", 50))
    counts = callers(pending for _ in range(20) for pending in queue.take_readings(10))
    assert abs(counts["early"] - counts["other"]) <= 1


def test_searches_are_taken_in_turn_and_cost_nothing() -> None:
    queue = filled(*many("loud", 40, 0, True), question("quiet", 0, True), question("reader"))
    assert queue.searches
    assert "quiet" in callers(queue.take_searches(2))
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
    equal_questions = [question("a", 60, text="same") for _ in range(5)]
    queue = filled(*equal_questions, question("a", 60, text="other"))
    assert len(queue.take_readings(100)) == 5


def test_the_heaviest_caller_makes_room() -> None:
    queue = filled(*many("loud", 9), question("other"))
    dropped = queue.make_room("quiet", 3, 10)
    assert callers(dropped or []) == {"loud": 3}
    assert queue.make_room("loud", 4, 10) is None
    assert queue.make_room("other", 20, 10) is None
    assert len(queue) == 7


def test_work_ahead_counts_own_items_and_as_much_of_others() -> None:
    queue = filled(*many("loud", 50))
    assert queue.passages_ahead("quiet") == 10
    assert queue.passages_ahead("loud") == 500
    queue.add(many("quiet", 5))
    assert queue.passages_ahead("quiet") == 100
    assert queue.passages == 550


def test_items_without_clients_are_dropped() -> None:
    unwanted = [question("a", is_wanted=False), question("b", is_wanted=False)]
    queue = filled(*unwanted, question("a"), question("c", 0, True, is_wanted=False))
    assert queue.make_room("b", 1, 4) == []
    assert callers(queue) == {"a": 1}


def test_floods_are_refused_before_the_queue_is_full() -> None:
    queue = filled(*many("loud", 90))
    assert queue.make_room("loud", 6, 128) == []
    assert queue.make_room("loud", 7, 128) is None
    assert queue.make_room("quiet", 30, 128) == []
    keyless = filled(question("", 10))
    assert keyless.make_room("", 127, 128) == []  # without keys there is only one caller
    assert filled().make_room("loud", 128, 128) == []  # a single request
