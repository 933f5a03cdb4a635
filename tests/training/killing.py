"""A training run that is killed on its way."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch

from rag.training import steps


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
