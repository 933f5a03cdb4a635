import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rag import build
from rag.models.cascade import (
    SENTENCE_WEIGHT,
    SPAN_WEIGHT,
    Cascade,
    LastReading,
    log_odds,
)
from rag.models.reader import ExtractiveReader
from rag.models.registry import CASCADE_READS, FIRST_READER, first_reader
from rag.protocols import Reader, ReaderOutput, SentenceScore
from rag.settings import Settings
from rag.types import Hit, Span
from tests import tiny
from tests.small_index import hit

Readers = tuple[ExtractiveReader, ExtractiveReader]
TEXTS = [f"town {n} was built in 1{n}00. it is small." for n in range(8)]


def hits(texts: list[str]) -> list[Hit]:
    return [hit(text, f"d{i}", score=1.0 - i / 10) for i, text in enumerate(texts)]


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Readers:
    small_folder, large_folder = tmp_path_factory.mktemp("small"), tmp_path_factory.mktemp("large")
    return ExtractiveReader(str(tiny.bert(small_folder))), ExtractiveReader(
        str(tiny.three_heads(large_folder))
    )


def scores(output: ReaderOutput) -> list[float]:
    parts = [span.score for span in output.spans], [sentence.score for sentence in output.sentences]
    return [*parts[0], *parts[1], *(verdict.yes for verdict in output.verdicts)]


def test_the_second_reader_reads_what_the_first_chose(readers: Readers) -> None:
    small_reader, large_reader = readers
    passages = hits(TEXTS)
    output = Cascade(small_reader, large_reader, 3).read("when?", passages)
    read = [verdict.hit for verdict in output.verdicts]
    assert len(read) == 3
    odds = log_odds(passages, small_reader.read("when?", passages))
    by_odds = sorted(passages, key=lambda hit: -odds[passages.index(hit)])
    assert set(read) == set(by_odds[:3])
    assert read == sorted(read, key=lambda hit: -hit.score)
    assert scores(output) == pytest.approx(scores(large_reader.read("when?", read)), abs=1e-4)


def test_a_passage_is_likely_by_search_by_its_span_and_by_its_sentence() -> None:
    passages = [replace(passage, score=0.1) for passage in hits(TEXTS[:3])]
    unread, with_spans, with_sentences = passages
    read = ReaderOutput(
        spans=[Span(with_spans, 0, 4, score=2.0), Span(with_spans, 5, 6, score=1.0)],
        sentences=[
            SentenceScore(with_spans, 0, 26, score=0.5),
            SentenceScore(with_sentences, 0, 26, score=0.9),
            SentenceScore(with_sentences, 27, 39, score=0.5),
        ],
    )

    odds = log_odds(passages, read)

    assert odds[1] - odds[0] == pytest.approx(SPAN_WEIGHT * 14 + SENTENCE_WEIGHT * 9.21, abs=0.01)
    assert odds[2] - odds[0] == pytest.approx(SENTENCE_WEIGHT * (2.197 + 9.21), abs=0.01)
    likelier_by_search = [replace(unread, score=0.2), with_spans, with_sentences]
    assert log_odds(likelier_by_search, read)[0] - odds[0] == pytest.approx(math.log(2))


def test_the_last_batch_is_not_read_again(
    readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_reader, large_reader = readers
    expected = Cascade(small_reader, large_reader, 3).read_many(
        [("where?", hits(TEXTS)), ("when?", hits(TEXTS))]
    )
    counts: list[int] = []
    read_many = small_reader.read_many

    def counted(questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        counts.append(len(questions))
        return read_many(questions)

    monkeypatch.setattr(small_reader, "read_many", counted)
    remembering_reader = LastReading(small_reader)
    remembering_reader.read_many([("where?", hits(TEXTS)), ("who?", hits(TEXTS))])
    repeated = Cascade(remembering_reader, large_reader, 3).read_many(
        [("where?", hits(TEXTS)), ("when?", hits(TEXTS))]
    )
    assert counts == [2, 1]
    assert [len(output.verdicts) for output in repeated] == [3, 3]
    assert [[span.start for span in output.spans] for output in repeated] == [
        [span.start for span in output.spans] for output in expected
    ]
    remembering_reader.read("where?", hits(TEXTS[:2]))
    assert counts == [2, 1, 1], "other passages"


def test_few_passages_are_all_read_and_none_is_fine(readers: Readers) -> None:
    cascade = Cascade(*readers, 3)
    questions = [("when?", hits(TEXTS[:2])), ("where?", hits(TEXTS)), ("when?", [])]
    of_two, of_five, of_none = cascade.read_many(questions)
    assert [v.hit.passage.document_id for v in of_two.verdicts] == ["d0", "d1"]
    assert len(of_five.verdicts) == 3
    assert (of_none.spans, of_none.sentences, of_none.verdicts) == ([], [], [])


def test_a_folder_names_its_first_reader(tmp_path: Path) -> None:
    assert first_reader("accurate") == "fast"
    assert first_reader("best") is None
    assert first_reader("fast") is None
    folder = tiny.three_heads(tmp_path)
    assert first_reader(str(folder)) is None
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {FIRST_READER: "fast"}))
    assert first_reader(str(folder)) == "fast"
    assert first_reader("some/model-on-a-hub") is None


@pytest.fixture(scope="module")
def accurate() -> Reader:
    return build.reader(Settings(reader="accurate"))


@pytest.mark.slow
def test_the_shipped_readers_give_right_verdicts(accurate: Reader) -> None:
    text = "The rent is 900 euros a month. It is due on the first. Dogs are allowed in all flats."
    lease = hit(text, title="Lease")
    claims = [*(f"The rent is {n} euros a month." for n in (900, 400)), "The bridge is long."]
    read = accurate.read_many([(claim, [lease]) for claim in claims])
    repeated, changed, unrelated = (output.verdicts[0] for output in read)
    assert repeated.yes > max(changed.yes, unrelated.yes)
    assert changed.no > repeated.no
    assert len(accurate.read(claims[0], [lease]).sentences) == 3


@pytest.mark.slow
def test_best_reads_all_passages_with_the_same_weights(accurate: Reader) -> None:
    passages = hits(TEXTS)
    by_accurate = accurate.read("When was town 3 built?", passages)
    by_best = build.reader(Settings(reader="best")).read("When was town 3 built?", passages)
    assert len(by_accurate.verdicts) == CASCADE_READS
    assert len(by_best.verdicts) == len(passages)
    assert by_accurate.spans[0].text == by_best.spans[0].text == "1300"
