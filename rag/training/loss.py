"""The reader's objectives, one per head.

Spans of competing passages and "no answer" share one normalisation.

Every token's score is taken against its window's first token, the null. All scored tokens of a
group's windows and one null of score 0 then share a softmax (shared normalisation: Clark & Gardner
2018, "Simple and effective multi-paragraph reading comprehension"), and every occurrence of an
answer counts as right (marginal likelihood). So `start + end - null` is trained to be what it is
used for: a log-odds that compares across passages.

A teacher's outputs may be targets too (knowledge distillation: Hinton et al. 2015). The teacher may
use another tokenizer: its probabilities are mapped to the student's tokens and to sentences by
their offsets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from rag.meaning.sentences import Offsets, split_sentences
from rag.models.qa_heads import Encoded, Head, HeadOutput, Window, again, places
from rag.training.verdicts import Label

Mask = NDArray[np.bool_]
SentenceTargets = Callable[[int, Offsets], float | None]


def targets(
    encoded: Encoded, texts: Sequence[str], answers: Sequence[tuple[str, ...]]
) -> tuple[Mask, Mask]:
    """Two (n, t) masks: tokens that start, and that end, an answer in their passage."""
    is_start, is_end = np.zeros_like(encoded.scored), np.zeros_like(encoded.scored)
    for row, (text, accepted) in enumerate(zip(texts, answers, strict=True)):
        scored, starts, ends = encoded.scored[row], encoded.starts[row], encoded.ends[row]
        for start, end in _occurrences(text, accepted):
            opens = scored & (starts <= start) & (ends > start)
            closes = scored & (starts < end) & (ends >= end)
            if opens.any() and closes.any():
                is_start[row, opens.argmax()] = is_end[row, closes.argmax()] = True
    return is_start, is_end


def _occurrences(text: str, answers: Sequence[str], limit: int = 5) -> list[Offsets]:
    """Places of the answers as whole words, at most `limit` for each on average."""
    occurrences: list[Offsets] = []
    for answer in answers:
        word_start = r"(?<![^\W_])" if answer[:1].isalnum() else ""
        word_end = r"(?![^\W_])" if answer[-1:].isalnum() else ""
        matches = re.finditer(f"(?=({word_start}{re.escape(answer)}{word_end}))", text)
        remaining = limit * len(answers) - len(occurrences)
        occurrences += [match.span(1) for match in islice(matches, remaining)]
    return occurrences


def sentence_loss(
    logits: Tensor,
    encoded: Encoded,
    texts: Sequence[str],
    answers: Sequence[tuple[str, ...]],
    taught: SentenceTargets | None = None,
    share: float = 0.0,
) -> Tensor:
    """Mean over windows of the sentences' binary cross-entropy; a sentence's logit is the mean of
    its tokens' `logits`, shape (n, t).

    Positive are the sentences that contain an answer; several answers, such as rows of a table, are
    all positive. If one occurs in several places, the most likely one is the target and the others
    are ignored. The losses of a window's sentences are summed, but weigh at most as much as three.
    `taught` gives a teacher's probability for a row and the place of a sentence in its text; it has
    `share` of the loss.
    """
    losses = []
    entropy = partial(binary_cross_entropy_with_logits, reduction="sum")
    for row, (text, accepted) in enumerate(zip(texts, answers, strict=True)):
        masks = _sentence_masks(encoded, row, text)
        if not masks:
            continue
        sentence_logits = torch.stack(
            [logits[row][torch.from_numpy(mask)].mean() for mask in masks.values()]
        )
        aim, weight = _right_sentences(sentence_logits, list(masks), text, accepted)
        loss = entropy(sentence_logits, aim, weight)
        if taught is not None:
            shares = [taught(row, place) for place in masks]
            aims = torch.tensor([probability or 0.0 for probability in shares])
            counts = torch.tensor([float(probability is not None) for probability in shares])
            loss = (1 - share) * loss + share * entropy(sentence_logits, aims, counts)
        losses.append(loss / min(3, len(sentence_logits)))
    return torch.stack(losses).mean() if losses else logits.new_zeros(())


def sentence_group_loss(
    logits: Tensor,
    encoded: Encoded,
    texts: Sequence[str],
    answers: Sequence[tuple[str, ...]],
    groups: Sequence[int],
) -> Tensor:
    """Mean over questions of -log P(a sentence of the answer), or of -log P(null) for a question
    without an answer.

    The sentences of all windows of a question compete in one softmax with a null of logit 0
    (listwise, as in Cao et al. 2007), as they do when the reader is used. `groups`: each window's
    question; other arguments as in `sentence_loss`.
    """
    scores: dict[int, list[Tensor]] = {group: [] for group in groups}
    answer_scores: dict[int, list[Tensor]] = {group: [] for group in groups}

    for row, (text, accepted, group) in enumerate(zip(texts, answers, groups, strict=True)):
        answering = _occurrences(text, accepted)

        for (start, end), mask in _sentence_masks(encoded, row, text).items():
            score = logits[row][torch.from_numpy(mask)].mean()
            scores[group].append(score)
            if any(
                start < answer_end and end > answer_start for answer_start, answer_end in answering
            ):
                answer_scores[group].append(score)

    losses = []
    for group, group_scores in scores.items():
        null = logits.new_zeros(())
        everything = torch.stack([null, *group_scores]).logsumexp(0)
        answer = torch.stack(answer_scores[group]).logsumexp(0) if answer_scores[group] else null
        losses.append(everything - answer)
    return torch.stack(losses).mean()


def _sentence_masks(encoded: Encoded, row: int, text: str) -> dict[Offsets, Mask]:
    """The tokens, shape (t,), of each sentence that has any in this window."""
    starts, ends, scored = encoded.starts[row], encoded.ends[row], encoded.scored[row]
    masks = {
        (start, end): scored & (starts < end) & (ends > start)
        for start, end in split_sentences(text)
    }
    return {place: mask for place, mask in masks.items() if mask.any()}


def _right_sentences(
    logits: Tensor, sentences: Sequence[Offsets], text: str, answers: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """(targets, weights) of the sentences, shape (s,)."""
    aims, weights = torch.zeros_like(logits), torch.ones_like(logits)
    by_answer = []
    for answer in answers:
        places = [
            [n for n, (a, b) in enumerate(sentences) if a < end and b > start]
            for start, end in _occurrences(text, [answer])
        ]
        by_answer.append([place for place in places if place])
        for place in by_answer[-1]:
            weights[place] = 0
    for places in filter(None, by_answer):
        likeliest_place = max(places, key=lambda place: float(logits[place].detach().mean()))
        aims[likeliest_place] = weights[likeliest_place] = 1
    return aims, weights


def verdict_loss(
    logits: Tensor, labels: Tensor, taught: Tensor | None = None, share: float = 0.0
) -> Tensor:
    """Mean of -log P(label); `logits` (n, 4), `labels` (n,) as in `rag.training.verdicts.Label`.

    `taught`, shape (n, 3) or (n, 4), are a teacher's probabilities; the cross-entropy to them has
    `share` of the loss. A teacher of three outputs knows nothing of conditions.
    """
    shares = log_softmax(logits, -1)
    not_yes = shares[:, Label.NO :].logsumexp(-1)
    labelled = shares.gather(1, labels.clamp(max=Label.DEPENDS)[:, None])[:, 0]
    loss = -torch.where(labels == Label.NOT_YES, not_yes, labelled).mean()
    if taught is None:
        return loss
    known = shares[:, : taught.shape[1]]
    return (1 - share) * loss - share * (taught * known).sum(-1).mean()


def group_loss(scores: Tensor, scored: Tensor, is_answer: Tensor, group: Tensor) -> Tensor:
    """Mean over groups of -log P(right), or of -log P(null) for a group without an answer.

    `scores`, `scored`, `is_answer`: (n, t); `group`: (n,), the windows' group numbers 0..g-1.
    """
    losses = []
    for rows, relative, everything in _normalised(scores, scored, group):
        hits = relative[is_answer[rows]]
        losses.append(everything - hits.logsumexp(0) if hits.numel() else everything)
    return torch.stack(losses).mean()


def distillation_loss(scores: Tensor, scored: Tensor, shares: Tensor, group: Tensor) -> Tensor:
    """Mean over groups of the cross-entropy to the teacher's probabilities `shares`, (n, t), of
    each token; the null has the rest to 1. Other arguments as in `group_loss`.
    """
    losses = []
    for rows, relative, everything in _normalised(scores, scored, group):
        losses.append(everything - (shares[rows] * relative.masked_fill(~scored[rows], 0.0)).sum())
    return torch.stack(losses).mean()


def _normalised(
    scores: Tensor, scored: Tensor, group: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """By group: rows (n,), scores relative to the null (r, t), and log of the normaliser."""
    relative = (scores - scores[:, :1]).masked_fill(~scored, -torch.inf)
    for number in range(int(group.max()) + 1):
        rows = group == number
        group_scores = relative[rows]
        yield (
            rows,
            group_scores,
            torch.cat([group_scores.new_zeros(1), group_scores.flatten()]).logsumexp(0),
        )


Shares = NDArray[np.float32]


class TeacherOutput(NamedTuple):
    """The teacher's logits for a window, and its own tokens as `places` gives them, each (t,)."""

    logits: HeadOutput
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    scored: Mask


