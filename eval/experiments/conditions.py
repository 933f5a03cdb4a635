"""How often a yes/no question gets the right verdict: yes, no, or "on a condition".

RAG_READER=FOLDER python -m eval.experiments.conditions --claims CLAIMS [--collections FOLDER]
    [--most N] [--others N] [--cells] [--head] [--fit] [--out FILE]

CLAIMS has conditions.jsonl.gz (rules of public offices) and yesno.jsonl.gz. Asked are the third of
the rules that no reader was trained on, the reporting half of gold/conditions.jsonl, and half of
BoolQ's dev; at most N questions of each part and label, always the same. `--collections` has the
documents of gold/conditions.jsonl that are not in its rows.

The texts of a part, and some others of its kind, are one index, and a question is answered as
everywhere, by the reader's judge and its threshold. Rules left open: the share said to depend, and
the share with a flat yes or no.
Those decided, by the rule or by what the asker says: right, and reversed. Plain questions: the
same. "none" has no verdict: a refusal, or sentences alone.

`--cells` asks each question as a yes/no column of its text, in a grid; the questions to one text
are the columns of its row. "none" is then a guess or a blank cell.

`--head` asks the verdict head about each text as one passage, without an index. `--fit` asks the
questions for fitting instead (the other halves of gold/conditions.jsonl and of BoolQ's dev), and
prints which CONDITION_LEAN and LEAST_SAID of rag/answering/reading.py serve them best: for each
pair, the mean over open, decided and plain questions of right minus dangerous ones (flat if open,
reversed if decided), by the likeliest verdict that they leave, if the judge gives it.
"""

from __future__ import annotations

import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np

from eval.gold.training import is_reported
from eval.scripts import GOLD, OUT, PATH, finished, script
from rag import build
from rag.answering.candidate import Candidate
from rag.answering.proofs import Proof, verdicts
from rag.answering.reading import CONDITION_LEAN, LEAST_SAID, Reading, likeliest_verdict
from rag.desk import grid_run
from rag.desk.grid import GridRow
from rag.desk.grid_file import GridColumn
from rag.engine import Engine
from rag.evaluation.corpus import fill
from rag.evaluation.set_files import json_lines
from rag.filters import Condition
from rag.models.cascade import Cascade, ReadState
from rag.parsing.load import load_data
from rag.protocols import Reader
from rag.query import Query
from rag.settings import Settings
from rag.types import Document, Hit, Passage, YesNo

LEANS = np.arange(-2, 4.25, 0.25)
LEASTS = np.arange(0.2, 0.85, 0.1)
NO_VERDICT = "none"


@dataclass(frozen=True)
class LabelledQuestion:
    """A question and its label: yes, no, condition or not_said; its text, and the text's name."""

    part: str
    question: str
    label: str
    name: str
    text: str

    @property
    def kind(self) -> str:
        """What is counted: open and decided rules, plain questions, questions not answered."""
        if self.label == "not_said":
            return "not said"
        if self.part == "plain":
            return "plain"
        return "open" if self.label == "condition" else "decided"


def rules(claims: Path) -> Iterator[LabelledQuestion]:
    """Rules of public offices, each with what the asker says of themselves before the question."""
    for row in json_lines(claims / "conditions.jsonl.gz"):
        if is_reported(row["tree"]):
            question = " ".join(filter(None, [row["situation"].strip(), row["question"]]))
            name = f"rules/{zlib.crc32(row['context'].encode()):08x}.md"
            yield LabelledQuestion("rules", question, row["label"], name, row["context"])


def gold(collections: Path | None, half: str) -> Iterator[LabelledQuestion]:
    """A half of gold/conditions.jsonl, as far as its documents are there."""
    for row in json_lines(GOLD / "conditions.jsonl"):
        path = collections / row["document"] if collections else None
        text = row.get("text") or (path.read_text("utf-8") if path and path.is_file() else "")
        if row["half"] == half and text:
            name = row["document"] if path and path.is_file() else f"{row['document']}.md"
            yield LabelledQuestion("gold", row["question"], row["verdict"], name, text)


def boolq_questions(claims: Path, fitting: bool) -> Iterator[LabelledQuestion]:
    """A half of BoolQ's dev (Clark et al. 2019), on which no reader is trained."""
    for row in json_lines(claims / "yesno.jsonl.gz"):
        number = zlib.crc32(row["context"].encode())
        if row["set"] == "boolq-dev" and bool(number % 2) == fitting:
            question = f"{row['question'][:1].upper()}{row['question'][1:].rstrip('?')}?"
            title = (row.get("title") or "").replace("_", " ")
            text = f"# {title}\n\n{row['context']}" if title else row["context"]
            yield LabelledQuestion("plain", question, row["label"], f"plain/{number:08x}.md", text)


