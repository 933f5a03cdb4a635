"""Helpers for tests of training runs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from rag.training import trainer as steps


def write_set(folder: Path, articles: list[dict[str, Any]]) -> None:
    """Write the set "towns" to a recipe's folder."""
    with gzip.open(folder / "towns.json.gz", "wt") as file:
        json.dump({"data": articles}, file)


def write_statements(folder: Path) -> None:
    """Write the sets "boolq" and "fever" to a recipe's folder."""
    questions = [
        {
            "set": "boolq",
            "question": f"is town {n} old",
            "context": f"Town {n} is {kind}.",
            "label": label,
            "title": f"T{n}",
        }
        for n in range(8)
        for kind, label in (("old", "yes"), ("new", "no"))
    ]
    claims = [
        {
            "set": "fever",
            "claim": f"Town {n} is large.",
            "evidence": f"Town {n} is {kind}.",
            "label": label,
        }
        for n in range(8)
        for kind, label in (("vast", "supported"), ("tiny", "refuted"), ("far", "not_enough"))
    ]
    for name, rows in (("yesno", questions), ("support", claims)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def die_at(step: int, trainer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the next run at this step; checkpoints are saved every two steps."""
    monkeypatch.setattr(steps, "CHECKPOINT_EVERY", 2)
    loss, seen = trainer._loss, []

    def dying(*arguments: Any) -> torch.Tensor:
        seen.append(1)
        if len(seen) == step:
            raise KeyboardInterrupt
        found: torch.Tensor = loss(*arguments)
        return found

    monkeypatch.setattr(trainer, "_loss", dying)
