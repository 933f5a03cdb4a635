"""Judgements of usefulness, by form."""

import pytest

from rag.evaluation.gold import Evidence, Question
from rag.evaluation.usefulness import Shown, judge

TERM = "The lease ends on 31 May 2027 without notice."
DOGS = "Dogs may be brought if the neighbours agree."
EVIDENCE = (Evidence("lease.md", TERM), Evidence("lease.md", DOGS))
SPAN = Question("1", "When does it end?", ("31 May 2027",), EVIDENCE[:1], wordings=("31 May 2027",))
YES = Question("2", "May I bring a dog?", (DOGS,), EVIDENCE[1:], form="yes_no", verdict="yes")
WHY = Question("3", "Why?", (TERM, DOGS), EVIDENCE, form="sentences", need=2)
ITEMS = (("roof",), ("lift", "elevator"), ("outer walls",))
LIST = Question("4", "Which?", ("a",), items=ITEMS, form="list", need=2)
NONE = Question("5", "What about cats?")


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        (SPAN, Shown("31 May 2027", (TERM,)), "useful"),
        (SPAN, Shown(TERM, (TERM,)), "useful"),
        (SPAN, Shown("31 May 2027", ("It was signed on 31 May 2027.",)), "partial"),
        (SPAN, Shown("without notice", (TERM,)), "partial"),
        (SPAN, Shown("131 May 2027", ("Until 131 May 2027.",)), "wrong"),
        (
            SPAN,
            Shown("31 May 2027", ("The lease ends", "on 31 May 2027 without notice")),
            "partial",
        ),
        (SPAN, Shown("1 June 2027", ("It was signed on 1 June 2027.",)), "wrong"),
        (SPAN, Shown(None), "refused"),
        (YES, Shown(f"Yes. {DOGS}", (DOGS,), "yes"), "useful"),
        (YES, Shown(f"No. {DOGS}", (DOGS,), "no"), "wrong"),
        (YES, Shown(DOGS, (DOGS,)), "partial"),
        (YES, Shown(TERM, (TERM,)), "wrong"),
        (WHY, Shown(f"{TERM} […] {DOGS}", (TERM, DOGS)), "useful"),
        (WHY, Shown(TERM, (TERM,)), "partial"),
        (WHY, Shown("the neighbours agree"), "partial"),
        (WHY, Shown("Rent is due monthly."), "wrong"),
        (LIST, Shown("The roof and the elevator."), "useful"),
        (LIST, Shown("the roof"), "partial"),
        (LIST, Shown("the cellar"), "wrong"),
        (NONE, Shown("two cats"), "wrong"),
        (NONE, Shown(None), "refused"),
    ],
)
def test_judgements(question: Question, answer: Shown, expected: str) -> None:
    assert judge(question, answer) == expected
