"""Reads gold sets: JSON Lines, and SQuAD 1.1 and 2.0 and BEIR with their own documents."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag.errors import InputError, NotFoundError
from rag.evaluation.gold import Evidence, Gold, Question, read_jsonl
from rag.evaluation.set_files import json_lines, open_text, reading
from rag.evaluation.squad import normalize
from rag.meaning.sentences import enclosing_sentence
from rag.types import Document

_HINT = "give an unmodified set; eval/README.md lists the formats"


def load(path: Path) -> Gold:
    """Load a gold set: a BEIR folder, SQuAD 1.1 or 2.0 (.json, .json.gz), or JSON Lines (.jsonl).

    Raises NotFoundError if it does not exist, InputError for another or an invalid format.
    """
    hint = "name a .jsonl file, a SQuAD .json or .json.gz, or a BEIR folder"
    if not path.exists():
        raise NotFoundError(f"no gold set {path}", hint)
    if path.is_dir():
        return beir(path)
    if path.name.endswith((".json", ".json.gz")):
        return squad(path)
    if path.suffix == ".jsonl":
        return Gold(path.stem, tuple(read_jsonl(path)))
    raise InputError(f"gold set {path} has an unknown format", hint)


def squad(path: Path) -> Gold:
    """SQuAD: each context becomes a document, titled like its article; its id is the title and its
    number. The questions of an article form a group.

    Raises InputError for another format.
    """
    documents: list[Document] = []
    questions: dict[str, Question] = {}
    places: Counter[str] = Counter()
    with reading(path, "SQuAD JSON", _HINT), open_text(path) as file:
        for article in json.load(file)["data"]:
            title = str(article.get("title") or "untitled").replace("_", " ")
            for paragraph in article["paragraphs"]:
                document = _document(f"{title}/{places[title]}", paragraph["context"], title)
                places[title] += 1
                documents.append(document)
                for qa in paragraph["qas"]:
                    question = _squad_question(qa, document, title)
                    questions.setdefault(question.id, question)
    if not questions:
        raise InputError(f"{path} contains no questions", _HINT)
    return Gold(path.name.split(".")[0], tuple(questions.values()), tuple(documents))


def _squad_question(qa: Mapping[str, Any], document: Document, title: str) -> Question:
    given = () if qa.get("is_impossible") else qa.get("answers", ())
    answers = [answer for answer in given if normalize(answer["text"])]
    texts = tuple(dict.fromkeys(str(answer["text"]) for answer in answers))
    evidence = tuple(dict.fromkeys(_sentence(document, answer) for answer in answers))
    name, text, relevant = str(qa["id"]), str(qa["question"]).strip(), {document.id: 1}
    return Question(name, text, texts, evidence, relevant if answers else {}, title)


def _sentence(document: Document, answer: Mapping[str, Any]) -> Evidence:
    """The sentence with the answer at the given offset, or else with its first occurrence."""
    text = str(answer["text"])
    start = int(answer.get("answer_start", -1))
    if document.text[max(start, 0) : max(start, 0) + len(text)] != text:
        start = document.text.find(text)
    if start < 0:
        return Evidence(document.id, text)
    sentence_start, sentence_end = enclosing_sentence(document.text, start, start + len(text))
    return Evidence(document.id, document.text[sentence_start:sentence_end], sentence_start)


def beir(folder: Path) -> Gold:
    """BEIR, for retrieval only: `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv` (or
    `qrels.tsv`), each also as .gz.

    Raises NotFoundError for a missing file, InputError for another format.
    """
    grades = defaultdict[str, dict[str, int]](dict)
    """by query and document, without those judged irrelevant"""
    with reading(folder, "a BEIR folder", _HINT):
        documents = [
            _document(str(row["_id"]), row["text"] or row["title"], row.get("title") or "")
            for row in json_lines(_find(folder, "corpus.jsonl"))
        ]
        queries = {
            str(row["_id"]): str(row["text"]).strip()
            for row in json_lines(_find(folder, "queries.jsonl"))
            if row.get("split") != "train"
        }
        with open_text(_find(folder, "qrels/test.tsv", "qrels/dev.tsv", "qrels.tsv")) as file:
            for row in csv.DictReader(file, delimiter="\t"):
                if int(row["score"]) > 0:
                    grades[row["query-id"]][row["corpus-id"]] = int(row["score"])
    questions = tuple(
        Question(name, text, relevant=grades[name], group=name)
        for name, text in queries.items()
        if name in grades
    )
    if not questions:
        raise InputError(f"{folder} has no query with a relevant document", _HINT)
    with_text = tuple(document for document in documents if document.text.strip())
    return Gold(folder.resolve().name, questions, with_text, retrieval_only=True)


def _document(name: str, text: str, title: str) -> Document:
    return Document(name, text, title, f"gold:{name}", hashlib.sha256(text.encode()).hexdigest())


def _find(folder: Path, *names: str) -> Path:
    for path in (folder / f"{name}{ending}" for name in names for ending in ("", ".gz")):
        if path.exists():
            return path
    raise NotFoundError(f"{folder} has no {names[0]} (nor {names[0]}.gz)", _HINT)
