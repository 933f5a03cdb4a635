"""Batches of a training stage, deterministic for a seed and resumable at any step."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rag.errors import InputError
from rag.ingestion.chunking import TokenCounter
from rag.models.qa_heads import Window, batches, windows_of
from rag.training.data import Group, Set, groups, question_set
from rag.training.verdicts import Label, Statement

_POOL = 2048


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A window of a batch: its group's number, its passage's text, and the answers to find in it.
    `spans` says whether the span head learns from it, and `whole` whether its answer is a whole
    passage.
    """

    group: int
    window: Window
    text: str
    answers: tuple[str, ...]
    spans: bool
    whole: bool = False


@dataclass(frozen=True, slots=True)
class VerdictItem:
    """A statement's window, and its label."""

    window: Window
    label: Label


ReaderBatch = list[BatchItem] | list[VerdictItem]


def token_counter(tokenizer: Any) -> TokenCounter:
    def count(texts: Sequence[str]) -> list[int]:
        encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False) if texts else {}
        return [len(ids) for ids in encoded.get("input_ids", ())]

    return count


def examples(
    sets: Sequence[Set],
    count: TokenCounter,
    max_tokens: int,
    rng: random.Random,
    retrieved: Sequence[Group] = (),
) -> list[Group]:
    """The questions of all sets and the `retrieved` groups, shuffled. Raises InputError without
    any.
    """
    drawn = list(retrieved)
    for source in sets:
        questions = question_set(source.articles, count, source.mix.tokens or max_tokens)
        drawn += groups(questions, source.mix, rng)
    if not drawn:
        message = f"{', '.join(s.name for s in sets)}: no questions are left for training"
        raise InputError(message, "hold out less (dev_articles), or give more questions")
    rng.shuffle(drawn)
    return drawn


def stream(
    groups_in_order: Sequence[Group], tokenizer: Any, batch_tokens: int, rng: random.Random
) -> Iterator[list[BatchItem]]:
    """Endless batches of groups of similar length, each within the token budget."""
    while True:
        for batch in epoch_batches(groups_in_order, batch_tokens, rng):
            yield [
                BatchItem(
                    group=number,
                    window=window,
                    text=passage.text,
                    answers=group.answers,
                    spans=group.spans,
                    whole=group.whole,
                )
                for number, group in enumerate(batch)
                for passage in group.passages
                for window in _windows(tokenizer, group.question, passage.context, passage.text)
            ]


def _windows(tokenizer: Any, question: str, context: str, text: str) -> list[Window]:
    return windows_of(tokenizer, question, [(context, text)])[0]


def epoch_batches(
    groups_in_order: Sequence[Group], batch_tokens: int, rng: random.Random
) -> Iterator[list[Group]]:
    """Batches of one epoch."""

    def tokens(group: Group) -> int:
        """Estimates four characters per token."""
        most_characters = max(
            len(passage.text) + len(passage.context) for passage in group.passages
        )
        return (most_characters + len(group.question)) // 4 + 8

    for start in range(0, len(groups_in_order), _POOL):
        pool = groups_in_order[start : start + _POOL]
        shuffled = list(batches(pool, tokens, batch_tokens, lambda group: len(group.passages)))
        rng.shuffle(shuffled)
        yield from shuffled


def verdict_stream(
    statements: Sequence[Statement], tokenizer: Any, batch_tokens: int, rng: random.Random
) -> Iterator[list[VerdictItem]]:
    """`stream` for statements with their texts; text that does not fit into a window is cut off."""
    pool = list(statements)
    while True:
        rng.shuffle(pool)
        for start in range(0, len(pool), _POOL):
            items = [
                VerdictItem(_windows(tokenizer, s.text, s.title, s.evidence)[0], s.label)
                for s in pool[start : start + _POOL]
            ]
            shuffled = list(batches(items, lambda item: item.window.tokens, batch_tokens))
            rng.shuffle(shuffled)
            yield from shuffled
