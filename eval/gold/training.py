"""Makes training sets from the questions in training*.jsonl.

training.jsonl is about manuals, office files and encyclopaedias; -tables and -items about tables,
and one cell or one item of a list; -lists about lists, steps, and what follows from a sentence;
-figures about the fields of forms and the figures of reports; -attributes about what is said of a
name only in passing ("the 1948 election", "(FBI)"); -pairs has pairs that differ in the word that
decides; -faq headings that are, or only look like, the question; -statements claims to check;
-openings what people say before they ask.

    apt-get download $(python -m eval.gold.training --packages)
    python -m eval.gold.training OUT DATA *.deb
    rag train reader --data OUT --recipe rag/training/recipes/reader-2.toml --init accurate \\
        --out FOLDER
    python -m eval.gold.training --forms forms.jsonl
    rag train forms --data forms.jsonl --out rag/answering/forms.safetensors

A row is a passage with its questions: form, text, and offsets of the answers in the passage (none
if it does not answer; several for rows of a table). Passages of manuals stay in their Debian
packages (Debian 13) and those of the encyclopaedia in DATA's squad-train-parts; their rows name the
file and the passage's SHA-256. Rows contain invented texts in full. OUT gets links to DATA's sets,
qa/NAME-spans.json.gz and qa/NAME-sentences.json.gz for each of these files, and
claims/yesno.jsonl.gz with these sets, and questions about rules, added. The questions of one
passage in eight are not for training: held-out.json, held-out-tables.json and so on. Passages that
this version of the parser splits differently are counted and left out.
"""

import gzip
import hashlib
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import click
from transformers import AutoTokenizer

from eval.gold.collections import unpack
from eval.scripts import GOLD, PATH, script
from rag.errors import NotFoundError
from rag.evaluation.set_files import json_lines, open_text
from rag.ingestion.chunking import TokenCounter, split_document
from rag.meaning.words import HAVE, MODALS, QUESTION_WORDS
from rag.models.registry import reader_path
from rag.parsing.base import ParseError
from rag.parsing.files import find
from rag.parsing.load import load
from rag.training.batches import token_counter
from rag.training.data import Article, read_squad
from rag.types import TALK, path_of

_MATERIALS = "tables lists figures attributes pairs faq statements items".split()
FILES = {"own": "training.jsonl"} | {name: f"training-{name}.jsonl" for name in _MATERIALS}
HELD_OUT = {"own": "held-out.json"} | {name: f"held-out-{name}.json" for name in _MATERIALS}
Row = dict[str, Any]
SPANS = ("span", "none")
SENTENCES = ("sentences", "list", "steps", "yes", "no", "maybe")
"""Forms of the questions that each head learns from; no sentence decides a "maybe"."""

WEIGHTS = {"own": 0.125, "tables": 0.25, "lists": 0.25, "figures": 0.25}
"""Weight in the form classifier of a question that was not labelled for it, relative to one that
was; facts, which are asked most, have twice that."""
_QUESTION_WORDS = 46
"""Longer questions do not fit beside a text in the reader's window."""
_YES_NO = {"yes": "yes_no", "no": "yes_no", "maybe": "yes_no"}
FORMS = {
    "own": {"span": "span", "sentences": "sentences", **_YES_NO},
    "tables": {"span": "span", "list": "list", **_YES_NO},
    "lists": {form: form for form in ("span", "sentences", "list", "steps")} | _YES_NO,
    "figures": {"span": "span", "list": "list", **_YES_NO},
}
"""Form of the answer by that of the question; a "list" of "own" may be sentences of a text."""
_SHARE_OPENED = 0.35
"""Share of the questions that were not labelled which are also learned behind an opening."""
_WEIGHT_OPENED = 0.5
"""Weight of a question behind an opening, relative to the same without."""
_JOINTS = (", ", ", ", ". ", ": ", " - ", "; ", " and ", ", so ")
"""What joins a sentence and the question after it; a comma is twice as likely as the others."""
_STARTS = (QUESTION_WORDS | HAVE | MODALS).union(
    "what's is are was were do does did am in on at by from to up for with of under until since "
    "list name summarise summarize tell give explain describe compare show".split()
)
"""First words of questions that are not names."""


