"""Makes groups to train the reader on as it is used: a question with the passages that search
returns for it.

python -m eval.experiments.reader_groups --cache DIR --out OUT [--medquad FILE] SET...

DIR is that of `eval.experiments.kept`, with an index of each set; OUT the folder that `python -m
eval.gold.training` made. Of a collection only questions of the half for fitting are used, in both
wordings, and of these only such as `kept` has not read, since the judge is fitted on those. Rivals
come from documents of that half, too. OUT gets three files for a recipe's `groups`:

asked-groups: the passage of the evidence beside the three that search ranks highest without it;
near misses have four.
headings-groups: a passage, asked for by its heading, which is taken away, beside passages of the
same document.
aspects-groups: sections of pages on health (MedQuAD, Ben Abacha & Demner-Fushman 2019), asked for
by what they are about, beside other sections of the same page.
"""

import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from eval.experiments.fit_judge import is_for_fitting
from eval.experiments.kept import COLLECTIONS, SETS, cached_questions
from eval.scripts import CACHE, GOLD, PATH, READER, finished, script
from rag import build
from rag.evaluation.gold import Question, in_other_words, read_jsonl
from rag.evaluation.set_files import json_lines
from rag.retrieval import Retriever
from rag.settings import Settings
from rag.types import Passage, path_of

PASSAGES = 4
"""Passages for each question."""
_DEPTH = 40
"""How far down the ranking the passage of the evidence is looked for."""
_MIN_CHARACTERS = 4
"""Characters; a shorter answer occurs by chance, so it counts as its whole sentence."""
_HEADINGS, _PAGES = 1200, 700
"""At most so many groups of these kinds."""
_WORDS = range(40, 160)
"""Number of words in a passage that is asked for by its heading."""
Row = dict[str, Any]


def groups_of_set(name: str, cache: Path, reader: str) -> Iterator[Row]:
    """The groups of a set's questions."""
    name_of_set = f"collections/{name}" if name in COLLECTIONS else name
    questions = read_jsonl(GOLD / f"{name_of_set}.jsonl")
    halved = name in COLLECTIONS
    reported = {
        evidence.document
        for question in questions
        if halved and not is_for_fitting(name, question)
        for evidence in question.evidence
    }
    fitted = [q for q in questions if not halved or is_for_fitting(name, q)]
    fitted += in_other_words(fitted)
    judged = {question.id for question in cached_questions(name, cache, fitted, reader)}

    with closing(_Search(cache / name)) as search:
        for question in tqdm([q for q in fitted if q.id not in judged], desc=name):
            hits = [p for p in search(question.text) if p.document_id not in reported]
            group_row = asked_row(question, hits)
            if group_row and len(group_row["passages"]) > 1:
                yield group_row


class _Search:
    """Finds passages in the index of a set."""

    def __init__(self, folder: Path) -> None:
        settings = Settings.load(index=folder / "index")
        embedder = build.embedder(settings)
        self.store = build.store(settings, embedder)
        self._retriever = Retriever(settings, self.store, embedder)

    def __call__(self, question: str) -> list[Passage]:
        return [hit.passage for hit in self._retriever.search(question, _DEPTH)]

    def close(self) -> None:
        self.store.close()


def asked_row(question: Question, passages: Sequence[Passage]) -> Row | None:
    """The group of a question; None if no passage that was found has its evidence."""
    places = [(passage, proofs(question, passage)) for passage in passages]
    answering = [(passage, texts) for passage, texts in places if texts][:2]
    rivals = [passage for passage, texts in places if not texts]

    if not question.answers:
        return row(question.text, (), rivals[:PASSAGES], spans=True)
    if not answering:
        return None

    read = [passage for passage, _ in answering] + rivals[: PASSAGES - len(answering)]
    answers = _short_answers(question, answering, rivals[: PASSAGES - len(answering)])
    if answers:
        return row(question.text, answers, read, spans=True)
    return row(question.text, [text for _, texts in answering for text in texts], read, spans=False)


def proofs(question: Question, passage: Passage) -> list[str]:
    """The sentences of the evidence as they are written in the passage."""
    texts = []
    for evidence in question.evidence:
        if evidence.document == passage.document_id:
            pattern = r"\s+".join(map(re.escape, evidence.sentence.split()))
            texts += [match.group() for match in re.finditer(pattern, passage.text)][:1]
    return texts


