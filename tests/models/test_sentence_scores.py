from pathlib import Path

import pytest
import torch

from rag.meaning.sentences import split_sentences
from rag.models.bert import Bert
from rag.models.reader import ExtractiveReader
from rag.types import Hit
from tests import small_index, tiny

TEXTS = [
    "The deal was signed in vienna. It took years. Oman hosted talks in 2012.",
    "one sentence alone",
    " ".join(f"sentence {i} names city {i * 7}." for i in range(60)),
]


def hits(texts: list[str]) -> list[Hit]:
    return small_index.hits(texts, "title")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.three_heads(tmp_path_factory.mktemp("heads"))


@pytest.fixture(scope="module")
def reader(folder: Path) -> ExtractiveReader:
    return ExtractiveReader(str(folder))


def test_every_sentence_of_every_passage_is_scored_in_order(reader: ExtractiveReader) -> None:
    scored = reader.read("why?", hits(TEXTS)).sentences
    places = [(f"d{i}", *place) for i, text in enumerate(TEXTS) for place in split_sentences(text)]
    assert [(s.hit.passage.document_id, s.start, s.end) for s in scored] == places
    assert all(0 <= s.score <= 1 for s in scored)
    assert scored[1].text == "It took years."


def test_a_verdict_for_every_passage(reader: ExtractiveReader) -> None:
    verdicts = reader.read("was it signed?", hits(TEXTS)).verdicts
    assert [v.hit.passage.document_id for v in verdicts] == ["d0", "d1", "d2"]
    assert all(v.yes + v.no + v.unsaid == pytest.approx(1, abs=1e-5) for v in verdicts)


def test_the_heads_match_their_weights(folder: Path, reader: ExtractiveReader) -> None:
    bert, text = Bert(folder), TEXTS[0]
    hit = small_index.hit(text)
    read = reader.read("why?", [hit])
    encoding = bert.tokenizer.encode("why?", text)
    (states,) = bert.states([encoding.ids], [encoding.type_ids])
    heads = bert.others
    logits = states @ heads["sentence_outputs.weight"].T[:, 0] + heads["sentence_outputs.bias"]
    for sentence in read.sentences:
        tokens = [
            n
            for n, (start, end) in enumerate(encoding.offsets)
            if encoding.sequence_ids[n] == 1 and start < sentence.end and end > sentence.start
        ]
        expected = float(torch.sigmoid(logits[tokens].mean()))
        assert sentence.score == pytest.approx(expected, abs=1e-5)
    dense = torch.tanh(states[0] @ heads["verdict_dense.weight"].T + heads["verdict_dense.bias"])
    odds = dense @ heads["verdict_outputs.weight"].T + heads["verdict_outputs.bias"]
    (verdict,) = read.verdicts
    shares = torch.softmax(odds, 0).tolist()
    assert [verdict.yes, verdict.no, verdict.unsaid] == pytest.approx(shares, abs=1e-5)


def test_a_reader_without_these_heads_gives_spans_alone(tmp_path: Path) -> None:
    output = ExtractiveReader(str(tiny.bert(tmp_path))).read("why?", hits(TEXTS))
    assert output.spans
    assert (output.sentences, output.verdicts) == ([], [])


def test_no_passages_no_output(reader: ExtractiveReader) -> None:
    output = reader.read("why?", [])
    assert (output.spans, output.sentences, output.verdicts) == ([], [], [])
