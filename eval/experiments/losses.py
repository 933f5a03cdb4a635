"""Where answerable questions in other words lose their answer: counts by stage, and a sample.

python -m eval.experiments.losses --cache DIR [--sample N] SET...

DIR is made by `python -m eval.experiments.kept`. Of collections the half for fitting is asked; the
half for reporting is never shown. A stage is the first one that lost the answer, as far as that can
be told without a person: the sample, one JSON line a question, is for reading.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from eval.experiments.fit_judge import in_half
from eval.experiments.fit_judge import visible_candidate as candidate_shown
from eval.experiments.kept import NAMES
from eval.scripts import CACHE, READER, script
from rag.answering.compose import Ranked
from rag.answering.reading import Reading
from rag.engine import Engine
from rag.evaluation.gold import PLAIN_SUFFIX, Question
from rag.evaluation.usefulness import serves, visible_part
from rag.query import Query
from rag.types import Answer, Hit

_SEED = 7
_COMPARED = 80
"""Characters of a sentence of the evidence by which a passage that has it is known."""
_CANDIDATES = 3


@dataclass(frozen=True, slots=True)
class Loss:
    """A question without a useful answer, the answer, and the likeliest candidates."""

    set: str
    question: Question
    judgement: str
    stage: str
    answer: Answer
    ranked: Sequence[Ranked]
    reading: Reading

    def row(self) -> dict[str, Any]:
        """What a person needs to find the cause."""
        candidates = [
            {
                "probability": round(entry.probability, 3),
                "form": entry.candidate.form,
                "text": candidate_shown(entry.candidate, self.reading).text,
            }
            for entry in self.ranked[:_CANDIDATES]
        ]
        return {
            "set": self.set,
            "id": self.question.id,
            "question": self.question.text,
            "stage": self.stage,
            "judgement": self.judgement,
            "evidence": [proof.sentence for proof in self.question.evidence],
            "answer": self.answer.text or self.answer.abstention_reason,
            "candidates": candidates,
        }


def losses(name: str, engine: Engine, questions: Sequence[Question]) -> Iterator[Loss]:
    """The answerable questions in other words whose answer is not useful."""
    for question in questions:
        if not question.answers or not question.id.endswith(PLAIN_SUFFIX):
            continue
        query = Query(question.text)
        (answer,) = engine.ask_many([query])
        judgement = serves(question, visible_part(answer))
        if judgement == "useful":
            continue
        found = engine.find_many([query])
        ((reading, ranked),) = engine.rank_many([query], found)
        stage = _stage(question, reading, ranked)
        yield Loss(name, question, judgement, stage, answer, ranked, reading)


def _stage(question: Question, reading: Reading, ranked: Sequence[Ranked]) -> str:
    """Where the answer was lost."""
    with_evidence = [hit for hit in reading.hits if _has_evidence(question, hit)]
    if not with_evidence:
        return "evidence not among the eight passages"

    serving = [
        number
        for number, entry in enumerate(ranked)
        if serves(question, candidate_shown(entry.candidate, reading)) == "useful"
    ]
    if not serving:
        is_read = any(hit in reading.read_hits for hit in with_evidence)
        return "not proposed" if is_read else "not proposed, evidence not read by the large reader"
    return "outranked" if serving[0] else "first, but not given so"


def _has_evidence(question: Question, hit: Hit) -> bool:
    """Whether a passage has a sentence of the evidence, spaces and line breaks alike."""
    text = " ".join(hit.passage.text.split())
    return any(
        proof.document == hit.passage.document_id
        and " ".join(proof.sentence.split())[:_COMPARED] in text
        for proof in question.evidence
    )


@script(__doc__)
@CACHE
@READER
@click.option("--sample", "count", default=0, help="Number of losses to print, drawn at random.")
@NAMES
def main(cache: Path, reader: str, count: int, names: tuple[str, ...]) -> None:
    rows = []
    for name in names:
        engine, questions = in_half(name, cache, reader, reporting=False)
        rows += [loss.row() for loss in losses(name, engine, questions)]
        engine.store.close()

    for row in random.Random(_SEED).sample(rows, min(count, len(rows))):
        click.echo(json.dumps(row, ensure_ascii=False))
    stages = Counter(row["stage"] for row in rows)
    click.echo(json.dumps({"losses": len(rows), "by stage": dict(stages.most_common())}))


if __name__ == "__main__":
    main()
