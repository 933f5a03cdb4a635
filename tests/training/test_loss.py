import math

import numpy as np
import pytest
import torch

from rag.models.qa_heads import encode
from rag.training.loss import (
    group_loss,
    sentence_group_loss,
    sentence_loss,
    targets,
    verdict_loss,
)
from rag.training.verdicts import Label
from tests.tiny import windows, wordpiece_tokenizer

TOKENIZER = wordpiece_tokenizer()
YES, NO, EVEN = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2)), math.log(2)


def marked(text: str, *answers: str) -> list[list[str]]:
    """The characters at which answers start, and end."""
    encoded = encode(TOKENIZER, windows(TOKENIZER, "when?", "title 2015", text))
    return [
        [text[encoded.starts[0, i] : encoded.ends[0, i]] for i in np.flatnonzero(side[0])]
        for side in targets(encoded, [text], [answers])
    ]


def test_every_whole_occurrence_in_the_passage_is_right_and_none_in_the_context() -> None:
    assert marked("in 2015, not 20155, but 2015.", "2015") == [["2", "2"], ["5", "5"]]
    assert marked("nothing here", "2015") == [[], []]
    assert marked("in may 2015", "may 2015", "2015") == [["m", "2"], ["5"]]


def test_the_null_shares_the_softmax_with_all_windows_of_the_group() -> None:
    scores = torch.tensor([[1.0, 3.0, 2.0], [0.0, 1.0, 5.0]])
    scored = torch.tensor([[False, True, True], [False, True, False]])
    answers = torch.tensor([[False, True, False], [False, False, False]])
    everything = math.log(1 + math.exp(2.0) + math.exp(1.0) + math.exp(1.0))
    one_group = group_loss(scores, scored, answers, torch.tensor([0, 0]))
    assert float(one_group) == pytest.approx(everything - 2.0, abs=1e-5)
    two_groups = group_loss(scores, scored, answers, torch.tensor([0, 1]))
    expected = math.log(1 + math.exp(2.0) + math.exp(1.0)) - 2.0
    assert float(two_groups) == pytest.approx(
        (expected + math.log(1 + math.exp(1.0))) / 2, abs=1e-5
    )


@pytest.mark.parametrize(
    ("text", "answers", "expected"),
    [
        ("It was old. It fell.", ["old"], (YES + EVEN) / 2),
        ("It was old. It fell.", ["fell"], (NO + EVEN) / 2),
        ("It was old. It fell.", [], (NO + EVEN) / 2),
        ("It was old. It fell.", ["old. It fell"], (YES + EVEN) / 2),
        ("It was old. Is it old?", ["old"], YES / 2),  # only the likeliest of several places counts
        ("It was old. Is it old? It fell.", ["old", "fell"], (YES + EVEN) / 3),
    ],
)
def test_a_sentence_with_an_answer_is_right(text: str, answers: list[str], expected: float) -> None:
    """Every token of the first sentence has the logit 2, and all others 0."""
    encoded = encode(TOKENIZER, windows(TOKENIZER, "why?", "", text))
    first_sentence = encoded.scored[0] & (encoded.starts[0] < text.index(".") + 1)
    logits = torch.from_numpy(first_sentence * 2.0)[None].float()
    loss = sentence_loss(logits, encoded, [text], [tuple(answers)])
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_a_verdict_that_may_be_either_is_the_sum_of_both() -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0, -2.0], [0.0, 0.0, 0.0, 0.0]])
    shares = torch.softmax(logits, -1)[0]
    labelled = (
        (0, Label.YES, shares[Label.YES]),
        (0, Label.DEPENDS, shares[Label.DEPENDS]),
        (1, Label.NOT_YES, 3 / 4),
    )
    for row, label, share in labelled:
        loss = verdict_loss(logits[row : row + 1], torch.tensor([label]))
        assert float(loss) == pytest.approx(-math.log(share), abs=1e-5)


@pytest.mark.parametrize(
    ("answers", "logits_of_answers"),
    [(["old"], [2.0]), (["fell"], [0.0]), (["old", "fell"], [2.0, 0.0]), ([], None)],
)
def test_sentences_of_all_passages_compete_with_one_null(
    answers: list[str], logits_of_answers: list[float] | None
) -> None:
    """The first passage's only sentence has the logit 2, the second's the logit 0."""
    texts = ["It was old.", "It fell."]
    parts = [windows(TOKENIZER, "why?", "", text)[0] for text in texts]
    encoded = encode(TOKENIZER, parts)
    logits = torch.from_numpy(encoded.scored * 2.0).float()
    logits[1] = 0.0

    loss = sentence_group_loss(logits, encoded, texts, [tuple(answers)] * 2, groups=[0, 0])

    everything = math.log(1 + math.exp(2) + math.exp(0))
    answer = 0.0 if logits_of_answers is None else math.log(sum(map(math.exp, logits_of_answers)))
    assert float(loss) == pytest.approx(everything - answer, abs=1e-5)
