import math

import numpy as np
import pytest
import torch

from rag.models.windows import encode, windows
from rag.training.loss import group_loss, targets
from tests.tiny import wordpiece_tokenizer

TOKENIZER = wordpiece_tokenizer()


def marked(text: str, *answers: str) -> tuple[list[str], list[str]]:
    """The letters where answers start and end."""
    encoded = encode(TOKENIZER, windows(TOKENIZER, "when?", "title 2015", text))
    first, last = targets(encoded, [text], [answers])
    starts = [text[encoded.starts[0, i] : encoded.ends[0, i]] for i in np.flatnonzero(first[0])]
    return starts, [text[encoded.starts[0, i] : encoded.ends[0, i]] for i in np.flatnonzero(last[0])]


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