def rows(name: str = "own") -> list[Row]:
    """The rows of a file; those of "own" with their questions in other words after the others."""
    read = list(json_lines(GOLD / FILES[name]))
    if name == "own":
        by_passage = {row["sha256"]: row for row in read if "sha256" in row}
        for wording in json_lines(GOLD / "training-plain.jsonl"):
            questions = by_passage[wording["passage"]]["questions"]
            form, _, *place = questions[wording["question"]]
            questions.append([form, wording["plain"], *place])
    return read


def with_texts(selected: Sequence[Row], data: Path, packages: Path) -> Iterator[Row]:
    """The rows whose passages are found, with their `text`; `packages` are unpacked there."""
    squad = {
        article["title"]: article["paragraphs"]
        for article in read_squad(data / "qa/squad-train-parts.json.gz")
    }
    count = token_counter(AutoTokenizer.from_pretrained(reader_path("accurate")[0]))
    texts: dict[Path, dict[str, str]] = {}
    for row in selected:
        if "text" in row:
            yield row
        elif "set" in row:
            yield row | {"text": squad[row["article"]][row["paragraph"]]["context"]}
        else:
            file = packages / row["package"] / row["document"]
            if file not in texts:
                texts[file] = _passages(file, count)
            if row["sha256"] in texts[file]:
                yield row | {"text": texts[file][row["sha256"]]}


def _passages(file: Path, count: TokenCounter) -> dict[str, str]:
    """The passages of a file by the beginning of their SHA-256; {} if it cannot be read, or a newer
    version of its package no longer has it.
    """
    try:
        documents = [
            document for file_found in find([file]) for document in load(file_found).documents
        ]
    except (NotFoundError, ParseError):
        return {}
    passages = [
        passage.text for document in documents for passage in split_document(document, count)
    ]
    return {hashlib.sha256(text.encode()).hexdigest()[:16]: text for text in passages}


