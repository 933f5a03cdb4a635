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
from rag.answering.reading import CONDITION_LEAN, LEAST_SAID, Reading, said
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
NONE = "none"


@dataclass(frozen=True)
class Asked:
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


def rules(claims: Path) -> Iterator[Asked]:
    """Rules of public offices, each with what the asker says of themselves before the question."""
    for row in json_lines(claims / "conditions.jsonl.gz"):
        if is_reported(row["tree"]):
            question = " ".join(filter(None, [row["situation"].strip(), row["question"]]))
            name = f"rules/{zlib.crc32(row['context'].encode()):08x}.md"
            yield Asked("rules", question, row["label"], name, row["context"])


def gold(collections: Path | None, half: str) -> Iterator[Asked]:
    """A half of gold/conditions.jsonl, as far as its documents are there."""
    for row in json_lines(GOLD / "conditions.jsonl"):
        path = collections / row["document"] if collections else None
        text = row.get("text") or (path.read_text("utf-8") if path and path.is_file() else "")
        if row["half"] == half and text:
            name = row["document"] if path and path.is_file() else f"{row['document']}.md"
            yield Asked("gold", row["question"], row["verdict"], name, text)


def plain(claims: Path, fitting: bool) -> Iterator[Asked]:
    """A half of BoolQ's dev (Clark et al. 2019), on which no reader is trained."""
    for row in json_lines(claims / "yesno.jsonl.gz"):
        number = zlib.crc32(row["context"].encode())
        if row["set"] == "boolq-dev" and bool(number % 2) == fitting:
            question = f"{row['question'][:1].upper()}{row['question'][1:].rstrip('?')}?"
            title = (row.get("title") or "").replace("_", " ")
            text = f"# {title}\n\n{row['context']}" if title else row["context"]
            yield Asked("plain", question, row["label"], f"plain/{number:08x}.md", text)


def some(asked: Sequence[Asked], most: int) -> list[Asked]:
    """At most so many of each part and label, by a checksum of the question."""
    chosen: list[Asked] = []
    taken = Counter[tuple[str, str]]()
    for one in sorted(asked, key=lambda one: zlib.crc32(one.question.encode())):
        taken[one.part, one.label] += 1
        if taken[one.part, one.label] <= most:
            chosen.append(one)
    return chosen


def figures(asked: Sequence[Asked], says: Sequence[str]) -> dict[str, Any]:
    """Counts and shares of each kind of question, from what was said: a verdict or NONE."""
    table = {}
    for kind in ("open", "decided", "plain", "not said"):
        of_kind = [
            (one.label, word) for one, word in zip(asked, says, strict=True) if one.kind == kind
        ]
        counted = Counter(map(_outcome, of_kind))
        if of_kind:
            shares = {name: round(count / len(of_kind), 3) for name, count in counted.items()}
            table[kind] = {"questions": len(of_kind), **dict(sorted(shares.items()))}
    return table


def _outcome(pair: tuple[str, str]) -> str:
    """What the verdict is, beside the label."""
    label, word = pair
    if word == NONE:
        return NONE
    if label in ("yes", "no"):
        return "depends" if word == "condition" else "right" if word == label else "reversed"
    return "depends" if word == "condition" else "flat"


def engine_of(asked: Sequence[Asked], settings: Settings) -> Engine:
    """An engine over the texts."""
    embedder = build.embedder(settings)
    store = build.store(settings, embedder, create=True)
    texts = {one.name: one.text for one in asked}
    documents = [document(*pair) for pair in texts.items()]
    fill(documents, store, embedder, settings.passage_tokens)
    return build.assemble(settings, store, embedder, build.reader(settings))


def document(name: str, text: str) -> Document:
    """A text as the document of a file."""
    (made,) = load_data(name, text.encode()).documents
    return made


def by_answer(engine: Engine, asked: Sequence[Asked]) -> Iterator[str]:
    """The verdict of each answer, as everybody gets it."""
    for one in asked:
        yield engine.ask(one.question).verdict or NONE


def by_cell(engine: Engine, asked: Sequence[Asked]) -> Iterator[str]:
    """The verdict of each question's cell, in a grid whose columns ask for yes or no."""
    documents = {document.id: document for document in engine.store.documents()}
    rows = {
        one.name: GridRow(
            key=one.name,
            title=documents[one.name].title,
            filter=(Condition("document", "=", one.name),),
            sha256=documents[one.name].sha256,
        )
        for one in asked
    }
    said: dict[str, str] = {}
    for name, row in rows.items():
        questions = [one.question for one in asked if one.name == name]
        columns = [GridColumn(question, question, "yes_no") for question in questions]
        for cell in grid_run.ask(engine, [grid_run.Due(row, column, None) for column in columns]):
            verdict = cell.typed.verdict if cell.typed and cell.state == "answered" else None
            said[cell.column] = verdict or NONE
    yield from (said[one.question] for one in asked)