def some_of_each(questions: Sequence[LabelledQuestion], limit: int) -> list[LabelledQuestion]:
    """At most so many of each part and label, by a checksum of the question."""
    chosen: list[LabelledQuestion] = []
    counts = Counter[tuple[str, str]]()
    for question in sorted(questions, key=lambda question: zlib.crc32(question.question.encode())):
        counts[question.part, question.label] += 1
        if counts[question.part, question.label] <= limit:
            chosen.append(question)
    return chosen


def figures(questions: Sequence[LabelledQuestion], says: Sequence[str]) -> dict[str, Any]:
    """Counts and shares of each kind of question, from what was said: a verdict or NO_VERDICT."""
    table = {}
    for kind in ("open", "decided", "plain", "not said"):
        of_kind = [
            (question.label, word)
            for question, word in zip(questions, says, strict=True)
            if question.kind == kind
        ]
        counted = Counter(map(_outcome, of_kind))
        if of_kind:
            shares = {name: round(count / len(of_kind), 3) for name, count in counted.items()}
            table[kind] = {"questions": len(of_kind), **dict(sorted(shares.items()))}
    return table


def _outcome(pair: tuple[str, str]) -> str:
    """What the verdict is, beside the label."""
    label, word = pair
    if word == NO_VERDICT:
        return NO_VERDICT
    if label in ("yes", "no"):
        return "depends" if word == "condition" else "right" if word == label else "reversed"
    return "depends" if word == "condition" else "flat"


def engine_of(questions: Sequence[LabelledQuestion], settings: Settings) -> Engine:
    """An engine over the texts."""
    embedder = build.embedder(settings)
    store = build.store(settings, embedder, create=True)
    texts = {question.name: question.text for question in questions}
    documents = [document(*pair) for pair in texts.items()]
    fill(documents, store, embedder, settings.passage_tokens)
    return build.assemble(settings, store, embedder, build.reader(settings))


def document(name: str, text: str) -> Document:
    """A text as the document of a file."""
    (parsed,) = load_data(name, text.encode()).documents
    return parsed


def by_answer(engine: Engine, questions: Sequence[LabelledQuestion]) -> Iterator[str]:
    """The verdict of each answer, as everybody gets it."""
    for question in questions:
        yield engine.ask(question.question).verdict or NO_VERDICT


def by_cell(engine: Engine, cases: Sequence[LabelledQuestion]) -> Iterator[str]:
    """The verdict of each question's cell, in a grid whose columns ask for yes or no."""
    documents = {document.id: document for document in engine.store.documents()}
    rows = {
        case.name: GridRow(
            key=case.name,
            title=documents[case.name].title,
            filter=(Condition("document", "=", case.name),),
            sha256=documents[case.name].sha256,
        )
        for case in cases
    }
    verdict_by_question: dict[str, str] = {}
    for name, row in rows.items():
        questions = [case.question for case in cases if case.name == name]
        columns = [GridColumn(question, question, "yes_no") for question in questions]
        for cell in grid_run.ask(engine, [grid_run.Due(row, column, None) for column in columns]):
            verdict = cell.typed.verdict if cell.typed and cell.state == "answered" else None
            verdict_by_question[cell.column] = verdict or NO_VERDICT
    yield from (verdict_by_question[case.question] for case in cases)


def by_head(reader: Reader, questions: Sequence[LabelledQuestion]) -> Iterator[str]:
    """What the verdict head says of each text as one passage."""
    for question in questions:
        parsed = document(question.name, question.text)
        passage = Passage(parsed.id, 0, len(parsed.text), parsed.text, parsed.title, ())
        (verdict,) = reader.read(question.question, [Hit(passage, 1.0, 0.0, 0.0)]).verdicts
        yield likeliest_verdict(verdict) or NO_VERDICT


def readings(engine: Engine, questions: Sequence[LabelledQuestion]) -> Iterator[Reading]:
    """What the reader says about each question, with the proofs."""
    for question in questions:
        (search_result,) = engine.find_many([Query(question.question)])
        output = engine.reader.read(search_result.retrieved.question, search_result.hits)
        state = ReadState(search_result.retrieved.question, search_result.hits, output=output)
        yield from engine.readings([search_result], [state])


