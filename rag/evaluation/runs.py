"""Asks an engine the questions of a gold set, saves each row as it is made, and records in which
environment: the commit, the index, the models, the machine.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rag import __version__
from rag.engine import Engine
from rag.errors import InputError, RagError
from rag.evaluation.evaluator import Evaluator, with_all_candidates
from rag.evaluation.gold import Gold, sample
from rag.evaluation.records import Partial
from rag.evaluation.result import Result
from rag.files import sha256_file
from rag.models.registry import WEIGHTS, calibration_path, embedder_path, reader_path
from rag.models.threads import available_cores
from rag.query import check_question
from rag.retrieval import Retriever
from rag.settings import Settings

_PROJECT = Path(__file__).parents[2]
_SETTINGS = ("embedder reader passage_tokens first_stage_k top_k threshold calibration").split()
"""Settings that affect answers."""


def commit() -> str:
    """The running code's commit, with a "+" if it was modified; the version without git."""
    if not (_PROJECT / ".git").exists():
        return __version__
    name = _git("rev-parse", "--short=10", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "rag")
    if not name:
        return __version__
    return f"{name}+" if changed else name


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_PROJECT), *arguments]
    with suppress(OSError, subprocess.SubprocessError):
        output = subprocess.check_output(command, text=True, timeout=20, stderr=subprocess.DEVNULL)
        return output.strip()
    return ""


def of_index(asked: Engine | Retriever) -> dict[str, Any]:
    """Settings, index and models."""
    settings = {name: str(getattr(asked.settings, name)) for name in _SETTINGS}
    stats = asked.store.stats()
    documents = [(document.id, document.sha256) for document in asked.store.documents()]
    index = {
        "documents": stats.documents,
        "passages": stats.passages,
        "embedder": stats.embedder,
        "sha256": _sha256(sorted(documents)),
    }
    return {"settings": settings, "index": index, "models": _models(asked.settings)}


def _models(settings: Settings) -> dict[str, str]:
    """Digests of local models; models from the hub are left out."""
    digests = {}
    for name, path in (("embedder", embedder_path), ("reader", reader_path)):
        with suppress(RagError, OSError):
            folder, is_local = path(getattr(settings, name))
            if is_local:
                digests[name] = sha256_file(Path(folder) / WEIGHTS)
    with suppress(OSError):
        calibration = calibration_path(settings.calibration, settings.reader)
        digests["calibration"] = sha256_file(calibration)
    return digests


def _sha256(values: Iterable[Any]) -> str:
    total = hashlib.sha256()
    for value in values:
        total.update(json.dumps(value, default=str, sort_keys=True).encode())
    return total.hexdigest()


def run(gold: Gold, asked: Engine | Retriever, folder: Path, limit: int | None = None) -> Result:
    """Ask at most `limit` questions of the set. Resumes from the rows of an interrupted run in
    `folder`.

    Raises as `Engine.ask` does, and InputError if `folder` cannot be written.
    """
    questions = sample(gold.questions, limit)
    for question in questions:  # invalid ones are reported before the first is asked
        try:
            check_question(question.text, asked.settings.max_question)
        except InputError as error:
            raise InputError(f"gold question {question.id}: {error.message}", error.hint) from error

    revision = commit()
    facts = {
        "gold": _sha256(dataclasses.astuple(question) for question in questions),
        "commit": revision,
        **of_index(asked),
    }
    partial = Partial(folder / f"{gold.name}-{revision}.partial.jsonl", _sha256([facts]))
    if isinstance(asked, Engine):
        asked = with_all_candidates(asked)
    evaluator = Evaluator(asked)

    remaining = [question for question in questions if question.id not in partial.rows]
    done = len(questions) - len(remaining)
    with tqdm(total=len(questions), initial=done, unit="question", disable=None) as progress:
        for question in remaining:
            partial.add(evaluator.examine(question))
            progress.update()

    made = datetime.datetime.now(datetime.UTC)
    facts = {
        "name": gold.name,
        "made": made.isoformat(timespec="seconds"),
        "limit": limit,
        **facts,
        "machine": _machine(),
    }
    result = Result.of(facts, [partial.rows[question.id] for question in questions])
    partial.remove()
    return result


def _machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": str(available_cores()),
    }
