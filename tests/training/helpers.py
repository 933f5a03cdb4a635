"""What runs of training are tested with."""

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
    """As the set "towns" in a recipe's folder."""
    with gzip.open(folder / "towns.json.gz", "wt") as file:
        json.dump({"data": articles}, file)


def die_at(step: int, trainer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run ends with KeyboardInterrupt at this step; checkpoints are made at every second one."""
    monkeypatch.setattr(steps, "CHECKPOINT_EVERY", 2)
    loss, seen = trainer._loss, []

    def dying(*arguments: Any) -> torch.Tensor:
        seen.append(1)
        if len(seen) == step:
            raise KeyboardInterrupt
        found: torch.Tensor = loss(*arguments)
        return found

    monkeypatch.setattr(trainer, "_loss", dying)