def write(sets: Mapping[str, Sequence[Row]], data: Path, target: Path) -> None:
    """The sets of the rows by name, beside links to those of `data`."""
    for source in sorted(data.glob("*/*.gz")):
        link = target / source.relative_to(data)
        link.parent.mkdir(parents=True, exist_ok=True)
        if source.name != "yesno.jsonl.gz" and not link.exists():
            link.symlink_to(source.resolve())
    with open_text(data / "claims/yesno.jsonl.gz") as file:
        stored = file.read()
    with gzip.open(target / "claims/yesno.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(stored)
        for name, all_rows in sets.items():
            learnt = [row for row in all_rows if row["split"] == "train"]
            _write_squad(learnt, SPANS, target / f"qa/{name}-spans.json.gz")
            _write_squad(learnt, SENTENCES, target / f"qa/{name}-sentences.json.gz")
            file.writelines(json.dumps(row | {"set": name}) + "\n" for row in verdicts(learnt))
            held_out = [row for row in all_rows if row["split"] != "train"]
            (target / HELD_OUT[name]).write_text(json.dumps(held_out), encoding="utf-8")
        file.writelines(json.dumps(row) + "\n" for row in conditions(data))


def _write_squad(rows_written: Sequence[Row], forms: Sequence[str], path: Path) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump({"version": "2.0", "data": squad_articles(rows_written, forms)}, file)


def squad_articles(rows_used: Sequence[Row], forms: Sequence[str]) -> list[Article]:
    """Questions of these forms in SQuAD's format; a passage is an article."""
    return [
        {"title": row.get("context", ""), "paragraphs": [{"context": row["text"], "qas": qas}]}
        for row in rows_used
        if (
            qas := [
                _squad(row["text"], *question)
                for question in row["questions"]
                if question[0] in forms
            ]
        )
    ]


def _squad(text: str, form: str, question: str, *places: int) -> Row:
    """`places` are starts and ends in turn."""
    pairs = zip(places[::2], places[1::2], strict=True)
    answers = [{"text": text[start:end], "answer_start": start} for start, end in pairs]
    return {"question": question, "answers": answers, "is_impossible": not answers}


def verdicts(rows_used: Sequence[Row]) -> Iterator[Row]:
    """The yes/no questions as rows of yesno.jsonl.gz."""
    for row in rows_used:
        about = {"title": row.get("context", ""), "context": row["text"]}
        for form, question, *_ in row["questions"]:
            if form in ("yes", "no", "maybe"):
                yield {"question": question, "label": form, **about}


def conditions(data: Path) -> Iterator[Row]:
    """Questions about rules as rows of yesno.jsonl.gz: those of DATA's claims/conditions, but for a
    third of its texts, which is for reporting, and our own. What the asker says of themselves comes
    before the question or after it.
    """
    for rule in json_lines(data / "claims/conditions.jsonl.gz"):
        if is_reported(rule["tree"]):
            continue
        situation = rule["situation"].strip()
        told_first = len(situation.split()) % 2 == 0
        parts = [situation, rule["question"]] if told_first else [rule["question"], situation]
        question = " ".join(filter(None, parts))
        if len(question.split()) <= _QUESTION_WORDS:
            label = "maybe" if rule["label"] == "not_said" else rule["label"]
            about = {"context": rule["context"], "title": ""}
            yield {"question": question, "label": label, "set": "rules", **about}

    for row in json_lines(GOLD / "training-verdicts.jsonl"):
        about = {
            "context": row["text"],
            "title": path_of(filter(None, [row["title"], row["heading"]])),
        }
        for label, question in row["questions"]:
            label = "maybe" if label == "not_said" else label
            yield {"question": question, "label": label, "set": "own-rules", **about}


def is_reported(tree: str) -> bool:
    """Whether the questions on a text of claims/conditions are for reporting only."""
    return int(tree[:8], 16) % 3 == 0


def labelled_forms() -> Iterator[Row]:
    """Questions with their form, for the form classifier: as they were written, and many of them
    once more behind an opening, which does not change what they want.
    """
    openings = list(json_lines(GOLD / "training-openings.jsonl"))
    choices = random.Random(0)
    for row in _written_forms():
        yield row

        is_labelled = "weight" not in row
        is_opened = is_labelled or choices.random() < _SHARE_OPENED
        if row["form"] == TALK or not is_opened:
            continue

        question = _opened(row["question"], choices.choice(openings), choices)
        weight = _WEIGHT_OPENED * row.get("weight", 1.0)
        yield {"question": question, "form": row["form"], "weight": weight}


def _opened(question: str, opening: Row, choices: random.Random) -> str:
    """A question behind what a person says first: "I'm a pensioner, when is ...?"."""
    joints = {"sentence": _JOINTS, "comma": (", ",), "none": (" ",)}
    joint = choices.choice(joints[opening["joint"]])

    first_word = question.partition(" ")[0]
    if joint != ". " and first_word.lower() in _STARTS:
        question = question[0].lower() + question[1:]
    return f"{opening['opening']}{joint}{question}"


def _written_forms() -> Iterator[Row]:
    """The questions of questions-forms.jsonl, and those for training the reader, whose form follows
    from how they are answered and which count less.
    """
    yield from json_lines(GOLD / "questions-forms.jsonl")
    for name, weight in WEIGHTS.items():
        learnt = (row["questions"] for row in rows(name) if row["split"] == "train")
        for form, question, *_ in chain.from_iterable(learnt):
            if form in FORMS[name]:
                share = 2 * weight if form == "span" else weight
                yield {"question": question, "form": FORMS[name][form], "weight": share}


@script(__doc__)
@click.argument("places", type=PATH, nargs=-1, metavar="[OUT DATA PACKAGE...]")
@click.option("--packages", is_flag=True, help="Only print the names of the Debian packages.")
@click.option("--forms", type=PATH, help="Only write the questions with their forms to a file.")
def main(places: tuple[Path, ...], packages: bool, forms: Path | None) -> None:
    sets = {name: rows(name) for name in FILES}
    if packages:
        print(*sorted({row["package"] for row in sets["own"] if "package" in row}))
        return
    if forms:
        lines = (json.dumps(row, ensure_ascii=False) for row in labelled_forms())
        forms.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return
    if len(places) < 2:
        raise click.UsageError("OUT and DATA are missing")
    target, data, *debs = places
    with tempfile.TemporaryDirectory() as folder:
        for package in debs:
            unpacked = Path(folder, package.name.split("_")[0])
            unpack(package, unpacked)
        texts = {name: with_texts(set_rows, data, Path(folder)) for name, set_rows in sets.items()}
        complete = {name: list(set_rows) for name, set_rows in texts.items()}
    write(complete, data, target)
    counts = Counter[str]()
    for row in chain.from_iterable(complete.values()):
        counts[row["split"]] += len(row["questions"])
    left_out = sum(len(sets[name]) - len(complete[name]) for name in FILES)
    print(json.dumps({**counts, "passages left out": left_out}), file=sys.stderr)


if __name__ == "__main__":
    main()
