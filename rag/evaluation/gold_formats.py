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
    counts: Counter[str] = Counter()

    with reading(path, "SQuAD JSON", _HINT), open_text(path) as file:
        for article in json.load(file)["data"]:
            title = str(article.get("title") or "untitled").replace("_", " ")
            for paragraph in article["paragraphs"]:
                name = f"{title}/{counts[title]}"
                counts[title] += 1
                document = _document(name, paragraph["context"], title)
                documents.append(document)
                for qa in paragraph["qas"]:
                    question = _squad_question(qa, document, title)
                    questions.setdefault(question.id, question)

    if not questions:
        raise InputError(f"{path} contains no questions", _HINT)
    return Gold(
        name=path.name.split(".")[0],
        questions=tuple(questions.values()),
        documents=tuple(documents),
    )


def _squad_question(qa: Mapping[str, Any], document: Document, title: str) -> Question:
    answers = []
    if not qa.get("is_impossible"):
        answers = [answer for answer in qa.get("answers", ()) if normalize(answer["text"])]

    texts = [str(answer["text"]) for answer in answers]
    sentences = [_sentence(document, answer) for answer in answers]
    return Question(
        id=str(qa["id"]),
        text=str(qa["question"]).strip(),
        answers=tuple(dict.fromkeys(texts)),
        evidence=tuple(dict.fromkeys(sentences)),
        relevant={document.id: 1} if answers else {},
        group=title,
    )


def _sentence(document: Document, answer: Mapping[str, Any]) -> Evidence:
    """The sentence with the answer at the given offset, or else with its first occurrence."""
    text = str(answer["text"])
    start = int(answer.get("answer_start", -1))
    if not document.text.startswith(text, max(start, 0)):
        start = document.text.find(text)
    if start < 0:
        return Evidence(document.id, text)

    end = start + len(text)
    sentence_start, sentence_end = enclosing_sentence(document.text, start, end)
    sentence = document.text[sentence_start:sentence_end]
    return Evidence(document.id, sentence, sentence_start)


def beir(folder: Path) -> Gold:
    """BEIR, for retrieval only: `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv` (or
    `qrels.tsv`), each also as .gz.

    Raises NotFoundError for a missing file, InputError for another format.
    """
    with reading(folder, "a BEIR folder", _HINT):
        documents = []
        for row in json_lines(_existing_file(folder, "corpus.jsonl")):
            document = _document(
                str(row["_id"]),
                text=row["text"] or row["title"],
                title=row.get("title") or "",
            )
            documents.append(document)

        queries = {}
        for row in json_lines(_existing_file(folder, "queries.jsonl")):
            if row.get("split") != "train":
                queries[str(row["_id"])] = str(row["text"]).strip()

        grades = _beir_grades(
            _existing_file(folder, "qrels/test.tsv", "qrels/dev.tsv", "qrels.tsv")
        )

    questions = []
    for name, text in queries.items():
        if name in grades:
            questions.append(Question(name, text, relevant=grades[name], group=name))
    if not questions:
        raise InputError(f"{folder} has no query with a relevant document", _HINT)

    return Gold(
        name=folder.resolve().name,
        questions=tuple(questions),
        documents=tuple(document for document in documents if document.text.strip()),
        retrieval_only=True,
    )


def _beir_grades(path: Path) -> dict[str, dict[str, int]]:
    """Grades by query and document, without those judged irrelevant."""
    grades = defaultdict[str, dict[str, int]](dict)
    with open_text(path) as file:
        for row in csv.DictReader(file, delimiter="\t"):
            grade = int(row["score"])
            if grade > 0:
                grades[row["query-id"]][row["corpus-id"]] = grade
    return grades


def _document(name: str, text: str, title: str) -> Document:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Document(
        id=name,
        text=text,
        title=title,
        source=f"gold:{name}",
        sha256=digest,
    )


def _existing_file(folder: Path, *names: str) -> Path:
    """The first of these files that exists, plain or gzipped. Raises NotFoundError without one."""
    for name in names:
        for ending in ("", ".gz"):
            path = folder / f"{name}{ending}"
            if path.exists():
                return path
    raise NotFoundError(f"{folder} has no {names[0]} (nor {names[0]}.gz)", _HINT)
