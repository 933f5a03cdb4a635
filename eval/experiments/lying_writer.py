"""Measures how many errors planted by a writer the check of written answers catches.

    python -m eval.experiments.lying_writer --index index --out eval/results/lying_writer.json

A real HTTP server answers gold questions with two sentences: a quotation with its source, and a
sentence with a planted error: a changed year or number, a changed name, an invented sentence, or a
correct sentence with a wrong citation. The check uses the settings' reader. An error is caught if
its sentence is struck; a quotation is kept if it is not.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from eval.experiments.made_claims import all_names, swap_name, swap_value
from eval.scripts import GOLD, OUT, PATH, finished, script
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
    quotation: str
    falsehood: str


@script(__doc__)
@click.option("--gold", type=PATH, default=GOLD / "seeds.jsonl", help="Questions to answer.")
@click.option("--index", type=PATH, default="index", help="Index of their documents.")
@click.option("--answers", default=100, help="Number of answers with an error.")
@OUT
def main(gold: Path, index: Path, answers: int, out: Path | None) -> None:
    engine = build.engine(Settings.load(index=index))
    finished(measured(engine, read_jsonl(gold), answers), out)


def measured(engine: Engine, questions: Sequence[Question], answers: int) -> dict[str, Any]:
    """Over this many answers, equally many of each of KINDS: errors caught by kind, and quotations
    kept. Sentences that passed have a supporting quote, or are in "without a quote".
    """
    checker = Checker(engine)
    rows: list[tuple[Planted, Written]] = []
    for answer, planted in tqdm(_planted(engine, questions, answers), total=answers, disable=None):
        written = f"{planted.quotation} {planted.falsehood}"
        with writing(lambda sentences, question, written=written: written) as served:  # type: ignore[misc]
            rows.append((planted, Writer(ChatServer(served.address), checker).write(answer)))
    struck = [(planted, _sentence(w, planted.falsehood).struck != "") for planted, w in rows]
    caught = {kind: [flag for planted, flag in struck if planted.kind == kind] for kind in KINDS}
    kept_sentences = [
        written_sentence
        for _, written in rows
        for written_sentence in written.sentences
        if not written_sentence.struck
    ]
    return {
        "reader": engine.reader.name,
        "answers": len(rows),
        "caught": sum(map(sum, caught.values())),
        "caught by kind": {kind: f"{sum(flags)} of {len(flags)}" for kind, flags in caught.items()},
        "quotations kept": sum(not _sentence(w, p.quotation).struck for p, w in rows),
        "without a quote": sum(not has_quote(sentence, engine) for sentence in kept_sentences),
        "passed": [{"kind": p.kind, "written": p.falsehood} for p, flag in struck if not flag],
        "quotations struck": [p.quotation for p, w in rows if _sentence(w, p.quotation).struck],
    }


def _sentence(written: Written, text: str) -> WrittenSentence:
    return next(sentence for sentence in written.sentences if sentence.text == text)


def has_quote(sentence: WrittenSentence, engine: Engine) -> bool:
    """Whether a shown sentence has supporting evidence that occurs verbatim in a document."""
    supporting = sentence.checked.evidence if sentence.checked else ()
    cited = [evidence.citation for evidence in supporting if evidence.says == "supports"]
    return any(
        document.text[place.start : place.end] == place.quote
        for place in cited
        if (document := engine.store.document(place.document_id))
    )


def _planted(
    engine: Engine, questions: Sequence[Question], answers: int
) -> Iterator[tuple[Answer, Planted]]:
    rng = random.Random(11)
    known_names = all_names(questions)
    questions_with_evidence = [question for question in questions if question.evidence]
    rng.shuffle(questions_with_evidence)
    counts = dict.fromkeys(KINDS, 0)
    for question in questions_with_evidence:
        hits = tuple(engine.search(question.text))
        answer = Answer(question.text, "given", 1.0, (), (), hits, None, {})
        sources = sources_of(answer)
        source = next((s for s in sources if s.text == question.evidence[0].sentence), None)
        if source is None or not source.text.endswith(".") or len(names(source.text)) < 2:
            continue
        for kind in sorted(KINDS, key=lambda kind: counts[kind]):
            if counts[kind] < answers // len(KINDS) and (
                falsehood := _falsehood(kind, source, sources, known_names, rng)
            ):
                counts[kind] += 1
                quotation = f"{source.text[:-1]} [{source.number}]."
                yield answer, Planted(kind, quotation, falsehood)
                break


def _falsehood(
    kind: str,
    source: WriterSource,
    sources: Sequence[WriterSource],
    known_names: Sequence[str],
    rng: random.Random,
) -> str | None:
    """A sentence with an error of this kind; None if the source does not allow one."""
    number = source.number
    if kind == "citation":
        words = content_words(source.text)
        shared = {s.number: len(words & content_words(s.text)) for s in sources}
        dissimilar = [
            cited_number for cited_number, count in shared.items() if count < 0.5 * len(words)
        ]
        return f"{source.text[:-1]} [{rng.choice(dissimilar)}]." if dissimilar else None
    if kind == "invented":
        name = rng.choice(names(source.text))
        return f"{rng.choice(_INVENTED).format(name)} [{number}]."
    if kind == "value":
        changed = swap_value(source.text, rng)
    else:
        changed = swap_name(source.text, known_names, rng)
    return f"{changed[:-1]} [{number}]." if changed else None


if __name__ == "__main__":
    main()