def teacher_outputs(head: Head, batch: Sequence[Window]) -> list[TeacherOutput]:
    """The teacher's output for each window of a batch."""
    windows = [again(head.tokenizer, window) for window in batch]
    outputs = zip(head.outputs(windows), windows, strict=True)
    return [TeacherOutput(logits, *places(window)) for logits, window in outputs]


def span_targets(
    outputs: Sequence[TeacherOutput], encoded: Encoded, groups: Sequence[int]
) -> tuple[Shares, Shares]:
    """The teacher's probability of each token to be an answer's first, and its last: two (n, t)
    arrays.

    The windows of a group share one normalisation with its null, as in `rag.training.loss`; the
    null's probability is the rest to 1. A teacher's token may include the space before it: its
    probability as first goes to the first token that ends after its start, as last to the last one
    that starts before its end.
    """
    start_shares, end_shares = np.zeros((2, *encoded.scored.shape), np.float32)
    for group in set(groups):
        rows = [row for row, number in enumerate(groups) if number == group]
        group_outputs = [outputs[row] for row in rows]
        opens = _shared([(output.logits.first, output.scored) for output in group_outputs])
        closes = _shared([(output.logits.last, output.scored) for output in group_outputs])
        for row, output, opening, closing in zip(rows, group_outputs, opens, closes, strict=True):
            tokens, scored = np.flatnonzero(encoded.scored[row]), output.scored
            if len(tokens):
                begin = np.searchsorted(encoded.ends[row, tokens], output.starts[scored], "right")
                end = np.searchsorted(encoded.starts[row, tokens], output.ends[scored], "left") - 1
                np.add.at(start_shares[row], tokens[begin.clip(max=len(tokens) - 1)], opening)
                np.add.at(end_shares[row], tokens[end.clip(0)], closing)
    return start_shares, end_shares


