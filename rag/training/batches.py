"""The stream of batches that a recipe describes: the same for the same seed, wherever it is entered."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rag.reading.windows import Window, windows
from rag.training.data import Group, Mix, groups, question_set, read_squad

Item = tuple[int, Window, str, tuple[str, ...]]
"""A window of a batch: its group's number, the window, its passage's text, the answers."""
_POOL = 2048


def split_articles(articles: Sequence[dict[str, Any]], held_out: int, seed: int) -> tuple[list[Any], list[Any]]:
    """(training, development) articles; the same for the same seed."""
    order = sorted(articles, key=lambda article: random.Random(f"{seed}{article['title']}").random())
    return order[held_out:], order[:held_out]


def examples(recipe: dict[str, Any], stage: dict[str, Any], data: Path, tokenizer: Any, rng: random.Random) -> list[Group]:
    """A stage's questions from all its sets, shuffled."""

    def count(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]]

    found: list[Group] = []
    for name, values in stage["sets"].items():
        mix = Mix(**values)
        articles = read_squad(data / f"{name}.json.gz")
        if name == "squad-dev-36":
            articles, _ = split_articles(articles, recipe["dev_articles"], recipe["seed"])
        made = question_set(articles, count, mix.tokens or recipe["max_passage_tokens"])
        found += groups(made, mix, rng)
    rng.shuffle(found)
    return found


def stream(made: Sequence[Group], tokenizer: Any, batch_tokens: int, rng: random.Random) -> Iterator[list[Item]]:
    """Batches without end, pass after pass: groups of similar length together, each batch within the token budget."""
    size = {id(g): max(len(p.text) + len(p.context) for p in g.passages) + len(g.question) for g in made}
    while True:
        for start in range(0, len(made), _POOL):
            pool = sorted(made[start : start + _POOL], key=lambda g: size[id(g)])
            batches = list(_packed(pool, size, batch_tokens))
            rng.shuffle(batches)
            for batch in batches:
                yield [item for number, group in enumerate(batch) for item in _items(number, group, tokenizer)]


def _packed(pool: Sequence[Group], size: dict[int, int], batch_tokens: int) -> Iterator[list[Group]]:
    """At four characters a token."""
    batch, used = list[Group](), 0
    for group in pool:
        longest = size[id(group)] // 4 + 8
        if batch and (used + len(group.passages)) * longest > batch_tokens:
            yield batch
            batch, used = [], 0
        batch, used = [*batch, group], used + len(group.passages)
    yield batch


def _items(number: int, group: Group, tokenizer: Any) -> list[Item]:
    return [
        (number, window, passage.text, group.answers)
        for passage in group.passages
        for window in windows(tokenizer, group.question, passage.context, passage.text)
    ]
