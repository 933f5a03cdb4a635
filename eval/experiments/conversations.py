"""Measures follow-up questions on eval/gold/conversations.jsonl, and fits their completion.

python -m eval.experiments.conversations --fit
python -m eval.experiments.conversations --names
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

--fit fits rag/meaning/followups.json on the half "fit", on three quarters of the pairs of
questions about other things, and on the half "fit" of names.jsonl, and reports on the others how
close the completions come to what was meant. The likelier a completion should be, the more of its
words are those of the meaning.

--names completes the pairs of names.jsonl, in which two names are of one kind, and prints the
shares that blend them, that are completed as expected, that change a complete question or say that
it is unclear, and of talk that is taken for it.
"""

import functools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from eval.scripts import NEW_FILE, PATH, READER, ROOT, by_half, script
from rag import build, session
from rag.engine import Engine
from rag.evaluation.set_files import json_lines
from rag.evaluation.squad import normalize
from rag.evaluation.usefulness import has_most_words, names, visible_part
from rag.meaning import followups
from rag.meaning.followups import MODEL, Completion, PreviousTurn, understand
from rag.meaning.words import content_words
from rag.parsing.files import find
from rag.query import Query
from rag.retrieval import Retriever
from rag.settings import Settings
from rag.types import Answer

GOLD, PAIRS, NAMES = (
    ROOT / f"eval/gold/{name}.jsonl" for name in ("conversations", "follow-ups", "names")
)
_READ = 8
_BETA = 1.5
"""Weight of recall."""
_SHARPNESS = 20.0
"""How much likelier a completion should be that is more like the meaning."""
_DECAY = 0.0015
_SUPPORT = 2
"""Least number of examples that have a feature."""
_REPORTED = 64
"""Pairs whose digest begins with a smaller byte are for reporting."""


class GoldTurn(NamedTuple):
    """A question as typed, what it means, accepted wordings, and the sentences that prove them as
    pairs of document and text; none if the documents do not answer it. `follows` says whether it
    needs the turns before it.
    """

    question: str
    standalone: str
    answers: list[str]
    evidence: list[tuple[str, str]]
    follows: bool

    @property
    def documents(self) -> set[str]:
        return {document for document, _ in self.evidence}


class Conversation(NamedTuple):
    id: str
    collection: str
    half: str
    turns: list[GoldTurn]


def conversations() -> list[Conversation]:
    dialogues = []
    for row in json_lines(GOLD):
        turns = []
        for turn in row["turns"]:
            proofs = [(proof["document"], proof["sentence"]) for proof in turn["evidence"]]
            turns.append(
                GoldTurn(
                    turn["question"], turn["standalone"], turn["answers"], proofs, turn["follows"]
                )
            )
        dialogues.append(Conversation(row["id"], row["collection"], row["half"], turns))
    return dialogues


# Fitting


class Example(NamedTuple):
    """A question after another, its possible completions, and how like the meaning each is."""

    follows: bool
    options: list[Completion]
    likeness: NDArray[np.float64]


def example(
    question: str,
    previous_turn: PreviousTurn,
    standalone: str,
    follows: bool,
    is_talk: bool = False,
) -> Example:
    options = followups.completions(question, previous_turn, _talk_words())
    wanted_kind = (
        "talk" if is_talk and any(option.kind == "talk" for option in options) else "typed"
    )
    scores = [
        float(option.kind == wanted_kind)
        if not follows
        else likeness(option.text, standalone) * (option.kind != "talk")
        for option in options
    ]
    return Example(follows, options, np.array(scores))


@functools.cache
def _talk_words() -> frozenset[str]:
    """The words of all talk for fitting."""
    typed = [row["question"] for row in _pairs("fit") if row.get("talk")]
    typed += [row["follow_up"] for row in _named("fit") if row["type"] == "talk"]
    return frozenset(word.lower for text in typed for word in followups.words(text))


