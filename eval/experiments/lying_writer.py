"""Measures how many errors planted by a writer the check of written answers catches.

    python -m eval.experiments.lying_writer --index index --out eval/results/lying_writer.json

A real HTTP server answers gold questions with two sentences: a quotation with its source, and a
sentence with a planted error: a changed year or number, a changed name, an invented sentence, or a
correct sentence with a wrong citation. The check uses the settings' reader. An error is caught if
its sentence is struck; a quotation is kept if it is not.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from eval.experiments.made_claims import swap_name, swap_value
from rag import build
from rag.claims.chat_client import ChatServer
from rag.claims.checker import Checker
from rag.claims.writer import Writer, WriterSource, Written, WrittenSentence, sources_of
from rag.engine import Engine
from rag.evaluation.gold import Question, read_jsonl
from rag.meaning.names import names
from rag.meaning.words import content_words
from rag.settings import Settings
from rag.types import Answer
from tests.claims.writers import writing

KINDS = ("value", "name", "invented", "citation")
_INVENTED = (
    "{} plays the cello in a string quartet",
    "{} was printed on recycled paper from Finland",
    "{} owns a collection of forty vintage motorcycles",
    "{} will move to Singapore in 2031",
    "{} has its own railway station and a museum of clocks",
    "{} cost the delegations 2.4 million euros",
    "{} was first described in a novel of 1987",
    "{} employs a choir of sixty singers",
)


@dataclass(frozen=True, slots=True)
class Planted:
    """The writer's answer: a quotation with its source, and a sentence with an error."""

    kind: str
    question: str
    right: str
    wrong: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gold", type=Path, default=Path("eval/gold/seeds.jsonl"))
    parser.add_argument("--index", type=Path, default=Path("index"))
    parser.add_argument("--answers", type=int, default=100)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    engine = build.engine(Settings.load(index=given.index))
    report = measured(engine, read_jsonl(given.gold), given.answers)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


def measured(engine: Engine, questions: Sequence[Question], answers: int) -> dict[str, Any]:
    """Over this many answers, equally many of each of KINDS: errors caught by kind, and quotations
    kept. Sentences that passed have a supporting quote, or are in "without a quote".
    """
    checker = Checker(engine)
    rows: list[tuple[Planted, Written]] = []
    for answer, planted in tqdm(_planted(engine, questions, answers), total=answers, disable=None):
        written = f"{planted.right} {planted.wrong}"
        with writing(lambda sentences, question, written=written: written) as served:  # type: ignore[misc]
            rows.append((planted, Writer(ChatServer(served.address), checker).write(answer)))
    caught = {
        kind: [_sentence(w, p.wrong).struck != "" for p, w in rows if p.kind == kind]
        for kind in KINDS
    }
    shown = [one for _, written in rows for one in written.sentences if not one.struck]
    return {
        "reader": engine.reader.name,
        "answers": len(rows),
        "caught": sum(map(sum, caught.values())),
        "caught by kind": {kind: f"{sum(found)} of {len(found)}" for kind, found in caught.items()},
        "quotations kept": sum(not _sentence(w, p.right).struck for p, w in rows),
        "without a quote": sum(not has_quote(one, engine) for one in shown),
        "passed": [
            {"kind": p.kind, "written": p.wrong}
            for p, w in rows
            if not _sentence(w, p.wrong).struck
        ],
        "quotations struck": [p.right for p, w in rows if _sentence(w, p.right).struck],
    }


def _sentence(written: Written, text: str) -> WrittenSentence:
    return next(one for one in written.sentences if one.text == text)


def has_quote(one: WrittenSentence, engine: Engine) -> bool:
    """Whether a shown sentence has supporting evidence that occurs verbatim in a document."""
    for found in one.checked.evidence if one.checked else ():
        document = engine.store.document(found.citation.document_id)
        place = slice(found.citation.start, found.citation.end)
        if found.says == "supports" and document and document.text[place] == found.citation.quote:
            return True
    return False


def _planted(
    engine: Engine, questions: Sequence[Question], answers: int
) -> Iterator[tuple[Answer, Planted]]:
    rng = random.Random(11)
    known = sorted({name for q in questions for e in q.evidence for name in names(e.sentence)})
    asked = [question for question in questions if question.evidence]
    rng.shuffle(asked)
    made = dict.fromkeys(KINDS, 0)
    for question in asked:
        hits = tuple(engine.search(question.text))
        answer = Answer(question.text, "given", 1.0, (), (), hits, None, {})
        sources = sources_of(answer)
        found = next((s for s in sources if s.text == question.evidence[0].sentence), None)
        if found is None or not found.text.endswith(".") or len(names(found.text)) < 2:
            continue
        for kind in sorted(KINDS, key=lambda one: made[one]):
            if made[kind] < answers // len(KINDS) and (
                wrong := _wrong(kind, found, sources, known, rng)
            ):
                made[kind] += 1
                right = f"{found.text[:-1]} [{found.number}]."
                yield answer, Planted(kind, question.text, right, wrong)
                break


def _wrong(
    kind: str,
    right: WriterSource,
    sources: Sequence[WriterSource],
    known: Sequence[str],
    rng: random.Random,
) -> str | None:
    """A sentence with an error of this kind; None if the source does not allow one."""
    number = right.number
    if kind == "citation":
        wanted = content_words(right.text)
        others = [
            s.number for s in sources if len(wanted & content_words(s.text)) < 0.5 * len(wanted)
        ]
        return f"{right.text[:-1]} [{rng.choice(others)}]." if others else None
    if kind == "invented":
        name = rng.choice(names(right.text))
        return f"{rng.choice(_INVENTED).format(name)} [{number}]."
    said = swap_value(right.text, rng) if kind == "value" else swap_name(right.text, known, rng)
    return f"{said[:-1]} [{number}]." if said else None


if __name__ == "__main__":
    main()