def _short_answers(
    question: Question, answering: Sequence[tuple[Passage, list[str]]], rivals: Sequence[Passage]
) -> list[str]:
    """The accepted spans, if they occur in the evidence and nowhere else."""
    if question.form != "span":
        return []
    in_evidence = [
        answer
        for answer in question.wordings
        if len(answer) >= _MIN_CHARACTERS
        and any(answer in text for _, texts in answering for text in texts)
    ]
    elsewhere = any(answer in rival.text for answer in in_evidence for rival in rivals)
    return [] if elsewhere else in_evidence


def row(question: str, answers: Sequence[str], passages: Sequence[Passage], spans: bool) -> Row:
    """A row of a file of groups."""
    texts = [[passage.context, passage.text] for passage in passages]
    return {"question": question, "answers": list(answers), "spans": spans, "passages": texts}


def headings(name: str, cache: Path, rng: random.Random) -> list[Row]:
    """Passages of a set, asked for by their heading, beside others of the same document."""
    rows = []
    with closing(_Search(cache / name)) as search:
        for document in search.store.documents():
            passages, _ = search.store.embedded(document.id)
            by_heading: dict[str, list[Passage]] = defaultdict(list)
            for passage in passages:
                by_heading[passage.innermost_heading].append(passage)
            for heading, passages_below in by_heading.items():
                rivals = [
                    p
                    for other_heading in by_heading
                    if other_heading != heading
                    for p in by_heading[other_heading]
                ]
                if (
                    len(passages_below) == 1
                    and len(heading.split()) > 1
                    and len(rivals) >= PASSAGES - 1
                ):
                    rows.append(_heading_row(passages_below[0], rng.sample(rivals, PASSAGES - 1)))
    return [group_row for group_row in rows if len(group_row["answers"][0].split()) in _WORDS]


def _heading_row(passage: Passage, rivals: Sequence[Passage]) -> Row:
    path = path_of([passage.title, *passage.headings[:-1]])
    group_row = row(passage.innermost_heading, [passage.text], [passage, *rivals], spans=False)
    group_row["passages"][0][0] = path
    return group_row | {"whole": True}


def aspects(path: Path, rng: random.Random) -> list[Row]:
    """Sections of a page, asked for by their question, beside others of the same page."""
    rows = []
    for page in json_lines(path):
        sections = [(s["question"], _beginning(s["answer"])) for s in page["sections"]]
        sections = [section for section in sections if len(section[1].split()) in _WORDS]
        if len(sections) < PASSAGES:
            continue
        picked = rng.sample(sections, PASSAGES)
        question, answer = picked[0]
        passages = [[page["focus"], text] for _, text in picked]
        rows.append(
            {
                "question": question,
                "answers": [answer],
                "spans": False,
                "whole": True,
                "passages": passages,
            }
        )
    return rows


def _beginning(text: str) -> str:
    """Whole paragraphs from the beginning, as many as a passage holds."""
    paragraphs: list[str] = []
    for paragraph in text.split("\n\n"):
        if paragraphs and len(" ".join([*paragraphs, paragraph]).split()) >= _WORDS.stop:
            break
        paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


@script(__doc__)
@CACHE
@click.option("--out", type=PATH, required=True, help="Folder of the recipe's sets.")
@click.option("--medquad", type=PATH, help="MedQuAD as gzipped JSON lines, a page a line.")
@READER
@click.argument("names", nargs=-1, type=click.Choice(list(SETS)), required=True)
def main(cache: Path, out: Path, medquad: Path | None, reader: str, names: tuple[str, ...]) -> None:
    rng = random.Random(0)
    groups = {
        "asked": [group_row for name in names for group_row in groups_of_set(name, cache, reader)],
        "headings": [group_row for name in names for group_row in headings(name, cache, rng)],
    }
    groups["headings"] = rng.sample(groups["headings"], min(_HEADINGS, len(groups["headings"])))
    if medquad:
        groups["aspects"] = aspects(medquad, rng)
        groups["aspects"] = rng.sample(groups["aspects"], min(_PAGES, len(groups["aspects"])))

    for kind, rows in groups.items():
        rng.shuffle(rows)
        with gzip.open(out / f"qa/{kind}-groups.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(group_row) + "\n" for group_row in rows)
    finished({kind: len(rows) for kind, rows in groups.items()})


if __name__ == "__main__":
    main()
