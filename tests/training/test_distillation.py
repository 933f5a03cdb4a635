"""A teacher's probabilities mapped to other tokens, compared with the loss computed by hand."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from rag.models.qa_heads import Encoded, Head, Window, again, encode, load_head, places
from rag.training.loss import (
    Shares,
    distillation_loss,
    group_loss,
    sentence_loss,
    sentence_target,
    span_targets,
    teacher_outputs,
    verdict_loss,
    verdict_targets,
)
from tests import tiny
from tests.tiny import windows

TEXT = "it was signed in july 2015, in vienna."
TOKENIZER = tiny.wordpiece_tokenizer()


def spans_of(
    head: Head, encoded: Encoded, batch: list[Window], groups: list[int]
) -> tuple[Shares, Shares]:
    return span_targets(teacher_outputs(head, batch), encoded, groups)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teachers")


@pytest.fixture(scope="module")
def letters(folder: Path) -> Head:
    return load_head("a teacher", str(tiny.roberta(folder / "roberta")), True)


@pytest.fixture(scope="module")
def complete(folder: Path) -> Head:
    """A reader with all three heads."""
    return load_head("a teacher", str(tiny.three_heads(folder / "complete")), True)


def test_a_teacher_with_the_same_tokens_gives_its_own_probabilities(folder: Path) -> None:
    head = load_head("a teacher", str(tiny.bert(folder / "bert")), True)
    batch = [windows(TOKENIZER, "when?", "a deal", text)[0] for text in (TEXT, "nothing.", TEXT)]
    encoded = encode(TOKENIZER, batch)
    shares = spans_of(head, encoded, batch, [0, 0, 1])
    outputs = [head.outputs([window])[0] for window in batch]
    for side, name in enumerate(("first", "last")):
        scores = [getattr(output, name) for output in outputs]
        odds = [np.exp(s - s[0])[encoded.scored[r, : len(s)]] for r, s in enumerate(scores)]
        for rows in ([0, 1], [2]):
            total = 1 + sum(odds[row].sum() for row in rows)
            for row in rows:
                of_row = shares[side][row][encoded.scored[row]]
                assert of_row == pytest.approx(odds[row] / total, rel=1e-3)
    assert not shares[0][~encoded.scored].any()


WORDS = tiny.word_tokenizer(pre_tokenizers.WhitespaceSplit())


@settings(max_examples=25)
@given(text=st.text(st.sampled_from("ab 1.,é"), max_size=60))
def test_a_word_gets_its_letters_probability(letters: Head, text: str) -> None:
    batch = windows(WORDS, "when?", "b", text)
    encoded = encode(WORDS, batch)
    own_windows = [again(letters.tokenizer, window) for window in batch]
    starts, ends, scored = places(own_windows[0])
    letter_shares = spans_of(
        letters, encode(letters.tokenizer, own_windows), own_windows, [0] * len(batch)
    )
    coarse = spans_of(letters, encoded, batch, [0] * len(batch))
    for shares, finest in zip(coarse, letter_shares, strict=True):
        assert not shares[~encoded.scored].any()
        for token in np.flatnonzero(encoded.scored[0]):
            is_inside = (
                scored & (starts >= encoded.starts[0, token]) & (ends <= encoded.ends[0, token])
            )
            total = finest[0, : len(is_inside)][is_inside].sum()
            assert shares[0, token] == pytest.approx(total, rel=1e-4)


def test_a_token_with_a_space_means_its_word(folder: Path) -> None:
    head = load_head("a teacher", str(tiny.spaced(folder / "spaced")), True)
    batch = windows(TOKENIZER, "when?", "", TEXT)
    starts, ends, scored = places(again(head.tokenizer, batch[0]))
    tokens = [TEXT[a:b] for a, b in zip(starts[scored], ends[scored], strict=True)]
    assert tokens[:3] == ["it", " was", " signed"]
    encoded = encode(TOKENIZER, batch)
    start_shares, _ = spans_of(head, encoded, batch, [0])
    words = [match.start() for match in re.finditer(r"\S+", TEXT)]
    assert sorted(encoded.starts[0][np.flatnonzero(start_shares[0])]) == words


def test_the_loss_is_the_cross_entropy_and_minimal_at_the_teacher() -> None:
    scores = torch.tensor([[0.5, 2.0, 1.0], [0.0, 1.0, 9.0]], requires_grad=True)
    scored = torch.tensor([[False, True, True], [False, True, False]])
    of_teacher = torch.tensor([0.0, 1.5, 0.5, 1.0]).softmax(0)
    shares = torch.tensor([[0.0, of_teacher[1], of_teacher[2]], [0.0, of_teacher[3], 0.0]])
    loss = distillation_loss(scores, scored, shares, torch.tensor([0, 0]))
    assert float(loss.detach()) == pytest.approx(
        float(-(of_teacher * of_teacher.log()).sum()), abs=1e-5
    )
    torch.autograd.backward(loss)
    assert scores.grad is not None
    assert float(scores.grad.abs().max()) < 1e-6
    answers = torch.tensor([[False, True, False], [False, False, False]])
    group = torch.tensor([0, 1])
    of_labels = distillation_loss(scores, scored, answers.float(), group)
    assert torch.allclose(of_labels, group_loss(scores, scored, answers, group), atol=1e-5)


def test_sentences_and_verdicts_get_the_teachers_probabilities(
    complete: Head, letters: Head
) -> None:
    text = "it is old. it fell in 1900."
    batch = windows(TOKENIZER, "is it old?", "a tower", text)
    (output,) = teacher_outputs(complete, batch)
    assert output.logits.sentence is not None
    assert output.logits.verdict is not None
    logit = output.logits.sentence[output.scored & (output.starts >= 11)].mean()
    target = sentence_target(output, (11, len(text)))
    assert target == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)
    assert sentence_target(output, (len(text), len(text) + 5)) is None
    shares = verdict_targets([output])
    assert shares is not None
    expected = torch.tensor(output.logits.verdict).softmax(0).numpy()
    assert shares[0] == pytest.approx(expected, rel=1e-5)
    (spans_only,) = teacher_outputs(letters, batch)
    assert verdict_targets([spans_only]) is None
    assert sentence_target(spans_only, (0, 10)) is None


def test_the_teacher_has_its_share_of_the_losses_of_sentences_and_verdicts() -> None:
    text = "It was old. It fell."
    encoded = encode(TOKENIZER, windows(TOKENIZER, "why?", "", text))
    logits = torch.from_numpy((encoded.starts >= 12) * 40.0 - 20.0)

    def loss(share: float) -> float:
        """The answer is in the first sentence; the teacher is sure of the second."""
        answers, taught = [("old",)], lambda row, place: float(place[0] > 0)
        return float(sentence_loss(logits, encoded, [text], answers, taught, share))

    assert loss(1.0) == pytest.approx(0.0, abs=1e-5)
    assert loss(0.5) == pytest.approx(loss(0.0) / 2, abs=1e-5)
    scores, taught = torch.tensor([[2.0, 0.0, 0.0, -1.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    of_label, of_teacher = (float(verdict_loss(scores, torch.tensor([label]))) for label in (0, 2))
    mixed = verdict_loss(scores, torch.tensor([0]), taught, 0.25)
    assert float(mixed) == pytest.approx(0.75 * of_label + 0.25 * of_teacher, abs=1e-5)
