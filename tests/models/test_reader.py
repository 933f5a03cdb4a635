import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from rag.errors import ModelError
from rag.models.device import Arithmetic
from rag.models.reader import ExtractiveReader
from rag.protocols import ReaderOutput
from rag.types import Hit
from tests import small_index, tiny

TEXTS = [
    "the deal was signed in vienna on 14 july 2015.",
    "oman hosted secret talks in 2012.",
    " ".join(f"sentence {i} names city {i * 7}." for i in range(60)),
    "x",
    "iran, the united states; and oman!",
]


def hits(texts: list[str]) -> list[Hit]:
    return small_index.hits(texts, "title", ("heading",))


@pytest.fixture(scope="module", params=[tiny.bert, tiny.roberta], ids=["bert", "roberta"])
def reader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ExtractiveReader:
    return ExtractiveReader(str(request.param(tmp_path_factory.mktemp("reader"))))


def test_spans_are_in_their_passages_best_first(reader: ExtractiveReader) -> None:
    spans = reader.read("when was it signed?", hits(TEXTS)).spans
    assert [s.score for s in spans] == sorted((s.score for s in spans), reverse=True)
    assert {s.hit.passage.document_id for s in spans} == {f"d{i}" for i in range(len(TEXTS))}
    for span in spans:
        assert 0 <= span.start < span.end <= len(span.hit.passage.text)
        assert span.text == span.text.strip()


def by_place(output: ReaderOutput) -> dict[tuple[str, int, int], float]:
    """The score of each span."""
    return {(s.hit.passage.text, s.start, s.end): s.score for s in output.spans}


def test_the_order_and_number_of_passages_change_no_score(reader: ExtractiveReader) -> None:
    batched = by_place(reader.read("when?", hits(TEXTS)))
    shuffled = hits(random.Random(3).sample(TEXTS, len(TEXTS)))
    one_by_one: dict[tuple[str, int, int], float] = {}
    for text in TEXTS:
        one_by_one |= by_place(reader.read("when?", hits([text])))
    assert batched == pytest.approx(by_place(reader.read("when?", shuffled)), abs=1e-4)
    assert batched == pytest.approx(one_by_one, abs=1e-4)


def test_batches_equal_single_questions(reader: ExtractiveReader) -> None:
    questions = [("when was it signed?", hits(TEXTS)), ("who?", []), ("where?", hits(TEXTS[:2]))]
    for question, output in zip(questions, reader.read_many(questions), strict=True):
        assert by_place(output) == pytest.approx(by_place(reader.read(*question)), abs=1e-4)
        assert [s.score for s in output.spans] == sorted(s.score for s in output.spans)[::-1]


def test_the_best_span_equals_brute_force(tmp_path: Path) -> None:
    reader = ExtractiveReader(str(tiny.bert(tmp_path)))
    question, text = "where?", TEXTS[0]
    hit = small_index.hit(text)
    (winner, *_) = reader.read(question, [hit]).spans
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path).eval()
    encoding = tokenizer(question, text, return_tensors="pt", return_offsets_mapping=True)
    offsets, sequences = encoding.pop("offset_mapping")[0], encoding.sequence_ids(0)
    with torch.inference_mode():
        output = model(**encoding)
    start, end = output.start_logits[0], output.end_logits[0]
    scores = {
        (int(offsets[i][0]), int(offsets[j][1])): float(start[i] + end[j] - start[0] - end[0])
        for i in range(len(sequences))
        for j in range(i, min(len(sequences), i + 40))
        if sequences[i] == sequences[j] == 1
    }
    assert winner.score == pytest.approx(max(scores.values()), abs=1e-4)


def test_a_model_without_a_span_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no question-answering head[\s\S]*RAG_READER"):
        ExtractiveReader(str(tiny.bert(tmp_path, head=False)))


@pytest.mark.parametrize("setting", ["./missing", "/no/such/folder", "a b c"])
def test_a_missing_model_is_named(setting: str) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        ExtractiveReader(setting)


def test_bf16_finds_the_same_spans_within_its_precision(tmp_path: Path) -> None:
    folder, texts = str(tiny.bert(tmp_path)), hits(TEXTS)
    in_fp32, half = (
        ExtractiveReader(folder, arithmetic=arithmetic).read("where?", texts).spans[0].score
        for arithmetic in (Arithmetic(), Arithmetic(bf16=True))
    )
    assert half == pytest.approx(in_fp32, abs=0.05)
    assert half != in_fp32
