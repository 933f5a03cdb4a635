"""Measures follow-up questions on eval/gold/conversations.jsonl, and fits their completion.

python -m eval.experiments.conversations --fit
python -m eval.experiments.conversations --data COLLECTIONS --indexes DIR [--half report]
[--reader fast | --search] [--into FILE]

COLLECTIONS holds the folders that the conversations are about; DIR gets one index for each. Every
conversation runs as at the prompt: each question is completed from the questions and answers before
it, and asked. A turn is useful if the answer shows an accepted wording, or the sentence that
proves it, from the right document, or if an unanswerable question is refused. It is answered from
another subject if nothing cited is of its document. --search asks nothing: each question is
completed from the right question and answer before it, and searched. Both say how often the
document of the evidence is among the first eight passages: for questions as typed, as completed,
and as they were meant.

--fit fits rag/meaning/followups.json on the half "fit" and on eval/gold/follow-ups.jsonl, pairs of
questions about other things, and reports on the other half how close the completions come to what
was meant. The likelier a completion should be, the more of its words are those of the meaning.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from rag import build
from rag.answering.searcher import Query, Searcher
from rag.engine import Engine
from rag.evaluation.squad import normalize
from rag.evaluation.usefulness import held, names, shown
from rag.meaning.followups import (
    MODEL,
    Completion,
    PreviousTurn,
    chosen,
    completions,
    features,
    probabilities,
    understand,
)
from rag.meaning.words import content_words
from rag.parsing.files import find
from rag.repl.session import ReplSession
from rag.settings import Settings
from rag.types import Answer

GOLD = Path(__file__).parents[1] / "gold/conversations.jsonl"
PAIRS = Path(__file__).parents[1] / "gold/follow-ups.jsonl"
_READ = 8
_CONTENT, _BETA = 0.75, 1.5
"""Share of the content words in the likeness of two questions, and weight of their recall."""
_SHARPNESS = 14.0
"""How much likelier a completion should be that is more like the meaning."""
_DECAY, _STEPS, _RATE = 0.003, 600, 0.05


@dataclass(frozen=True, slots=True)
class Turn:
    """A question as typed, what it means, accepted wordings, and the sentences that prove them as
    pairs of document and text; none if the documents do not answer it. `follows` says whether it
    needs the turns before it.
    """

    question: str
    standalone: str
    answers: tuple[str, ...]
    evidence: tuple[tuple[str, str], ...]
    follows: bool

    @property
    def documents(self) -> set[str]:
        return {document for document, _ in self.evidence}


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    collection: str
    half: str
    turns: tuple[Turn, ...]


def conversations(path: Path = GOLD) -> list[Conversation]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Conversation(
            row["id"], row["collection"], row["half"], tuple(_turn(turn) for turn in row["turns"])
        )
        for row in rows
    ]


def _turn(row: Mapping[str, Any]) -> Turn:
    evidence = tuple((proof["document"], proof["sentence"]) for proof in row["evidence"])
    return Turn(row["question"], row["standalone"], tuple(row["answers"]), evidence, row["follows"])


# Fitting


@dataclass(frozen=True, slots=True)
class Example:
    """A question after another, its possible completions, and how like the meaning each is."""

    question: str
    last: PreviousTurn
    follows: bool
    options: list[Completion]
    likeness: NDArray[np.float64]


def example(question: str, last: PreviousTurn, standalone: str, follows: bool) -> Example:
    options = completions(question, last)
    if follows:
        scores = [likeness(one.text, standalone) for one in options]
    else:
        scores = [float(one.kind == "typed") for one in options]
    return Example(question, last, follows, options, np.array(scores))


def examples(half: str) -> list[Example]:
    """Each turn of a half after the right question and answer."""
    return [
        example(turn.question, previous(before), turn.standalone, turn.follows)
        for one in conversations()
        if one.half == half
        for before, turn in pairwise(one.turns)
    ]


def pairs(path: Path = PAIRS) -> list[Example]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        example(
            row["question"],
            PreviousTurn(row["last"], row["answer"]),
            row["standalone"],
            row["question"] != row["standalone"],
        )
        for row in rows
    ]


def previous(turn: Turn) -> PreviousTurn:
    wordings = [wording for wording in turn.answers if wording not in ("yes", "no")]
    return PreviousTurn(turn.standalone, wordings[0] if wordings else None)


def likeness(text: str, other: str) -> float:
    """F-score of the content words, mostly, and of all words, in [0, 1]."""
    own, wanted = content_words(text), content_words(other)
    same = len(own & wanted)
    content = (1 + _BETA**2) * same / max(1, _BETA**2 * len(wanted) + len(own))
    all_own, all_wanted = Counter(normalize(text).split()), Counter(normalize(other).split())
    words = 2 * (all_own & all_wanted).total() / max(1, all_own.total() + all_wanted.total())
    return _CONTENT * content + (1 - _CONTENT) * words


def fit(seen: Sequence[Example]) -> dict[str, float]:
    """Weights that maximise the likelihood of the completions that are like the meaning, by
    Adam.
    """
    tables = [[features(one.question, one.last, option) for option in one.options] for one in seen]
    names = sorted({name for table in tables for row in table for name in row})
    rows = [np.array([[row.get(name, 0.0) for name in names] for row in t]) for t in tables]
    wanted = [_softmax(_SHARPNESS * one.likeness) for one in seen]
    theta = np.zeros(len(names))
    mean, square = np.zeros_like(theta), np.zeros_like(theta)
    for step in range(1, _STEPS + 1):
        slope = _DECAY * theta
        for table, target in zip(rows, wanted, strict=True):
            slope += table.T @ (_softmax(table @ theta) - target) / len(rows)
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        theta -= _RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return {n: round(float(w), 3) for n, w in zip(names, theta, strict=True) if abs(w) > 0.005}


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(logits - logits.max())
    return np.asarray(odds / odds.sum())


def closeness(seen: Sequence[Example], weights: Mapping[str, float]) -> dict[str, float]:
    """Mean likeness of follow-ups to their meaning, as typed, as completed and at best; and the
    shares left as typed, and of complete questions that were changed.
    """
    picked = [
        chosen(one.options, probabilities(one.question, one.last, one.options, weights))
        for one in seen
    ]
    later = [(one, at) for one, at in zip(seen, picked, strict=True) if one.follows]
    alone = [at for one, at in zip(seen, picked, strict=True) if not one.follows]
    return {
        "typed": _mean([one.likeness[0] for one, _ in later]),
        "completed": _mean([one.likeness[at] for one, at in later]),
        "best": _mean([one.likeness.max() for one, _ in later]),
        "left as typed": share([at == 0 for _, at in later]),
        "changed but complete": share([at != 0 for at in alone]),
    }


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 3)


# Measuring


def searcher_of(collection: str, data: Path, indexes: Path) -> Searcher:
    """Searches a collection, which is ingested first if it has no index yet."""
    return build.searcher(_opened(Settings(index=indexes / collection), data / collection))


def engine_of(collection: str, data: Path, indexes: Path, reader: str) -> Engine:
    settings = Settings(index=indexes / collection, reader=reader)
    return build.engine(_opened(settings, data / collection))


def _opened(settings: Settings, folder: Path) -> Settings:
    if not (settings.index / "rag.sqlite").is_file():
        with build.pool(settings) as pool:
            ingest = build.ingest(settings, pool)
            ingest.run(list(find([folder])), lambda _: None)
    return settings


class Opened:
    """An open engine, for a session."""

    loading = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def engine(self) -> Engine:
        return self._engine


def judged(turn: Turn, answer: Answer) -> str:
    """ "useful", "wrong", "other" (answered from another subject) or "refused"."""
    if answer.text is None:
        return "refused" if turn.evidence else "useful"
    cited = {citation.document_id for citation in answer.citations}
    if turn.documents.isdisjoint(cited):
        return "other"
    visible = shown(answer)
    wordings = [wording for wording in turn.answers if normalize(wording) not in ("yes", "no")]
    right = (
        visible.verdict in turn.answers
        or names(visible.whole, wordings)
        or any(held(sentence, visible.quotes) for _, sentence in turn.evidence)
    )
    return "useful" if right else "wrong"


def ranks(searcher: Searcher, questions: Sequence[str], turn: Turn) -> list[bool]:
    """Whether each question finds the document of the evidence."""
    results = searcher.find_many([Query(question, _READ, form="span") for question in questions])
    return [
        any(hit.passage.document_id in turn.documents for hit in result.hits) for result in results
    ]


def run(engine: Engine, conversation: Conversation) -> Iterator[dict[str, Any]]:
    """One row a turn."""
    session = ReplSession(Opened(engine))  # type: ignore[arg-type]
    for turn in conversation.turns:
        understood = session.understand(turn.question)
        answer = session.ask(turn.question, understood)
        yield {
            "id": conversation.id,
            "typed": turn.question,
            "asked": understood.question,
            "note": understood.note,
            "meant": turn.standalone,
            "follows": turn.follows,
            "judged": judged(turn, answer),
            "answer": answer.text,
            "confidence": round(answer.confidence, 2),
            "cited": sorted({citation.document_id for citation in answer.citations}),
            "found": _found(engine, turn, understood.question),
        }


def searched(searcher: Searcher, conversation: Conversation) -> Iterator[dict[str, Any]]:
    """One row a turn, after the right question and answer."""
    for before, turn in pairwise(conversation.turns):
        rewrite = understand(turn.question, previous(before))
        yield {
            "id": conversation.id,
            "typed": turn.question,
            "asked": rewrite.question,
            "note": rewrite.note,
            "meant": turn.standalone,
            "follows": turn.follows,
            "judged": "",
            "found": _found(searcher, turn, rewrite.question),
        }


def _found(searcher: Searcher, turn: Turn, question: str) -> dict[str, bool]:
    if not turn.evidence:
        return {}
    both = ranks(searcher, [turn.question, question, turn.standalone], turn)
    return dict(zip(("typed", "asked", "meant"), both, strict=True))


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Shares of all turns; those of completion are of the turns that need it."""
    later = [row for row in rows if row["follows"]]
    alone = [row for row in rows if not row["follows"]]
    found = [row["found"] for row in later if row["found"]]
    return {
        "turns": len(rows),
        **{name: share(row["judged"] == name for row in rows) for name in JUDGED},
        "useful follow-ups": share(row["judged"] == "useful" for row in later),
        "not completed": share(row["asked"] == row["typed"] for row in later),
        "changed but complete": share(row["asked"] != row["typed"] for row in alone),
        **{f"found as {name}": share(row[name] for row in found) for name in found[0]},
    }


