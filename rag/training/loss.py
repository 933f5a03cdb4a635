"""The reader's objectives, one per head.

Spans of competing passages and "no answer" share one normalisation.

Every token's score is taken against its window's first token, the null. All scored tokens of a
group's windows and one null of score 0 then share a softmax (shared normalisation: Clark & Gardner
2018, "Simple and effective multi-paragraph reading comprehension"). Every occurrence of an answer
counts as right (marginal likelihood). So `start + end - null` is trained to be what it is used for:
a log-odds that compares across passages.

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

TokenMask = NDArray[np.bool_]
SentenceTargets = Callable[[int, Offsets], float | None]


def targets(
    encoded: Encoded, texts: Sequence[str], answers: Sequence[tuple[str, ...]]
) -> tuple[TokenMask, TokenMask]:
    """Two (n, t) masks: tokens that start, and that end, an answer in their passage."""
    is_start = np.zeros_like(encoded.scored)
    is_end = np.zeros_like(encoded.scored)

    for row, (text, accepted) in enumerate(zip(texts, answers, strict=True)):
        scored = encoded.scored[row]
        starts = encoded.starts[row]
        ends = encoded.ends[row]
        for start, end in _occurrences(text, accepted):
            opens = scored & (starts <= start) & (ends > start)
            closes = scored & (starts < end) & (ends >= end)
            if not opens.any() or not closes.any():
                continue
            first_token = opens.argmax()
            last_token = closes.argmax()
            is_start[row, first_token] = True
            is_end[row, last_token] = True

    return is_start, is_end


def _occurrences(text: str, answers: Sequence[str], limit: int = 5) -> list[Offsets]:
    """Places of the answers as whole words, at most `limit` for each on average."""
    occurrences: list[Offsets] = []
    most_places = limit * len(answers)
    for answer in answers:
        word_start = r"(?<![^\W_])" if answer[:1].isalnum() else ""
        word_end = r"(?![^\W_])" if answer[-1:].isalnum() else ""
        words = re.escape(answer)
        pattern = f"(?=({word_start}{words}{word_end}))"  # a lookahead, since places may overlap

        remaining = most_places - len(occurrences)
        for match in islice(re.finditer(pattern, text), remaining):
            occurrences.append(match.span(1))
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

        means = [_mean_logit(logits[row], mask) for mask in masks.values()]
        sentence_logits = torch.stack(means)
        aims, weights = _right_sentences(sentence_logits, list(masks), text, accepted)
        loss = entropy(sentence_logits, aims, weights)

        if taught is not None:
            probabilities = [taught(row, place) for place in masks]
            aims, weights = _taught_sentences(probabilities)
            taught_loss = entropy(sentence_logits, aims, weights)
            loss = (1 - share) * loss + share * taught_loss

        losses.append(loss / min(3, len(sentence_logits)))

    if not losses:
        return logits.new_zeros(())
    return torch.stack(losses).mean()


def _mean_logit(logits: Tensor, mask: TokenMask) -> Tensor:
    """The mean of a window's logits, shape (t,), over the tokens of a sentence."""
    return logits[torch.from_numpy(mask)].mean()


def _taught_sentences(probabilities: Sequence[float | None]) -> tuple[Tensor, Tensor]:
    """(targets, weights) of the sentences, shape (s,). Those that the teacher does not know have no
    weight.
    """
    aims = []
    weights = []
    for probability in probabilities:
        aims.append(probability or 0.0)
        weights.append(float(probability is not None))
    return torch.tensor(aims), torch.tensor(weights)


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
        for sentence, mask in _sentence_masks(encoded, row, text).items():
            score = _mean_logit(logits[row], mask)
            scores[group].append(score)
            if any(_overlap(sentence, place) for place in answering):
                answer_scores[group].append(score)

    losses = []
    for group, group_scores in scores.items():
        null = logits.new_zeros(())
        everything = torch.stack([null, *group_scores]).logsumexp(0)
        answer = null
        if answer_scores[group]:
            answer = torch.stack(answer_scores[group]).logsumexp(0)
        losses.append(everything - answer)
    return torch.stack(losses).mean()