def preferred_verdict(engine: Engine, reading: Reading, proposals: Mapping[Proof, YesNo]) -> str:
    """The verdict that the judge prefers, of those that two thresholds leave; NO_VERDICT if it is
    too unlikely to be given.
    """
    if not proposals:
        return NO_VERDICT
    proposed = [
        Candidate("yes_no", "yes_no", places, verdict=says) for places, says in proposals.items()
    ]
    probabilities = engine.judge.probabilities(proposed, reading)
    choice = int(np.argmax(probabilities))
    if probabilities[choice] < engine.judge.threshold:
        return NO_VERDICT
    return proposed[choice].verdict or NO_VERDICT


def score(questions: Sequence[LabelledQuestion], says: Sequence[str]) -> float:
    """Right minus dangerous ones, the mean over the kinds of questions."""
    table = figures(questions, says)
    parts = [
        table[kind].get(correct, 0.0) - table[kind].get(dangerous, 0.0)
        for kind, correct, dangerous in (
            ("open", "depends", "flat"),
            ("decided", "right", "reversed"),
            ("plain", "right", "reversed"),
        )
        if kind in table
    ]
    return float(np.mean(parts))


def fitted(engine: Engine, questions: Sequence[LabelledQuestion]) -> dict[str, Any]:
    """The pair of thresholds with the highest score, those of today, and the figures of both."""
    read = list(readings(engine, questions))
    if all(reading.proofs is None for reading in read):
        raise click.UsageError("this reader's verdict head has no fourth output to fit")
    memories: list[dict[tuple[object, ...], str]] = [{} for _ in read]

    def says(lean: float, least_said: float) -> list[str]:
        words = []
        for reading, memory in zip(read, memories, strict=True):
            proposals = verdicts(reading.proofs or {}, lean, least_said)
            key = tuple(proposals.items())
            if key not in memory:
                memory[key] = preferred_verdict(engine, reading, proposals)
            words.append(memory[key])
        return words

    def row(lean: float, least_said: float) -> dict[str, Any]:
        words = says(lean, least_said)
        return {
            "CONDITION_LEAN": round(lean, 2),
            "LEAST_SAID": round(least_said, 2),
            "score": round(score(questions, words), 3),
            **figures(questions, words),
        }

    pairs = [(CONDITION_LEAN, LEAST_SAID)]
    pairs += [(float(lean), float(least_said)) for lean, least_said in product(LEANS, LEASTS)]
    chosen = max(pairs, key=lambda pair: score(questions, says(*pair)))
    return {"best": row(*chosen), "today": row(CONDITION_LEAN, LEAST_SAID)}


@script(__doc__)
@click.option("--claims", type=PATH, required=True, help="Folder of the public questions.")
@click.option("--collections", type=PATH, envvar="RAG_COLLECTIONS", help="Folder of documents.")
@click.option("--reader", envvar="RAG_READER", default="accurate", help="Reader, as in RAG_READER.")
@click.option("--most", "limit", default=100, help="Questions of each part and label.")
@click.option(
    "--others", "text_count", default=300, help="Questions whose texts are indexed beside these."
)
@click.option("--cells", is_flag=True, help="Ask as yes/no columns of a grid.")
@click.option("--head", is_flag=True, help="Ask the verdict head about each whole text.")
@click.option("--fit", is_flag=True, help="Choose the thresholds on the questions for fitting.")
@OUT
def main(
    claims: Path,
    collections: Path | None,
    reader: str,
    limit: int,
    text_count: int,
    cells: bool,
    head: bool,
    fit: bool,
    out: Path | None,
) -> None:
    if fit:
        parts = [[*gold(collections, "fit"), *boolq_questions(claims, fitting=True)]]
    else:
        parts = [
            list(rules(claims)),
            list(gold(collections, "report")),
            list(boolq_questions(claims, fitting=False)),
        ]
    result: dict[str, Any] = {"reader": reader}
    for part in parts:
        questions = some_of_each(part, limit)
        name = questions[0].part
        if head:
            model = build.reader(Settings.load(reader=reader))
            large_reader = model.reader if isinstance(model, Cascade) else model
            result[name] = figures(questions, list(by_head(large_reader, questions)))
            continue
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings.load(index=Path(folder), reader=reader)
            engine = engine_of(questions if cells else [*questions, *part[:text_count]], settings)
            with closing(engine.store):
                if fit:
                    result |= fitted(engine, questions)
                else:
                    says = by_cell if cells else by_answer
                    result[name] = figures(questions, list(says(engine, questions)))
    finished(result, out)


if __name__ == "__main__":
    main()
