"""Public sets in three shapes, measured by eval.bench.public with the tests' small models."""

import csv
import json
from pathlib import Path

import pytest

from eval.bench.public import Overlap, answers, excerpts, mean, overlap, read_excerpts
from rag.errors import InputError
from tests.fakes import fake_models

TEXT = "# Talks\n\nThe talks were held in Muscat. Nobody spoke.\n\n## Exit\n\nIran left in 2018.\n"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_models(monkeypatch.setattr)
    monkeypatch.setenv("RAG_EMBEDDER", "bag-of-words")
    monkeypatch.setenv("RAG_THRESHOLD", "0.1")


def written(folder: Path, *rows: tuple[str, int, int]) -> Path:
    (folder / "corpora").mkdir()
    (folder / "corpora/talks.md").write_text(TEXT)
    with (folder / "questions_df.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("question", "references", "corpus_id"))
        for question, start, end in rows:
            place = {"content": TEXT[start:end], "start_index": start, "end_index": end}
            table.writerow((question, json.dumps([place]), "talks"))
    return folder


def test_overlap_counts_characters() -> None:
    assert overlap([(0, 10)], [(5, 15)]) == Overlap(0.5, 0.5, 1 / 3)
    assert overlap([(0, 10), (5, 20)], [(0, 10)]) == Overlap(1.0, 0.5, 0.5)
    assert overlap([], [(5, 15)]) == Overlap(0.0, None, 0.0)
    overlaps = [Overlap(0.5, 0.5, 0.25), Overlap(0.0, None, 0.0)]
    assert mean(overlaps) == {"recall": 25.0, "precision": 50.0, "iou": 12.5, "answered": 1}


def test_a_quoted_sentence_that_is_the_excerpt_has_an_iou_of_one(tmp_path: Path) -> None:
    sentence = "The talks were held in Muscat."
    start = TEXT.index(sentence)
    excerpt = ("Where were the talks held?", start, start + len(sentence))
    figures = excerpts(written(tmp_path, excerpt), 1, None)
    assert figures["questions"] == 1
    assert figures["quotes"] == {"recall": 100.0, "precision": 100.0, "iou": 100.0, "answered": 1}
    passage = figures["first 1 passages"]
    assert passage["recall"] == 100.0
    assert 0 < passage["iou"] < 100


@pytest.mark.parametrize("place", [(5, 5), (-1, 4), (0, 10_000)])
def test_excerpts_outside_their_text_are_errors(tmp_path: Path, place: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="question 1 has an excerpt outside talks"):
        read_excerpts(written(tmp_path, ("Where?", *place)))


def test_a_folder_without_the_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no set of excerpts"):
        read_excerpts(tmp_path)


def test_squad_and_beir_are_measured(tmp_path: Path) -> None:
    paragraph = {
        "context": "The talks were held in Muscat.",
        "qas": [
            {
                "id": "1",
                "question": "Where were the talks held?",
                "answers": [{"text": "Muscat", "answer_start": 23}],
            }
        ],
    }
    squad = tmp_path / "squad.json"
    squad.write_text(json.dumps({"data": [{"title": "Talks", "paragraphs": [paragraph]}]}))
    assert answers(squad, None)["metrics"]["f1"] == 1
    beir = tmp_path / "beir"
    beir.mkdir()
    (beir / "corpus.jsonl").write_text('{"_id": "a", "title": "Talks", "text": "The talks."}\n')
    (beir / "queries.jsonl").write_text('{"_id": "q", "text": "talks"}\n')
    (beir / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\n")
    assert answers(beir, None)["metrics"]["ndcg@10"] == 1