def _overlap(place: Offsets, other_place: Offsets) -> bool:
    start, end = place
    other_start, other_end = other_place
    return start < other_end and end > other_start


def _sentence_masks(encoded: Encoded, row: int, text: str) -> dict[Offsets, TokenMask]:
    """The tokens, shape (t,), of each sentence that has any in this window."""
    starts = encoded.starts[row]
    ends = encoded.ends[row]
    scored = encoded.scored[row]

    masks = {}
    for start, end in split_sentences(text):
        mask = scored & (starts < end) & (ends > start)
        if mask.any():
            masks[start, end] = mask
    return masks


def _right_sentences(
    logits: Tensor, sentences: Sequence[Offsets], text: str, answers: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """(targets, weights) of the sentences, shape (s,)."""
    aims = torch.zeros_like(logits)
    weights = torch.ones_like(logits)

    places_by_answer = []
    for answer in answers:
        places = _sentences_with(answer, sentences, text)
        places_by_answer.append(places)
        for place in places:
            weights[place] = 0

    # only after all weights are 0, so that one answer's place does not undo another's target
    for places in places_by_answer:
        if not places:
            continue
        likeliest_place = max(places, key=lambda place: float(logits[place].detach().mean()))
        aims[likeliest_place] = 1
        weights[likeliest_place] = 1
    return aims, weights


def _sentences_with(answer: str, sentences: Sequence[Offsets], text: str) -> list[list[int]]:
    """For each occurrence of the answer, the numbers of the sentences that have a part of it."""
    places = []
    for occurrence in _occurrences(text, [answer]):
        place = [
            number for number, sentence in enumerate(sentences) if _overlap(sentence, occurrence)
        ]
        if place:
            places.append(place)
    return places


def verdict_loss(
    logits: Tensor, labels: Tensor, taught: Tensor | None = None, share: float = 0.0
) -> Tensor:
    """Mean of -log P(label); `logits` (n, 4), `labels` (n,) as in `rag.training.verdicts.Label`.

    `taught`, shape (n, 3) or (n, 4), are a teacher's probabilities; the cross-entropy to them has
    `share` of the loss. A teacher of three outputs knows nothing of conditions.
    """
    shares = log_softmax(logits, -1)
    not_yes = shares[:, Label.NO :].logsumexp(-1)

    outputs = labels.clamp(max=Label.DEPENDS)[:, None]
    labelled = shares.gather(1, outputs)[:, 0]
    likelihoods = torch.where(labels == Label.NOT_YES, not_yes, labelled)
    loss = -likelihoods.mean()
    if taught is None:
        return loss

    taught_shares = shares[:, : taught.shape[1]]
    taught_likelihood = (taught * taught_shares).sum(-1).mean()
    return (1 - share) * loss - share * taught_likelihood


def group_loss(scores: Tensor, scored: Tensor, is_answer: Tensor, group: Tensor) -> Tensor:
    """Mean over groups of -log P(right), or of -log P(null) for a group without an answer.

    `scores`, `scored`, `is_answer`: (n, t); `group`: (n,), the windows' group numbers 0..g-1.
    """
    losses = []
    for rows, relative_scores, everything in _normalised(scores, scored, group):
        answer_scores = relative_scores[is_answer[rows]]
        loss = everything
        if answer_scores.numel():
            loss = everything - answer_scores.logsumexp(0)
        losses.append(loss)
    return torch.stack(losses).mean()


def distillation_loss(scores: Tensor, scored: Tensor, shares: Tensor, group: Tensor) -> Tensor:
    """Mean over groups of the cross-entropy to the teacher's probabilities `shares`, (n, t), of
    each token; the null has the rest to 1. Other arguments as in `group_loss`.
    """
    losses = []
    for rows, relative_scores, everything in _normalised(scores, scored, group):
        finite = relative_scores.masked_fill(~scored[rows], 0.0)
        taught = (shares[rows] * finite).sum()
        losses.append(everything - taught)
    return torch.stack(losses).mean()


def _normalised(
    scores: Tensor, scored: Tensor, group: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """By group: rows (n,), scores relative to the null (r, t), and log of the normaliser."""
    nulls = scores[:, :1]
    relative_scores = (scores - nulls).masked_fill(~scored, -torch.inf)
    for number in range(int(group.max()) + 1):
        rows = group == number
        group_scores = relative_scores[rows]
        null = group_scores.new_zeros(1)
        competing = torch.cat([null, group_scores.flatten()])
        yield rows, group_scores, competing.logsumexp(0)


Shares = NDArray[np.float32]


class TeacherOutput(NamedTuple):
    """The teacher's logits for a window, and its own tokens as `places` gives them, each (t,)."""

    logits: HeadOutput
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    scored: TokenMask


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
    start_shares = np.zeros(encoded.scored.shape, np.float32)
    end_shares = np.zeros(encoded.scored.shape, np.float32)

    for group in set(groups):
        rows = [row for row, number in enumerate(groups) if number == group]
        firsts = []
        lasts = []
        for row in rows:
            output = outputs[row]
            firsts.append((output.logits.first, output.scored))
            lasts.append((output.logits.last, output.scored))

        for row, opening, closing in zip(
            rows, _shared_probabilities(firsts), _shared_probabilities(lasts), strict=True
        ):
            tokens = np.flatnonzero(encoded.scored[row])
            if not len(tokens):
                continue
            output = outputs[row]

            teacher_starts = output.starts[output.scored]
            token_ends = encoded.ends[row, tokens]
            place = np.searchsorted(token_ends, teacher_starts, "right")
            place = place.clip(max=len(tokens) - 1)
            np.add.at(start_shares[row], tokens[place], opening)

            teacher_ends = output.ends[output.scored]
            token_starts = encoded.starts[row, tokens]
            place = np.searchsorted(token_starts, teacher_ends, "left") - 1
            place = place.clip(0)
            np.add.at(end_shares[row], tokens[place], closing)

    return start_shares, end_shares


def sentence_target(output: TeacherOutput, place: Offsets) -> float | None:
    """The teacher's probability that the sentence at `place` belongs to the answer; None if it has
    no head for sentences, or no token there.
    """
    logits = output.logits.sentence
    start, end = place
    tokens = output.scored & (output.starts < end) & (output.ends > start)
    if logits is None or not tokens.any():
        return None

    sentence_logits = logits[: len(tokens)][tokens]
    return float(expit(sentence_logits.mean()))


def verdict_targets(outputs: Sequence[TeacherOutput]) -> Shares | None:
    """The teacher's probabilities of its verdicts, shape (n, 3) or (n, 4); None if it has no such
    head.
    """
    rows = []
    for output in outputs:
        if output.logits.verdict is None:
            return None
        rows.append(output.logits.verdict)

    shares = softmax(np.stack(rows), axis=1)
    return np.asarray(shares, np.float32)


def _shared_probabilities(scores: Sequence[tuple[NDArray[np.float32], TokenMask]]) -> list[Shares]:
    """Probabilities of the scored tokens of windows, which share one null, as in the loss."""
    windows = []
    highest_score = 0.0
    for logits, scored in scores:
        null = logits[0]
        relative_scores = logits[: len(scored)][scored] - null
        windows.append(relative_scores)
        highest_score = max(highest_score, float(relative_scores.max(initial=0.0)))

    # the highest is taken off, so that no exponential overflows
    token_sum = 0.0
    for relative_scores in windows:
        token_sum += float(np.exp(relative_scores - highest_score).sum())
    total = np.exp(-highest_score) + token_sum
    return [np.exp(relative - highest_score) / total for relative in windows]