def sentence_target(output: TeacherOutput, place: Offsets) -> float | None:
    """The teacher's probability that the sentence at `place` belongs to the answer; None if it has
    no head for sentences, or no token there.
    """
    tokens = output.scored & (output.starts < place[1]) & (output.ends > place[0])
    if output.logits.sentence is None or not tokens.any():
        return None
    return float(expit(output.logits.sentence[: len(tokens)][tokens].mean()))


def verdict_targets(outputs: Sequence[TeacherOutput]) -> Shares | None:
    """The teacher's probabilities of its verdicts, shape (n, 3) or (n, 4); None if it has no such
    head.
    """
    logits = [output.logits.verdict for output in outputs if output.logits.verdict is not None]
    if len(logits) < len(outputs):
        return None
    return np.asarray(softmax(np.stack(logits), axis=1), np.float32)


def _shared(scores: Sequence[tuple[NDArray[np.float32], Mask]]) -> list[Shares]:
    """Probabilities of the scored tokens of windows, which share one null, as in the loss."""
    relative = [logits[: len(scored)][scored] - logits[0] for logits, scored in scores]
    highest = max(0.0, *(float(logits.max(initial=0.0)) for logits in relative))
    total = np.exp(-highest) + sum(float(np.exp(logits - highest).sum()) for logits in relative)
    return [np.exp(logits - highest) / total for logits in relative]
