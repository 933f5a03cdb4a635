import math

import numpy as np
import pytest
import torch

from rag.models.qa_heads import encode, windows
from rag.training.loss import group_loss, sentence_loss, targets, verdict_loss
from tests.tiny import wordpiece_tokenizer

TOKENIZER = wordpiece_tokenizer()


def marked(text: str, *answers: str) -> tuple[list[str], list[str]]:
    """The characters at which answers start and end."""
    encoded = encode(TOKENIZER, windows(TOKENIZER, "when?", "title 2015", text))
    first, last = targets(encoded, [text], [answers])
    starts = [text[encoded.starts[0, i] : encoded.ends[0, i]] for i in np.flatnonzero(first[0])]
    return starts, [
        text[encoded.starts[0, i] : encoded.ends[0, i]] for i in np.flatnonzero(last[0])
    ]


def test_every_whole_occurrence_in_the_passage_is_right_and_none_in_the_context() -> None:
    assert marked("in 2015, not 20155, but 2015.", "2015") == (["2", "2"], ["5", "5"])
    assert marked("nothing here", "2015") == ([], [])
    assert marked("in may 2015", "may 2015", "2015") == (["m", "2"], ["5"])


def test_the_null_shares_the_softmax_with_all_windows_of_the_group() -> None:
    scores = torch.tensor([[1.0, 3.0, 2.0], [0.0, 1.0, 5.0]])
    scored = torch.tensor([[False, True, True], [False, True, False]])
    right = torch.tensor([[False, True, False], [False, False, False]])
    everything = math.log(1 + math.exp(2.0) + math.exp(1.0) + math.exp(1.0))
    together = group_loss(scores, scored, right, torch.tensor([0, 0]))
    assert float(together) == pytest.approx(everything - 2.0, abs=1e-5)
    apart = group_loss(scores, scored, right, torch.tensor([0, 1]))
    first = math.log(1 + math.exp(2.0) + math.exp(1.0)) - 2.0
    assert float(apart) == pytest.approx((first + math.log(1 + math.exp(1.0))) / 2, abs=1e-5)


def of_sentences(text: str, *answers: str, logit: float = 2.0) -> float:
    """The loss if every token of the first sentence has this logit, and all others 0."""
    encoded = encode(TOKENIZER, windows(TOKENIZER, "why?", "", text))
    first = encoded.scored[0] & (encoded.starts[0] < text.index(".") + 1)
    return float(
        sentence_loss(torch.from_numpy(first * logit)[None].float(), encoded, [text], [answers])
    )


def test_a_sentence_is_right_where_an_answer_lies_in_it() -> None:
    yes, no, even = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2)), math.log(2)
    assert of_sentences("It was old. It fell.", "old") == pytest.approx((yes + even) / 2, abs=1e-5)
    assert of_sentences("It was old. It fell.", "fell") == pytest.approx((no + even) / 2, abs=1e-5)
    assert of_sentences("It was old. It fell.") == pytest.approx((no + even) / 2, abs=1e-5)
    assert of_sentences("It was old. It fell.", "old. It fell") == pytest.approx(
        (yes + even) / 2, abs=1e-5
    )


def test_only_the_likeliest_of_several_places_counts() -> None:
    yes = math.log(1 + math.exp(-2))
    assert of_sentences("It was old. Is it old?", "old") == pytest.approx(yes / 2, abs=1e-5)


def test_of_several_answers_each_counts() -> None:
    yes, even = math.log(1 + math.exp(-2)), math.log(2)
    text = "It was old. Is it old? It fell."
    assert of_sentences(text, "old", "fell") == pytest.approx((yes + even) / 3, abs=1e-5)


def test_a_verdict_that_may_be_either_is_the_sum_of_both() -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    shares = torch.softmax(logits, -1)
    assert float(verdict_loss(logits[:1], torch.tensor([0]))) == pytest.approx(
        -math.log(shares[0, 0]), abs=1e-5
    )
    assert float(verdict_loss(logits[1:], torch.tensor([3]))) == pytest.approx(
        -math.log(2 / 3), abs=1e-5
    )
