"""Train the reader by a recipe. Seeded; a run that was killed goes on from its checkpoint with the same result."""

from __future__ import annotations

import hashlib
import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, get_linear_schedule_with_warmup

from rag.reading.windows import Window, encode, windows
from rag.training.data import Group, groups, question_set, read_squad
from rag.training.loss import group_loss, targets
from rag.weights import embedder_path

CHECKPOINT_EVERY = 200
Item = tuple[int, Window, str, tuple[str, ...]]
"""A window of a batch: its group's number, the window, its passage's text, the answers."""


@dataclass(slots=True)
class Run:
    """The state of a run, all that a checkpoint holds."""

    model: Any
    tokenizer: Any
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    step: int = 0


def load_recipe(path: Path | None = None) -> dict[str, Any]:
    """A recipe file, by default the shipped one."""
    return tomllib.loads((path or Path(__file__).with_name("recipe.toml")).read_text(encoding="utf-8"))


def split_articles(articles: Sequence[dict[str, Any]], held_out: int, seed: int) -> tuple[list[Any], list[Any]]:
    """(training, development) articles; the same for the same seed."""
    order = sorted(articles, key=lambda article: random.Random(f"{seed}{article['title']}").random())
    return order[held_out:], order[:held_out]


def train(recipe_file: Path | None, data: Path, out: Path) -> None:
    """Fine-tune by a recipe on its sets in `data`; weights, tokenizer and digest go to `out`, checkpoints beside it."""
    recipe = load_recipe(recipe_file)
    init, _ = embedder_path(recipe["init"])
    torch.manual_seed(recipe["seed"])
    tokenizer = AutoTokenizer.from_pretrained(init)
    model = AutoModelForQuestionAnswering.from_pretrained(init)
    batches = list(_batches(_examples(recipe, data, tokenizer), tokenizer, recipe))
    total = len(batches) * recipe["epochs"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"])
    schedule = get_linear_schedule_with_warmup(optimizer, int(total * recipe["warmup"]), total)
    run = Run(model, tokenizer, optimizer, schedule)
    checkpoint = out.with_suffix(".checkpoint.pt")
    _resume(run, checkpoint)
    _loop(run, batches, total, checkpoint)
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    weights = out / "model.safetensors"
    (out / "model.sha256").write_text(hashlib.sha256(weights.read_bytes()).hexdigest() + "\n")
    checkpoint.unlink(missing_ok=True)


def _examples(recipe: dict[str, Any], data: Path, tokenizer: Any) -> list[Group]:
    rng = random.Random(recipe["seed"])

    def count(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]]

    examples: list[Group] = []
    for name, mix in recipe["sets"].items():
        articles = read_squad(data / f"{name}.json.gz")
        if name == "squad-dev-36":
            articles, _ = split_articles(articles, recipe["dev_articles"], recipe["seed"])
        made = question_set(articles, count, recipe["max_passage_tokens"])
        examples += groups(made, mix["cap"], mix["negatives"], recipe["absent"], rng)
    rng.shuffle(examples)
    return examples


def _batches(examples: Sequence[Group], tokenizer: Any, recipe: dict[str, Any]) -> Iterator[list[Item]]:
    """Groups of similar length together, batches in random order, each within the token budget."""
    rng = random.Random(recipe["seed"])
    size = {id(g): max(len(p.text) + len(p.context) for p in g.passages) + len(g.question) for g in examples}
    for pool in _pools(examples, 2048):
        made, batch, used = [], list[Item](), 0
        for number, group in enumerate(sorted(pool, key=lambda g: size[id(g)])):
            items = _items(number, group, tokenizer)
            longest = size[id(group)] // 4 + 8
            if batch and (used + len(items)) * longest > recipe["batch_tokens"]:
                made.append(batch)
                batch, used = [], 0
            batch, used = batch + items, used + len(items)
        made.append(batch)
        rng.shuffle(made)
        yield from made


def _pools(examples: Sequence[Group], size: int) -> Iterator[Sequence[Group]]:
    for start in range(0, len(examples), size):
        yield examples[start : start + size]


def _items(number: int, group: Group, tokenizer: Any) -> list[Item]:
    return [
        (number, window, passage.text, group.answers)
        for passage in group.passages
        for window in windows(tokenizer, group.question, passage.context, passage.text)
    ]


def _loop(run: Run, batches: list[list[Item]], total: int, checkpoint: Path) -> None:
    run.model.train()
    average = 0.0
    with tqdm(total=total, initial=run.step, unit="step", mininterval=5) as progress:
        while run.step < total:
            loss = _step(run, batches[run.step % len(batches)])
            average = loss if not average else 0.98 * average + 0.02 * loss
            run.step += 1
            progress.update()
            progress.set_postfix(loss=f"{average:.3f}")
            if run.step % CHECKPOINT_EVERY == 0:
                _save(run, checkpoint)


def _step(run: Run, batch: list[Item]) -> float:
    numbers = {number: index for index, number in enumerate(dict.fromkeys(item[0] for item in batch))}
    encoded = encode(run.tokenizer, [item[1] for item in batch])
    group = torch.tensor([numbers[item[0]] for item in batch])
    first, last = targets(encoded, [item[2] for item in batch], [item[3] for item in batch])
    output = run.model(**{name: torch.as_tensor(value) for name, value in encoded.inputs.items()})
    scored = torch.from_numpy(encoded.scored)
    loss = group_loss(output.start_logits, scored, torch.from_numpy(first), group)
    loss = loss + group_loss(output.end_logits, scored, torch.from_numpy(last), group)
    run.optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.schedule.step()
    return float(loss.detach())


def _save(run: Run, path: Path) -> None:
    state = {
        "step": run.step,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "schedule": run.schedule.state_dict(),
        "rng": torch.get_rng_state(),
    }
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
    run.schedule.load_state_dict(state["schedule"])
    torch.set_rng_state(state["rng"])