def by_head(reader: Reader, asked: Sequence[Asked]) -> Iterator[str]:
    """What the verdict head says of each text as one passage."""
    for one in asked:
        made = document(one.name, one.text)
        passage = Passage(made.id, 0, len(made.text), made.text, made.title, ())
        (found,) = reader.read(one.question, [Hit(passage, 1.0, 0.0, 0.0)]).verdicts
        yield said(found) or NONE


def readings(engine: Engine, asked: Sequence[Asked]) -> Iterator[Reading]:
    """What the reader says about each question, with the proofs."""
    for one in asked:
        (found,) = engine.find_many([Query(one.question)])
        output = engine.reader.read(found.retrieved.question, found.hits)
        state = ReadState(found.retrieved.question, found.hits, output=output)
        yield from engine.readings([found], [state])


def likeliest(engine: Engine, reading: Reading, left: Mapping[Proof, YesNo]) -> str:
    """The verdict that the judge prefers, of those that two thresholds leave; NONE if it is too
    unlikely to be given.
    """
    if not left:
        return NONE
    proposed = [
        Candidate("yes_no", "yes_no", places, verdict=says) for places, says in left.items()
    ]
    probabilities = engine.judge.probabilities(proposed, reading)
    best = int(np.argmax(probabilities))
    if probabilities[best] < engine.judge.threshold:
        return NONE
    return proposed[best].verdict or NONE


def score(asked: Sequence[Asked], says: Sequence[str]) -> float:
    """Right minus dangerous ones, the mean over the kinds of questions."""
    table = figures(asked, says)
    parts = [
        table[kind].get(right, 0.0) - table[kind].get(dangerous, 0.0)
        for kind, right, dangerous in (
            ("open", "depends", "flat"),
            ("decided", "right", "reversed"),
            ("plain", "right", "reversed"),
        )
        if kind in table
    ]
    return float(np.mean(parts))


def fitted(engine: Engine, asked: Sequence[Asked]) -> dict[str, Any]:
    """The pair of thresholds with the highest score, those of today, and the figures of both."""
    read = list(readings(engine, asked))
    if all(reading.proofs is None for reading in read):
        raise click.UsageError("this reader's verdict head has no fourth output to fit")
    known: list[dict[tuple[object, ...], str]] = [{} for _ in read]

    def says(lean: float, least: float) -> list[str]:
        words = []
        for reading, memory in zip(read, known, strict=True):
            left = verdicts(reading.proofs or {}, lean, least)
            key = tuple(left.items())
            if key not in memory:
                memory[key] = likeliest(engine, reading, left)
            words.append(memory[key])
        return words

    def shown(lean: float, least: float) -> dict[str, Any]:
        words = says(lean, least)
        return {
            "CONDITION_LEAN": round(lean, 2),
            "LEAST_SAID": round(least, 2),
            "score": round(score(asked, words), 3),
            **figures(asked, words),
        }

    pairs = [(CONDITION_LEAN, LEAST_SAID)]
    pairs += [(float(lean), float(least)) for lean, least in product(LEANS, LEASTS)]
    chosen = max(pairs, key=lambda pair: score(asked, says(*pair)))
    return {"best": shown(*chosen), "today": shown(CONDITION_LEAN, LEAST_SAID)}


@script(__doc__)
@click.option("--claims", type=PATH, required=True, help="Folder of the public questions.")
@click.option("--collections", type=PATH, envvar="RAG_COLLECTIONS", help="Folder of documents.")
@click.option("--reader", envvar="RAG_READER", default="accurate", help="Reader, as in RAG_READER.")
@click.option("--most", default=100, help="Questions of each part and label.")
@click.option("--others", default=300, help="Questions whose texts are indexed beside these.")
@click.option("--cells", is_flag=True, help="Ask as yes/no columns of a grid.")
@click.option("--head", is_flag=True, help="Ask the verdict head about each whole text.")
@click.option("--fit", is_flag=True, help="Choose the thresholds on the questions for fitting.")
@OUT
def main(
    claims: Path,
    collections: Path | None,
    reader: str,
    most: int,
    others: int,
    cells: bool,
    head: bool,
    fit: bool,
    out: Path | None,
) -> None:
    if fit:
        parts = [[*gold(collections, "fit"), *plain(claims, fitting=True)]]
    else:
        parts = [
            list(rules(claims)),
            list(gold(collections, "report")),
            list(plain(claims, fitting=False)),
        ]
    result: dict[str, Any] = {"reader": reader}
    for part in parts:
        asked = some(part, most)
        name = asked[0].part
        if head:
            model = build.reader(Settings.load(reader=reader))
            large_reader = model.reader if isinstance(model, Cascade) else model
            result[name] = figures(asked, list(by_head(large_reader, asked)))
            continue
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings.load(index=Path(folder), reader=reader)
            engine = engine_of(asked if cells else [*asked, *part[:others]], settings)
            with closing(engine.store):
                if fit:
                    result |= fitted(engine, asked)
                else:
                    says = by_cell if cells else by_answer
                    result[name] = figures(asked, list(says(engine, asked)))
    finished(result, out)


if __name__ == "__main__":
    main()
