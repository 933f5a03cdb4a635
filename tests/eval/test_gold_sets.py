"""The shipped gold sets are well-formed, and their evidence is in the documents that ship."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from eval.experiments import composing
from eval.gold import collections, training
from eval.scripts import GOLD, ROOT
from rag.evaluation.gold import FORMS, Question
from rag.evaluation.gold_formats import load
from rag.evaluation.set_files import json_lines, open_text
from rag.evaluation.usefulness import names
from rag.parsing.files import find
from tests.parsing.reading import read

SETS = ("forms", "household", "tables", "tables-held-out", "mixed", "reports")
COLLECTIONS = sorted(path.stem for path in (GOLD / "collections").glob("*.jsonl"))


@functools.cache
def texts() -> dict[str, str]:
    """The parsed texts of the documents of SETS, by id."""
    folders = [ROOT / "seeds", GOLD / "office", *(GOLD / name for name in SETS[1:])]
    return {file.document_id: read(file).text for file in find(folders)}


@functools.cache
def questions(name: str) -> tuple[Question, ...]:
    return load(GOLD / f"{name}.jsonl").questions


@pytest.mark.parametrize("name", SETS)
def test_evidence_occurs_in_its_document(name: str) -> None:
    evidence = [proof for question in questions(name) for proof in question.evidence]
    assert [proof for proof in evidence if proof.sentence not in texts()[proof.document]] == []
    assert len(evidence) >= 40


def test_a_pair_of_claims_differs_on_evidence_of_its_document() -> None:
    pairs = list(json_lines(GOLD / "claims-pairs.jsonl"))
    paths = {row["document"] for row in pairs}
    documents = {name: (ROOT / name).read_text(encoding="utf-8") for name in paths}
    assert [row for row in pairs if row["evidence"] not in documents[row["document"]]] == []
    claims = [row[side] for row in pairs for side in ("true", "false")]
    assert len(set(claims)) == len(claims) == 660


@pytest.mark.parametrize("name", [*SETS[:-1], "technical"])
def test_items_occur_in_the_evidence(name: str) -> None:
    for question in questions(name):
        text = "\n".join(evidence.sentence for evidence in question.evidence)
        for item in question.items if text else ():
            assert names(text, item) or any(wording in text for wording in item), question
        for wording in question.wordings if name == "household" else ():
            assert names(text, [wording]), question


@pytest.mark.parametrize("name", ["forms", "technical", "household"])
def test_every_form_and_enough_unanswerable_questions(name: str) -> None:
    gold = questions(name)
    assert len({question.text for question in gold}) == len(gold) >= 200
    forms = {"span", "overview", "catalogue"} if name == "household" else set()
    assert set(FORMS) - {question.form for question in gold} <= forms
    assert sum(not question.answers for question in gold) >= 15


def test_technical_questions_are_on_pages_of_the_corpus() -> None:
    documents = {e.document for question in questions("technical") for e in question.evidence}
    assert documents <= collections.digests().keys()


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_collection_has_its_forms_and_near_misses(name: str) -> None:
    gold = questions(f"collections/{name}")
    assert len(gold) >= 100
    assert len({question.form for question in gold}) >= 6
    assert 0.14 <= sum(not question.answers for question in gold) / len(gold) <= 0.25
    documents = {document for question in gold for document in question.relevant}
    assert all(document.startswith(f"{name}/") for document in documents)
    assert documents <= collections.digests().keys()


@functools.cache
def texts_of_halves() -> dict[str, dict[str, str]]:
    """The parsed texts of the documents of `composing.SETS`, by half and id."""
    return {
        half: {file.document_id: read(file).text for file in find([*folders])}
        for half, folders in composing.FOLDERS.items()
    }


@pytest.mark.parametrize("name", composing.SETS)
def test_questions_in_parts_have_their_evidence_in_the_documents_of_their_half(name: str) -> None:
    rows = list(json_lines(GOLD / f"{name}.jsonl"))
    assert len({row["question"] for row in rows}) == len(rows)
    for row in rows:
        documents = texts_of_halves()[row["half"]]
        sentences = [proof["sentence"] for proof in row["evidence"]]
        for proof in row["evidence"]:
            assert proof["sentence"] in " ".join(documents[proof["document"]].split()), row
        for item in row["items"]:
            assert any(wording in sentence for wording in item for sentence in sentences), row
    assert Counter(row["half"] for row in rows)["fit"] == len(rows) / 2


def test_claims_have_their_evidence_and_halves_share_no_file() -> None:
    claims = list(json_lines(GOLD / "claims-collections.jsonl"))
    assert all(all(claim.values()) for claim in claims)
    assert len({claim["claim"] for claim in claims}) == len(claims)
    labels = Counter((claim["half"], claim["label"]) for claim in claims)
    assert set(labels) == {(a, b) for a in ("fit", "report") for b in ("true", "false")}
    assert min(labels.values()) >= 100
    halves = {(c["collection"], c["file"], c["half"]) for c in claims}
    assert len(halves) == len({half[:2] for half in halves})
    # its licence forbids fitting
    assert {c["half"] for c in claims if c["collection"] == "dxw-playbook"} == {"report"}


def test_training_questions_have_a_form_and_a_place_exactly_if_they_are_answered() -> None:
    forms = {"span", *training.SENTENCES, "none"}
    for name in training.FILES:
        for row in training.rows(name):
            assert row["split"] in ("train", "held-out")
            if text := row.get("text"):
                assert hashlib.sha256(text.encode()).hexdigest()[:16] == row["sha256"]
            for form, question, *place in row["questions"]:
                assert form in forms, question
                assert bool(place) == (form not in ("maybe", "none")), question
                pairs = list(zip(place[::2], place[1::2], strict=True))
                assert all(0 <= start < end for start, end in pairs), question
                assert not text or all(end <= len(text) for _, end in pairs), question
                assert form not in ("list", "steps") or pairs == sorted(pairs), question


def test_answers_of_tables_are_whole_rows_or_whole_cells() -> None:
    for row in training.rows("tables"):
        for form, question, *place in row["questions"]:
            borders = ("\n", "") if form != "span" else ("\n", "", " ")
            for start, end in zip(place[::2], place[1::2], strict=True):
                assert row["text"][:start][-1:] in borders, question
                assert row["text"][end:][:1] in borders, question


def test_sets_are_written_in_the_formats_that_training_reads(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for folder in (data / "qa", data / "claims"):
        folder.mkdir(parents=True)
    (data / "qa/squad-train-parts.json.gz").write_bytes(gzip.compress(b'{"data": []}'))
    verdict_row = b'{"question": "q", "context": "c", "label": "yes", "set": "boolq-train"}\n'
    (data / "claims/yesno.jsonl.gz").write_bytes(gzip.compress(verdict_row))
    rules = [
        {"tree": tree, "question": "May I park here?", "situation": "I am a guest.", **about}
        for tree, about in (
            ("00000001", {"context": "Guests may park here.", "label": "yes"}),
            ("00000002", {"context": "Park here with a permit.", "label": "condition"}),
            ("00000003", {"context": "For reporting.", "label": "no"}),
        )
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rules)
    (data / "claims/conditions.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    invented = [row for row in training.rows() if "text" in row][:40]
    sets = {name: training.rows(name)[:40] for name in ("tables", "lists", "figures")}
    sets["own"] = list(training.with_texts(invented, data, tmp_path))
    training.write(sets, data, out)
    heads = ("spans", "sentences")
    for path in (out / f"qa/{name}-{head}.json.gz" for name in sets for head in heads):
        with open_text(path) as file:
            articles = json.load(file)["data"]
        for paragraph in (part for article in articles for part in article["paragraphs"]):
            for answer in (answer for qa in paragraph["qas"] for answer in qa["answers"]):
                assert paragraph["context"][answer["answer_start"] :].startswith(answer["text"])
    written = [row["set"] for row in json_lines(out / "claims/yesno.jsonl.gz")]
    assert written[0] == "boolq-train"
    assert set(written[1:]) == {*sets, "rules", "own-rules"}
    assert written.count("rules") == 2
    held_out = json.loads((out / "held-out.json").read_text())
    assert {row["sha256"] for row in held_out} <= {row["sha256"] for row in invented}


def test_passages_of_files_that_a_newer_package_lacks_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "qa").mkdir()
    (tmp_path / "qa/squad-train-parts.json.gz").write_bytes(gzip.compress(b'{"data": []}'))
    row = {"package": "mutt", "document": "usr/share/doc/mutt/gone.txt", "sha256": "0" * 16}
    assert list(training.with_texts([row], tmp_path, tmp_path / "packages")) == []


def flat(text: str) -> str:
    return " ".join(text.split())


def test_cells_of_invented_documents_quote_them_and_halves_share_no_document() -> None:
    cells = list(json_lines(GOLD / "cells.jsonl"))
    halves = {(cell["document"], cell["half"]) for cell in cells}
    assert len(halves) == len({document for document, _ in halves}) >= 200
    assert 0.4 <= sum(not cell["answers"] for cell in cells) / len(cells) <= 0.6
    for cell in (cell for cell in cells if cell["document"].startswith("cells/")):
        text = flat((GOLD / cell["document"]).read_text(encoding="utf-8"))
        assert flat(cell["evidence"]) in text, cell
        assert flat(cell["trap"]) in text, cell


def test_figures_are_in_the_report_that_they_name() -> None:
    for name in ("figures", "figures-held-out"):
        gold = questions(name)
        assert len(gold) >= 500
        assert 0.2 <= sum(not question.answers for question in gold) / len(gold) <= 0.4
    rows = list(json_lines(GOLD / "figures-cells.jsonl"))
    for row in (row for row in rows if (GOLD / "figures" / row["document"]).is_file()):
        text = (GOLD / "figures" / row["document"]).read_text(encoding="utf-8")
        for cell in row.get("cells", ()):
            number = cell["value"].strip("$()% ")
            assert number in text, cell


def test_pairs_of_documents_have_the_values_that_they_are_about() -> None:
    rows = list(json_lines(GOLD / "conflicts.jsonl"))
    assert Counter(row["conflict"] for row in rows) == {True: 60, False: 60}
    for row in rows:
        for side, value in zip(("a", "b"), row["values"], strict=True):
            assert value in row[side]["text"], row["id"]


def test_the_shelf_names_its_documents() -> None:
    present = {path.name for path in (GOLD / "shelf").iterdir()}
    for row in json_lines(GOLD / "shelf.jsonl"):
        assert {*row["documents"], *row["silent"]} <= present, row["id"]
