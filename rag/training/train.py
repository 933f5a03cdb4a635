"""Train the reader by a recipe. Seeded; a run that was killed goes on from its checkpoint with the same result."""

from __future__ import annotations

import hashlib
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from rag.reading.precision import native_bf16
from rag.reading.windows import encode
from rag.training.batches import Item, examples, stream
from rag.training.loss import group_loss, targets
from rag.weights import start_path

CHECKPOINT_EVERY = 100


@dataclass(slots=True)
class Run:
    """The state of a run, all that a checkpoint holds."""

    model: Any
    tokenizer: Any
    optimizer: torch.optim.Optimizer
    step: int = 0


def load_recipe(path: Path | None = None) -> dict[str, Any]:
    """A recipe file, by default the shipped one."""
    return tomllib.loads((path or Path(__file__).with_name("recipe.toml")).read_text(encoding="utf-8"))


def train(recipe_file: Path | None, data: Path, out: Path) -> None:
    """Fine-tune by a recipe on its sets in `data`; weights, tokenizer and digest go to `out`, checkpoints beside it."""
    recipe = load_recipe(recipe_file)
    run = _start(recipe, data)
    checkpoint = out.with_suffix(".checkpoint.pt")
    _resume(run, checkpoint)
    _loop(run, recipe, data, checkpoint)
    save(run.model, run.tokenizer, out)
    checkpoint.unlink(missing_ok=True)


def _start(recipe: dict[str, Any], data: Path) -> Run:
    torch.manual_seed(recipe["seed"])
    init, local = start_path(recipe["init"], data)
    tokenizer = AutoTokenizer.from_pretrained(init, local_files_only=local)
    dropout = {"hidden_dropout_prob": recipe["dropout"], "attention_probs_dropout_prob": recipe["dropout"]}
    model = AutoModelForQuestionAnswering.from_pretrained(init, local_files_only=local, dtype=torch.float32, **dropout)
    for parameter in model.base_model.embeddings.parameters() if recipe["freeze_embeddings"] else ():
        parameter.requires_grad = False
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=recipe["weight_decay"], fused=True)
    return Run(model.train(), tokenizer, optimizer)


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """fp16 weights, tokenizer, and the digest that is checked at load."""
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    weights = out / "model.safetensors"
    (out / "model.sha256").write_text(hashlib.sha256(weights.read_bytes()).hexdigest() + "\n")


def plan(recipe: dict[str, Any], tokenizer: Any, data: Path, begun: int) -> Iterator[tuple[float, list[Item]]]:
    """(learning rate, batch) of every step from `begun` on."""
    first = 0
    for number, stage in enumerate(recipe["stage"]):
        steps = stage["steps"]
        if begun < first + steps:
            rng = random.Random(f"{recipe['seed']}/{number}")
            batches = stream(examples(recipe, stage, data, tokenizer, rng), tokenizer, recipe["batch_tokens"], rng)
            for at in range(steps):
                batch = next(batches)
                if first + at >= begun:
                    yield _rate(recipe, stage, first + at, at / steps), batch
        first += steps


def _rate(recipe: dict[str, Any], stage: dict[str, Any], step: int, share: float) -> float:
    rate: float = stage["from"] + (stage["to"] - stage["from"]) * share
    return rate * min(1.0, (step + 1) / max(1, recipe["warmup"]))


def _loop(run: Run, recipe: dict[str, Any], data: Path, checkpoint: Path) -> None:
    total = sum(stage["steps"] for stage in recipe["stage"])
    average = 0.0
    with tqdm(total=total, initial=run.step, unit="step", mininterval=5) as progress:
        for rate, batch in plan(recipe, run.tokenizer, data, run.step):
            for group in run.optimizer.param_groups:
                group["lr"] = rate
            loss = _step(run, batch)
            average = 0.98 * average + 0.02 * loss if average else loss
            run.step += 1
            progress.update()
            progress.set_postfix(loss=f"{average:.3f}", rate=f"{rate:.1e}")
            if run.step % CHECKPOINT_EVERY == 0:
                _save(run, checkpoint)


def _step(run: Run, batch: list[Item]) -> float:
    encoded = encode(run.tokenizer, [item[1] for item in batch])
    group = torch.tensor([item[0] for item in batch])
    first, last = targets(encoded, [item[2] for item in batch], [item[3] for item in batch])
    scored = torch.from_numpy(encoded.scored)
    starts, ends = _logits(run.model, encoded.inputs)
    loss = group_loss(starts, scored, torch.from_numpy(first), group) + group_loss(ends, scored, torch.from_numpy(last), group)
    run.optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    return float(loss.detach())


def _logits(model: Any, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        output = model(**{name: torch.as_tensor(value) for name, value in inputs.items()})
    return output.start_logits.float(), output.end_logits.float()


def _save(run: Run, path: Path) -> None:
    state = {"step": run.step, "model": run.model.state_dict(), "optimizer": run.optimizer.state_dict()}
    state["rng"] = torch.get_rng_state()
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _resume(run: Run, path: Path) -> None:
    if not path.exists():
        return
    state = torch.load(path, weights_only=True)
    run.step = state["step"]
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"])