JUDGED = ("useful", "wrong", "other", "refused")


def share(values: Iterable[bool]) -> float:
    counted = Counter(bool(value) for value in values)
    return round(counted[True] / max(1, counted.total()), 3)


@click.command()
@click.option("--fit", "fits", is_flag=True, help="Fit the completion, and measure nothing else.")
@click.option("--data", type=click.Path(path_type=Path, exists=True))
@click.option("--indexes", type=click.Path(path_type=Path))
@click.option("--half", type=click.Choice(["fit", "report", "both"]), default="both")
@click.option("--reader", default="accurate")
@click.option("--search", is_flag=True, help="Search, and do not ask.")
@click.option("--into", type=click.Path(path_type=Path), help="Write one JSON line a turn.")
def main(
    fits: bool,
    data: Path | None,
    indexes: Path | None,
    half: str,
    reader: str,
    search: bool,
    into: Path | None,
) -> None:
    if fits:
        weights = fit([*examples("fit"), *pairs()])
        MODEL.write_text(json.dumps(weights, indent=1) + "\n", encoding="utf-8")
        click.echo(json.dumps(closeness(examples("report"), weights)))
        return
    if data is None or indexes is None:
        raise click.UsageError("give --data and --indexes, or --fit")
    wanted = [one for one in conversations() if half in ("both", one.half)]
    rows: list[dict[str, Any]] = []
    for collection in dict.fromkeys(one.collection for one in wanted):
        of_it = [one for one in wanted if one.collection == collection]
        if search:
            searcher = searcher_of(collection, data, indexes)
            rows += [{**row, "half": one.half} for one in of_it for row in searched(searcher, one)]
        else:
            engine = engine_of(collection, data, indexes, reader)
            rows += [{**row, "half": one.half} for one in of_it for row in run(engine, one)]
    if into:
        into.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    for name in dict.fromkeys(row["half"] for row in rows):
        click.echo(f"{name}: {json.dumps(summary([row for row in rows if row['half'] == name]))}")


if __name__ == "__main__":
    main()
