"""Sets of questions that other people wrote, as documents and gold rows.

CLAPNQ (Rosenthal et al. 2024): search queries with long answers, and the sentences that people
marked. CMU's Question-Answer dataset (Smith, Heilman & Hwa 2008): questions about whole articles,
half of them yes or no. They are in the folder `asked` beside the DATA of `eval.experiments.kept`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rag.evaluation.set_files import json_lines
from rag.parsing.load import load_data
from rag.types import Document

Row = dict[str, Any]
_PRONOUN = re.compile(
    r"\b(?:he|she|it|they|him|her|his|its|their|this|that|these)\b", re.IGNORECASE
)


def clapnq(data: Path) -> tuple[list[Document], list[Row]]:
    """Each passage is a document; the first annotator's sentences are the evidence."""
    documents, rows = [], []
    for number, row in enumerate(json_lines(data.parent / "asked/clapnq.jsonl.gz")):
        document = _text(f"clapnq/{number}", row["title"], row["passage"])
        documents.append(document)
        marked: list[str] = next((sentence for sentence in row["sentences"] if sentence), [])
        evidence = [{"document": document.id, "sentence": sentence} for sentence in marked]
        row = {"id": f"clapnq-{number}", "question": row["question"], "form": "sentences"}
        row |= {"group": document.id, "unanswerable": not evidence, "evidence": evidence}
        rows.append(row)
    return documents, rows


def cmu(data: Path) -> tuple[list[Document], list[Row]]:
    """Questions without pronouns, on whole articles; those with both verdicts are left out."""
    documents = {
        one["id"]: _text(f"cmu/{one['id']}", one["text"].split("\n")[0], one["text"])
        for one in json_lines(data.parent / "asked/cmu-documents.jsonl.gz")
    }
    rows = []
    for asked in json_lines(data.parent / "asked/cmu.jsonl.gz"):
        verdicts = {answer.strip(" .").lower() for answer in asked["answers"]}
        if _PRONOUN.search(asked["question"]) or verdicts >= {"yes", "no"}:
            continue
        row: Row = {"id": asked["id"], "question": asked["question"]}
        row["group"] = documents[asked["document"]].id
        polar = verdicts <= {"yes", "no"}
        form = {"form": "yes_no", "verdict": min(verdicts)} if polar else {"form": "span"}
        rows.append(row | form | ({} if polar else {"answers": asked["answers"]}))
    return list(documents.values()), rows


def _text(name: str, title: str, text: str) -> Document:
    (document,) = load_data(f"{name}.md", f"# {title}\n\n{text}".encode()).documents
    return document


PUBLIC = {"clapnq": clapnq, "cmu": cmu}