def examples(half: str) -> list[Example]:
    """Each turn of a half after the right question and answer."""
    return [
        example(turn.question, past_turn(previous_turn), turn.standalone, turn.follows)
        for conversation in conversations()
        if conversation.half == half
        for previous_turn, turn in pairwise(conversation.turns)
    ]


def pairs(half: str) -> list[Example]:
    """Three quarters of the pairs are for fitting, the others for reporting."""
    return [
        example(
            row["question"],
            PreviousTurn(row["last"], row["answer"]),
            row["standalone"],
            follows=row["question"] != row["standalone"],
            is_talk=row.get("talk", False),
        )
        for row in _pairs(half)
    ]


def _pairs(half: str) -> list[Mapping[str, Any]]:
    def half_of(row: Mapping[str, Any]) -> str:
        digest = sha256(f"{row['last']} {row['question']}".encode()).digest()
        return row.get("half") or ("report" if digest[0] < _REPORTED else "fit")

    return [row for row in json_lines(PAIRS) if half_of(row) == half]


def named(half: str) -> list[Example]:
    """The pairs with two names of one kind."""
    return [
        example(
            row["follow_up"],
            PreviousTurn(row["first"]),
            row["expected"],
            follows=row["type"] == "follow",
            is_talk=row["type"] == "talk",
        )
        for row in _named(half)
    ]


def _named(half: str) -> list[Mapping[str, Any]]:
    return [row for row in json_lines(NAMES) if row["half"] == half]


def past_turn(turn: GoldTurn) -> PreviousTurn:
    wordings = [wording for wording in turn.answers if wording not in ("yes", "no")]
    return PreviousTurn(turn.standalone, wordings[0] if wordings else None)


def likeness(text: str, meaning: str) -> float:
    """Half of it the F-score of the content words, mostly their recall; half the share of all words
    that both have in the same order.
    """
    stems = content_words(text)
    meaning_stems = content_words(meaning)
    content = (
        (1 + _BETA**2)
        * len(stems & meaning_stems)
        / max(1, _BETA**2 * len(meaning_stems) + len(stems))
    )
    words = normalize(text).split()
    meaning_words = normalize(meaning).split()
    in_order = 2 * LCSseq.similarity(words, meaning_words) / max(1, len(words) + len(meaning_words))
    return (content + in_order) / 2


def fit(data: Sequence[Example]) -> dict[str, float]:
    """Weights that maximise the likelihood of the completions that are like the meaning."""
    tables = [[option.features for option in e.options] for e in data]
    counts = Counter(name for t in tables for name in {name for row in t for name in row})
    columns = sorted(n for n, count in counts.items() if count >= _SUPPORT or _is_talk_word(n))
    rows = [np.array([[row.get(name, 0.0) for name in columns] for row in t]) for t in tables]
    targets = [softmax(_SHARPNESS * e.likeness) for e in data]

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value = _DECAY / 2 * float(theta @ theta)
        slope = _DECAY * theta
        for table, target in zip(rows, targets, strict=True):
            value -= float(target @ log_softmax(table @ theta)) / len(rows)
            slope = slope + table.T @ (softmax(table @ theta) - target) / len(rows)
        return value, slope

    theta = minimize(loss, np.zeros(len(columns)), jac=True, method="L-BFGS-B").x
    return {
        name: round(float(weight), 3)
        for name, weight in zip(columns, theta, strict=True)
        if abs(weight) > 0.005 or _is_talk_word(name)
    }


def _is_talk_word(name: str) -> bool:
    """Whether a feature says which words talk has; they count even with no weight."""
    return name.startswith("talk: says ")


def closeness(data: Sequence[Example], weights: Mapping[str, float]) -> dict[str, float]:
    """Mean likeness of follow-ups to their meaning, as typed, as completed and at best; and the
    shares left as typed, and of complete questions that were changed.
    """
    picked = []
    for e in data:
        chances = followups.probabilities(e.options, weights)
        is_talk = followups.talk_chance(e.options, chances) >= followups.TALK
        picked.append((e, 0 if is_talk else followups.chosen_index(e.options, chances)))
    follow_ups = [(e.likeness, place) for e, place in picked if e.follows]
    return {
        "typed": share(likeness[0] for likeness, _ in follow_ups),
        "completed": share(likeness[place] for likeness, place in follow_ups),
        "best": share(likeness.max() for likeness, _ in follow_ups),
        "left as typed": share(place == 0 for _, place in follow_ups),
        "changed but complete": share(place != 0 for e, place in picked if not e.follows),
    }


