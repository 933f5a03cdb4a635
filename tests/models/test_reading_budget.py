import time
from collections.abc import Sequence

from rag.models.cascade import BudgetedReader, ReadState
from rag.protocols import ReaderOutput
from rag.types import Hit
from tests import small_index
from tests.fakes import NameReader


class PacedReader(NameReader):
    """Takes a fixed time per passage, and records the number of passages per call."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self.rounds: list[list[int]] = []

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        self.rounds.append([len(hits) for _, hits in questions])
        time.sleep(self._seconds * sum(self.rounds[-1]))
        return super().read_many(questions)


def hits(count: int, answering: int = 0) -> list[Hit]:
    texts = [f"Talks led City{i}." for i in range(count)]
    texts[answering] += " The talks were led by Burns."
    return small_index.hits(texts)


QUESTION = "The talks were led by whom?"


def test_without_a_deadline_everything_is_read_at_once() -> None:
    questions = [(QUESTION, hits(8)), ("who?", hits(3)), ("where?", [])]
    reader, states = PacedReader(), [ReadState(*arguments) for arguments in questions]
    BudgetedReader(reader).run(states)
    assert reader.rounds == [[8, 3]]
    assert [state.read for state in states] == [8, 3, 0]
    assert states[0].output.spans == NameReader().read(QUESTION, hits(8)).spans


def test_the_best_passage_is_read_after_the_deadline() -> None:
    state = ReadState(QUESTION, hits(8), time.monotonic() - 1)
    BudgetedReader(PacedReader()).run([state])
    assert state.read == 1
    assert {span.hit.passage.document_id for span in state.output.spans} == {"d0"}


def test_reading_stops_near_the_deadline() -> None:
    state = ReadState(QUESTION, hits(100), time.monotonic() + 0.3)
    BudgetedReader(PacedReader(0.02)).run([state])
    assert 1 <= state.read < 60
    scores = [span.score for span in state.output.spans]
    assert scores == sorted(scores, reverse=True)


def test_a_deadline_does_not_stop_another_question() -> None:
    finished: list[int] = []
    states = [ReadState(QUESTION, hits(4), time.monotonic() - 1), ReadState(QUESTION, hits(4))]
    BudgetedReader(PacedReader()).run(states, finished.append)
    assert [state.read for state in states] == [1, 4]
    assert sorted(finished) == [0, 1]
