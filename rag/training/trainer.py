"""The steps of a training run and their checkpoint. A killed run resumes with the same result."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from rag.errors import InputError
from rag.files import sha256_file
from rag.models.registry import DIGEST, WEIGHTS

CHECKPOINT_EVERY = 100
OTHER_START = "start from another with --init"
B = TypeVar("B")


class Steps:
    """A model, its optimizer, and the number of steps taken."""

    def __init__(
        self,
        model: Any,
        weight_decay: float,
        folder: Path,
        parts: list[str],
        rates: dict[str, float],
    ) -> None:
        """Resumes from the checkpoint beside `folder` if it exists. `parts` are everything that
        determines the run, and `rates` multiples of the learning rate for some modules, by
        name. Raises InputError for the checkpoint of another run.
        """
        self._model = model.train()
        self._out = folder
        self._optimizer = _optimizer(model, weight_decay, rates)
        self._checkpoint = folder.with_name(folder.name + ".checkpoint.pt")
        self._mark = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        self.taken = 0
        if self._checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, weights_only=True)
        if state.get("mark") != self._mark:
            message = f"{self._checkpoint} is from a run with another recipe or other data"
            raise InputError(message, "remove it to start over, or choose another --out")

        self.taken = state["step"]
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])

    def take(
        self, plan: Iterator[tuple[float, B]], total: int, loss: Callable[[B], Tensor]
    ) -> None:
        """Take a step for each (learning rate, batch) of `plan`; `total` includes earlier steps."""
        average = 0.0
        with tqdm(total=total, initial=self.taken, unit="step", mininterval=5) as progress:
            for rate, batch in plan:
                step_loss = self._step(rate, loss, batch)
                average = 0.98 * average + 0.02 * step_loss if average else step_loss
                self.taken += 1
                progress.update()
                progress.set_postfix(loss=f"{average:.3f}", rate=f"{rate:.1e}")
                if self.taken % CHECKPOINT_EVERY == 0:
                    self._save()

    def _step(self, rate: float, loss: Callable[[B], Tensor], batch: B) -> float:
        """Take one step; the loss before it."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        value = loss(batch)
        self._optimizer.zero_grad()
        torch.autograd.backward(value)
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        return float(value.detach())

    def finish(self) -> None:
        """Write the digest of the weights, which is checked at load; remove the checkpoint."""
        (self._out / DIGEST).write_text(sha256_file(self._out / WEIGHTS) + "\n")
        self._checkpoint.unlink(missing_ok=True)

    def _save(self) -> None:
        state = {
            "step": self.taken,
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "mark": self._mark,
        }
        partial = self._checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._checkpoint)


def _optimizer(model: Any, weight_decay: float, rates: dict[str, float]) -> torch.optim.AdamW:
    """AdamW over the parameters that are trained, in groups of the same multiple of the rate."""
    groups: dict[float, list[Tensor]] = {1.0: []}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        module = name.partition(".")[0]
        scale = rates.get(module, 1.0)
        groups.setdefault(scale, []).append(parameter)

    by_scale = [{"params": trained, "scale": scale} for scale, trained in groups.items()]
    return torch.optim.AdamW(
        by_scale,
        lr=0.0,
        weight_decay=weight_decay,
        fused=True,
    )


def prepare_folder(target: Path) -> Path:
    """Create the folder and return its absolute path, which cannot be mistaken for a shipped
    model's name. Fails before training: InputError for a file, OSError for a folder that cannot be
    created or written.
    """
    target = target.resolve()
    if target.exists() and not target.is_dir():
        raise InputError(f"--out {target} is a file", "name a folder")
    target.mkdir(parents=True, exist_ok=True)
    for folder in (target, target.parent):
        with tempfile.TemporaryFile(dir=folder):
            pass
    return target


def not_its_start(folder: Path, *paths: str) -> None:
    """Raises InputError if `folder` is one of the folders that the run reads."""
    if folder in {Path(path).resolve() for path in paths}:
        message = f"--out {folder} is what the run starts from or averages with"
        raise InputError(f"{message}, and would be overwritten", "choose another folder")


def mean(
    weights_before: dict[str, Tensor], weights_after: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Weighted average in fp16, with `share` in [0, 1] of `weights_after`; better than either if
    both are good (Wortsman et al. 2022, "Model soups"). Weights that only `weights_after` has, such
    as a head's, stay unchanged.
    """
    means = {}
    for name, value in weights_after.items():
        weights = value
        if name in weights_before:
            weights = (1 - share) * weights_before[name].float() + share * value.float()
        means[name] = weights.half()
    return means