def names_kept(half: str) -> dict[str, Any]:
    """How follow-ups that name another thing of one kind are completed, and talk after them. A
    blend has a name that it must not have, in the question or in another meaning that may be
    asked.
    """
    rows = _named(half)
    understood = [(row, understand(row["follow_up"], PreviousTurn(row["first"]))) for row in rows]
    by_type = {
        name: [(row, rewrite) for row, rewrite in understood if row["type"] == name]
        for name in ("follow", "complete", "talk")
    }

    def blends(row: Mapping[str, Any], text: str) -> bool:
        return any(
            re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)
            for name in row["must_not_contain"]
        )

    follow = by_type["follow"]
    other_meanings = [
        (row, text) for row, rewrite in follow for text, _ in rewrite.others if text != row["first"]
    ]
    return {
        "pairs": len(rows),
        "blended": share(blends(row, rewrite.question) for row, rewrite in understood),
        "other meanings blended": share(blends(*pair) for pair in other_meanings),
        "as expected": share(
            normalize(rewrite.question) == normalize(row["expected"]) for row, rewrite in follow
        ),
        "left as typed": share(rewrite.question == row["follow_up"] for row, rewrite in follow),
        "changed but complete": share(
            rewrite.question != row["follow_up"] for row, rewrite in by_type["complete"]
        ),
        "noted but complete": share(bool(rewrite.note) for _, rewrite in by_type["complete"]),
        "taken for talk": share(rewrite.is_talk for _, rewrite in by_type["talk"]),
        "talk changed": share(
            rewrite.question != row["follow_up"] for row, rewrite in by_type["talk"]
        ),
        "wrongly taken for talk": share(
            rewrite.is_talk for row, rewrite in understood if row["type"] != "talk"
        ),
    }


# Measuring


def opened(settings: Settings, folder: Path) -> Settings:
    """The settings; the folder is ingested first if there is no index yet."""
    if not (settings.index / "rag.sqlite").is_file():
        with build.pool(settings) as pool:
            build.ingest(settings, pool).run(list(find([folder])), lambda _: None)
    return settings


def judged(turn: GoldTurn, answer: Answer) -> str:
    """ "useful", "wrong", "other" (answered from another subject) or "refused"."""
    if answer.text is None:
        return "refused" if turn.evidence else "useful"
    if turn.documents.isdisjoint(citation.document_id for citation in answer.citations):
        return "other"
    part = visible_part(answer)
    wordings = [wording for wording in turn.answers if normalize(wording) not in ("yes", "no")]
    serves = (
        part.verdict in turn.answers
        or names(part.full_text, wordings)
        or any(has_most_words(sentence, part.quotes) for _, sentence in turn.evidence)
    )
    return "useful" if serves else "wrong"


def asked(engine: Engine, conversation: Conversation) -> Iterator[dict[str, Any]]:
    """One row a turn, after the questions and answers before it."""
    talk = session.Conversation()
    for turn in conversation.turns:
        understood = talk.understand(turn.question)
        answer = talk.ask(engine, understood, None, ())
        note = understood.note
        yield _row(engine.retriever, conversation, turn, understood.question, note) | {
            "judged": judged(turn, answer),
            "answer": answer.text,
            "confidence": round(answer.confidence, 2),
            "cited": sorted({citation.document_id for citation in answer.citations}),
        }


def searched(retriever: Retriever, conversation: Conversation) -> Iterator[dict[str, Any]]:
    """One row a turn, after the right question and answer."""
    for previous_turn, turn in pairwise(conversation.turns):
        rewrite = understand(turn.question, past_turn(previous_turn))
        yield _row(retriever, conversation, turn, rewrite.question, rewrite.note)


