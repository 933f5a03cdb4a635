"""A teacher's probabilities mapped to other tokens, compared with the loss computed by hand."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from rag.models.qa_heads import Encoded, Head, Window, again, encode, load_head, places, windows
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

TEXT = "it was signed in july 2015, in vienna."
MINE = tiny.wordpiece_tokenizer()


def spans_of(
    head: Head, encoded: Encoded, batch: list[Window], groups: list[int]
) -> tuple[Shares, Shares]:
    return span_targets(teacher_outputs(head, batch), encoded, groups)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teachers")


def test_a_teacher_with_the_same_tokens_gives_its_own_probabilities(folder: Path) -> None:
    head = load_head("a teacher", str(tiny.bert(folder / "bert")), True)
    made = [windows(MINE, "when?", "a deal", text)[0] for text in (TEXT, "nothing here.", TEXT)]
    encoded = encode(MINE, made)
    first, last = spans_of(head, encoded, made, [0, 0, 1])
    for side, shares in enumerate((first, last)):
        for rows in ([0, 1], [2]):
            scores = [
                (lambda o: (o.first, o.last)[side])(head.outputs([made[row]])[0]) for row in rows
            ]
            own = [
                np.exp(s[encoded.scored[row, : len(s)]] - s[0])
                for s, row in zip(scores, rows, strict=True)
            ]
            expected = np.concatenate(own) / (1 + sum(one.sum() for one in own))
            given_shares = np.concatenate([shares[row][encoded.scored[row]] for row in rows])
            assert given_shares == pytest.approx(expected, rel=1e-3)
    assert not first[~encoded.scored].any()


@pytest.fixture(scope="module")
def letters(folder: Path) -> Head:
    return load_head("a teacher", str(tiny.roberta(folder / "roberta")), True)


def words() -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are words including punctuation."""
    tokenizer = Tokenizer(
        models.WordLevel({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")


@settings(deadline=None, max_examples=50)
@given(text=st.text(st.sampled_from("ab 1.,é"), max_size=60))
def test_a_word_gets_its_letters_probability(letters: Head, text: str) -> None:
    made = windows(words(), "when?", "b", text)
    encoded = encode(words(), made)
    own = [again(letters.tokenizer, window) for window in made]
    fine = spans_of(letters, encode(letters.tokenizer, own), own, [0] * len(made))
    coarse = spans_of(letters, encoded, made, [0] * len(made))
    for given_shares, finest in zip(coarse, fine, strict=True):
        assert not given_shares[~encoded.scored].any()
        for at in np.flatnonzero(encoded.scored[0]):
            start, end = encoded.starts[0, at], encoded.ends[0, at]
            starts, ends, scored = places(own[0])
            inside = scored & (starts >= start) & (ends <= end)
            assert given_shares[0, at] == pytest.approx(
                finest[0, : len(inside)][inside].sum(), rel=1e-4
            )


def test_a_token_with_a_space_means_its_word(folder: Path) -> None:
    head = load_head("a teacher", str(tiny.spaced(folder / "spaced")), True)
    made = windows(MINE, "when?", "", TEXT)
    (own,) = (again(head.tokenizer, window) for window in made)
    starts, ends, scored = places(own)
    assert [TEXT[a:b] for a, b in zip(starts[scored], ends[scored], strict=True)][:3] == [
        "it",
        " was",
        " signed",
    ]
    encoded = encode(MINE, made)
    words = [match.span() for match in re.finditer(r"\S+", TEXT)]
    shares = spans_of(head, encoded, made, [0])
    held = spans_of(
        head, encode(AutoTokenizer.from_pretrained(folder / "spaced"), [own]), [own], [0]
    )
    for side, (given_shares, its_own) in enumerate(zip(shares, held, strict=True)):
        found = encoded.ends[0] if side else encoded.starts[0]
        at = {int(found[i]): given_shares[0, i] for i in np.flatnonzero(given_shares[0])}
        assert list(at) == [word[side] for word in words]
        assert list(at.values()) == pytest.approx(its_own[0, : len(scored)][scored], rel=1e-4)


def test_the_loss_is_the_cross_entropy_and_minimal_at_the_teacher() -> None:
    scores = torch.tensor([[0.5, 2.0, 1.0], [0.0, 1.0, 9.0]], requires_grad=True)
    scored = torch.tensor([[False, True, True], [False, True, False]])
    group = torch.tensor([0, 0])
    relative = torch.tensor([0.0, 1.5, 0.5, 1.0])
    own = relative.softmax(0)
    shares = torch.tensor([[0.0, own[1], own[2]], [0.0, own[3], 0.0]])
    loss = distillation_loss(scores, scored, shares, group)
    assert float(loss.detach()) == pytest.approx(float(-(own * own.log()).sum()), abs=1e-5)
    torch.autograd.backward(loss)
    assert scores.grad is not None
    assert float(scores.grad.abs().max()) < 1e-6


def test_a_certain_teacher_equals_the_right_answer() -> None:
    scores = torch.tensor([[0.5, 2.0, 1.0], [0.0, 1.0, 9.0]])
    scored = torch.tensor([[False, True, True], [False, True, False]])
    right = torch.tensor([[False, True, False], [False, False, False]])
    group = torch.tensor([0, 1])
    sure = distillation_loss(scores, scored, right.float(), group)
    assert float(sure) == pytest.approx(float(group_loss(scores, scored, right, group)), abs=1e-5)


@pytest.fixture(scope="module")
def complete(folder: Path) -> Head:
    """A reader with all three heads."""
    return load_head("a teacher", str(tiny.three_heads(folder / "complete")), True)


def test_a_sentence_gets_the_mean_of_its_tokens(complete: Head) -> None:
    text = "it is old. it fell in 1900."
    made = windows(MINE, "when?", "a tower", text)
    (found,) = teacher_outputs(complete, made)
    logits = found.logits.sentence
    assert logits is not None
    inside = found.scored & (found.starts >= 11)
    said = sentence_target(found, (11, len(text)))
    assert said == pytest.approx(1 / (1 + np.exp(-logits[inside].mean())), rel=1e-5)
    assert sentence_target(found, (len(text), len(text) + 5)) is None


def test_verdicts_are_shares_of_yes_no_and_neither(complete: Head, letters: Head) -> None:
    made = [windows(MINE, "is it old?", "", text)[0] for text in ("it is old.", "it is new.")]
    found = teacher_outputs(complete, made)
    shares = verdict_targets(found)
    assert shares is not None
    for row, one in zip(shares, found, strict=True):
        assert one.logits.verdict is not None
        assert row == pytest.approx(torch.tensor(one.logits.verdict).softmax(0).numpy(), rel=1e-5)
    spans_only = teacher_outputs(letters, made)
    assert verdict_targets(spans_only) is None
    assert sentence_target(spans_only[0], (0, 10)) is None


def test_the_teacher_has_its_share_of_the_losses_of_sentences_and_verdicts() -> None:
    text = "It was old. It fell."
    encoded = encode(MINE, windows(MINE, "why?", "", text))
    logits = torch.zeros(encoded.scored.shape)

    def loss(share: float) -> float:
        """The answer is in the first sentence; the teacher holds the second sure."""
        sure = logits + torch.from_numpy((encoded.starts >= 12) * 40.0 - 20.0)
        return float(
            sentence_loss(sure, encoded, [text], [("old",)], lambda _, p: float(p[0] > 0), share)
        )

    assert loss(1.0) == pytest.approx(0.0, abs=1e-5)
    assert loss(0.5) == pytest.approx(loss(0.0) / 2, abs=1e-5)
    scores, taught = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    own = verdict_loss(scores, torch.tensor([0]))
    other = verdict_loss(scores, torch.tensor([2]))
    mixed = verdict_loss(scores, torch.tensor([0]), taught, 0.25)
    assert float(mixed) == pytest.approx(0.75 * float(own) + 0.25 * float(other), abs=1e-5)
