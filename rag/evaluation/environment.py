"""Records the environment of a result: code, settings, index, models and questions, with
digests.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rag import __version__
from rag.answering.searcher import Searcher
from rag.errors import RagError
from rag.evaluation.gold import Question
from rag.models.registry import calibration_path, embedder_path, reader_path
from rag.models.threads import available_cores
from rag.parsing.version import sha256_file
from rag.settings import Settings

_PROJECT = Path(__file__).parents[2]
_SETTINGS = (
    "embedder",
    "reader",
    "passage_tokens",
    "first_stage_k",
    "alpha",
    "top_k",
    "early_exit",
    "threshold",
    "calibration",
)
"""Settings that affect answers."""


def commit() -> str:
    """The commit of the running code, with a "+" if it was modified; the version if it is installed
    without git.
    """
    if not (_PROJECT / ".git").exists():
        return __version__
    name = _git("rev-parse", "--short=10", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "rag")
    return f"{name}{'+' if changed else ''}" if name else __version__


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(_PROJECT), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def of_questions(questions: Iterable[Question]) -> str:
    """Digest of the questions and accepted answers."""
    return _sha256(dataclasses.astuple(question) for question in questions)


def of_searcher(searcher: Searcher) -> dict[str, Any]:
    """Settings, index and models of a searcher."""
    settings = {name: str(getattr(searcher.settings, name)) for name in _SETTINGS}
    stats = searcher.store.stats()
    documents = sorted((document.id, document.sha256) for document in searcher.store.documents())
    index = {
        "documents": stats.documents,
        "passages": stats.passages,
        "embedder": stats.embedder,
        "sha256": _sha256(documents),
    }
    return {"settings": settings, "index": index, "models": _models(searcher.settings)}


def _models(settings: Settings) -> dict[str, str]:
    found = {
        "embedder": _weights(lambda: embedder_path(settings.embedder)),
        "reader": _weights(lambda: reader_path(settings.reader)),
        "calibration": _digest(calibration_path(settings.calibration, settings.reader)),
    }
    return {name: value for name, value in found.items() if value}


def _weights(path: Callable[[], tuple[str, bool]]) -> str:
    """Digest of a local model's weights; "" for a model from the hub."""
    try:
        folder, local = path()
    except RagError:
        return ""
    return _digest(Path(folder) / "model.safetensors") if local else ""


def _digest(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return ""


def of_machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": str(available_cores()),
    }


def _sha256(values: Iterable[Any]) -> str:
    total = hashlib.sha256()
    for value in values:
        total.update(json.dumps(value, default=str, sort_keys=True).encode())
    return total.hexdigest()
