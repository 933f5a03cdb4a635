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

from rag.models.qa_heads import Head, load_head
from rag.models.windows import again, encode, places, windows
from rag.training.distillation import teacher_targets
from rag.training.loss import distillation_loss, group_loss
from tests import tiny

TEXT = "it was signed in july 2015, in vienna."
MINE = tiny.wordpiece_tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teachers")


def test_a_teacher_with_the_same_tokens_gives_its_own_probabilities(folder: Path) -> None:
    head = load_head("a teacher", str(tiny.bert(folder / "bert")), True)
    made = [windows(MINE, "when?", "a deal", text)[0] for text in (TEXT, "nothing here.", TEXT)]
    encoded = encode(MINE, made)
    first, last = teacher_targets(head, encoded, made, [0, 0, 1])
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
    fine = teacher_targets(letters, encode(letters.tokenizer, own), own, [0] * len(made))
    coarse = teacher_targets(letters, encoded, made, [0] * len(made))
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
    shares = teacher_targets(head, encoded, made, [0])
    held = teacher_targets(
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
