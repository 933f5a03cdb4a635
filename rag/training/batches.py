"""Batches of a training stage, deterministic for a seed and resumable at any step."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rag.errors import InputError
from rag.ingestion.chunking import TokenCounter
from rag.models.qa_heads import Window, windows
from rag.training.data import Group, Set, groups, question_set
from rag.training.verdicts import Label, Statement

_POOL = 2048


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A window of a batch: its group's number, its passage's text, and the answers to find in
    it.
    """

    group: int
    window: Window
    text: str
    answers: tuple[str, ...]
    spans: bool
    """whether the span head learns from it"""


@dataclass(frozen=True, slots=True)
class VerdictItem:
    """A statement's window, and its label."""

    window: Window
    label: Label


Batch = list[BatchItem] | list[VerdictItem]


def token_counter(tokenizer: Any) -> TokenCounter:
    def count(texts: Sequence[str]) -> list[int]:
        encoded = (
            tokenizer(list(texts), add_special_tokens=False, verbose=False)
            if texts
            else {"input_ids": []}
        )
        return [len(ids) for ids in encoded["input_ids"]]

    return count


def examples(
    sets: Sequence[Set], count: TokenCounter, max_tokens: int, rng: random.Random
) -> list[Group]:
    """The questions of all sets, shuffled. Raises InputError if there are none."""
    drawn: list[Group] = []
    for source in sets:
        drawn += groups(
            question_set(source.articles, count, source.mix.tokens or max_tokens), source.mix, rng
        )
    if not drawn:
        names = ", ".join(source.name for source in sets)
        raise InputError(
            f"{names}: no questions are left for training",
            "hold out less (dev_articles), or give more questions",
        )
    rng.shuffle(drawn)
    return drawn


def stream(
    groups_in_order: Sequence[Group], tokenizer: Any, batch_tokens: int, rng: random.Random
) -> Iterator[list[BatchItem]]:
    """Endless batches, epoch after epoch: groups of similar length together, each batch within the
    token budget.
    """
    while True:
        for batch in one_pass(groups_in_order, batch_tokens, rng):
            yield [
                item
                for number, group in enumerate(batch)
                for item in _items(number, group, tokenizer)
            ]


def verdict_stream(
    statements: Sequence[Statement], tokenizer: Any, batch_tokens: int, rng: random.Random
) -> Iterator[list[VerdictItem]]:
    """`stream` for statements with their texts; text that does not fit into a window is cut off."""
    pool = list(statements)
    while True:
        rng.shuffle(pool)
        for start in range(0, len(pool), _POOL):
            items = [
                _verdict_item(statement, tokenizer) for statement in pool[start : start + _POOL]
            ]
            batches = list(
                _filled(sorted(items, key=lambda item: item.window.tokens), batch_tokens)
            )
            rng.shuffle(batches)
            yield from batches


def _verdict_item(statement: Statement, tokenizer: Any) -> VerdictItem:
    return VerdictItem(
        windows(tokenizer, statement.text, statement.title, statement.evidence)[0], statement.label
    )


def _filled(items: Sequence[VerdictItem], batch_tokens: int) -> Iterator[list[VerdictItem]]:
    """Batches within the token budget; `items` are in ascending order of length."""
    batch = list[VerdictItem]()
    for item in items:
        if batch and (len(batch) + 1) * item.window.tokens > batch_tokens:
            yield batch
            batch = []
        batch.append(item)
    yield batch


def one_pass(
    examples: Sequence[Group], batch_tokens: int, rng: random.Random
) -> Iterator[list[Group]]:
    size = {
        id(g): max(len(p.text) + len(p.context) for p in g.passages) + len(g.question)
        for g in examples
    }
    for start in range(0, len(examples), _POOL):
        pool = sorted(examples[start : start + _POOL], key=lambda g: size[id(g)])
        batches = list(_packed(pool, size, batch_tokens))
        rng.shuffle(batches)
        yield from batches


def _packed(
    pool: Sequence[Group], size: dict[int, int], batch_tokens: int
) -> Iterator[list[Group]]:
    """Estimates four characters per token."""
    batch, used = list[Group](), 0
    for group in pool:
        longest = size[id(group)] // 4 + 8
        if batch and (used + len(group.passages)) * longest > batch_tokens:
            yield batch
            batch, used = [], 0
        batch, used = [*batch, group], used + len(group.passages)
    yield batch


def _items(number: int, group: Group, tokenizer: Any) -> list[BatchItem]:
    return [
        BatchItem(number, window, passage.text, group.answers, group.spans)
        for passage in group.passages
        for window in windows(tokenizer, group.question, passage.context, passage.text)
    ]