def _row(
    retriever: Retriever,
    conversation: Conversation,
    turn: GoldTurn,
    question: str,
    note: str | None,
) -> dict[str, Any]:
    """`is_found_by_variant` says whether a question finds the document of the evidence."""
    variants = {"typed": turn.question, "asked": question, "meant": turn.standalone}
    queries = [Query(text, _READ) for text in variants.values()]
    results = retriever.find_many(queries) if turn.evidence else []
    is_found = [any(h.passage.document_id in turn.documents for h in r.hits) for r in results]
    is_found_by_variant = dict(zip(variants, is_found, strict=False))
    about = {"id": conversation.id, "half": conversation.half, "judged": ""}
    return about | variants | {"note": note, "follows": turn.follows, "found": is_found_by_variant}


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Shares of all turns; those of completion are of the turns that need it."""
    follow_ups = [row for row in rows if row["follows"]]
    is_found = [row["found"] for row in follow_ups if row["found"]]
    return {
        "turns": len(rows),
        **{name: share(row["judged"] == name for row in rows) for name in JUDGED},
        "useful follow-ups": share(row["judged"] == "useful" for row in follow_ups),
        "not completed": share(row["asked"] == row["typed"] for row in follow_ups),
        "changed but complete": share(r["asked"] != r["typed"] for r in rows if not r["follows"]),
        **{f"found as {name}": share(row[name] for row in is_found) for name in is_found[0]},
    }


JUDGED = ("useful", "wrong", "other", "refused")


def share(values: Iterable[float]) -> float:
    """The mean, 0 of nothing."""
    return round(float(np.mean(list(values) or [0.0])), 3)


@script(__doc__)
@click.option("--fit", "fits", is_flag=True, help="Fit the completion, and measure nothing else.")
@click.option("--names", "only_names", is_flag=True, help="Complete the pairs with two names.")
@click.option("--data", type=PATH, help="Folder of the collections.")
@click.option("--indexes", type=PATH, help="Folder of their indexes, made if needed.")
@click.option("--half", default="both", type=click.Choice(["fit", "report", "both"]),
              help="Conversations to ask.")  # fmt: skip
@READER
@click.option("--search", is_flag=True, help="Search, and do not ask.")
@click.option("--into", type=NEW_FILE, help="Write one JSON line a turn.")
def main(
    fits: bool,
    only_names: bool,
    data: Path | None,
    indexes: Path | None,
    half: str,
    reader: str,
    search: bool,
    into: Path | None,
) -> None:
    if fits:
        weights = fit([*examples("fit"), *pairs("fit"), *named("fit")])
        MODEL.write_text(json.dumps(weights, indent=1) + "\n", encoding="utf-8")
        reported = {
            "conversations": examples("report"),
            "pairs": pairs("report"),
            "names": named("report"),
        }
        click.echo(
            json.dumps({name: closeness(turns, weights) for name, turns in reported.items()})
        )
        return
    if only_names:
        chosen_halves = ("fit", "report") if half == "both" else (half,)
        for name in chosen_halves:
            click.echo(f"{name}: {json.dumps(names_kept(name))}")
        return
    if data is None or indexes is None:
        raise click.UsageError("give --data and --indexes, or --fit")
    rows: list[dict[str, Any]] = []
    for collection, group in groupby(
        conversations(), key=lambda conversation: conversation.collection
    ):
        settings = Settings(index=indexes / collection, reader=reader)
        settings = opened(settings, data / collection)
        chosen = [conversation for conversation in group if half in ("both", conversation.half)]
        if search:
            retriever = build.retriever(settings)
            rows += [row for conversation in chosen for row in searched(retriever, conversation)]
        else:
            engine = build.engine(settings)
            rows += [row for conversation in chosen for row in asked(engine, conversation)]
    by_half(rows, summary, into)


if __name__ == "__main__":
    main()
