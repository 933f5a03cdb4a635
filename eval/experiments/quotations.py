"""How well `rag check` judges quotations: natural ones, and 100 made ones of each kind.

    python -m eval.experiments.quotations --data DATA

The documents are those of eval/gold and, from DATA, of collections/ and pdf/.

eval/gold/quotations-natural.jsonl has texts as people write them, with the verdict that a careful
editor gives on each of their quotations. The check was mended on one half of the texts; the other
half only reports.

For the made ones, a fifth of the documents is not indexed: their sentences are the quotations that
no document has. The makers know nothing of the judge: they find sentences and change them with
patterns of their own.
"""

import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, get_args

import click

from eval.scripts import GOLD, PATH, ROOT, script
from rag.claims.document_names import DocumentNames
from rag.claims.quotation_audit import QuotationAudit
from rag.claims.quotation_check import check_quotations
from rag.claims.quotations import find_quotations
from rag.claims.results import CheckedQuotation, QuotationVerdict
from rag.claims.split import split_claims
from rag.evaluation.set_files import json_lines
from rag.ingestion.pipeline import index
from rag.parsing.base import ParseError
from rag.parsing.files import find
from rag.parsing.load import load
from rag.store.local.store import LocalStore
from rag.types import Document
from tests.fakes import BagOfWordsEmbedder

_OF_EACH = 100
_MOST_FILES = 60
"""Files of each collection."""
_SENTENCE = re.compile(
    r"(?:\A|(?<=[.!?]\s))[A-Z][^.!?|#<>\[\]{}\"“”„«»…]{40,400}[.!?](?=\s+[A-Z]|\s*\Z)"
)
_PAIRS = ("“”", "„“", "«»", '""', "‘’", "''")
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)|(?<=s)['’](?= \w)")
"""An apostrophe, which a quotation in single marks may have."""
_LIGATURES = (("ffi", "ﬃ"), ("fi", "ﬁ"), ("fl", "ﬂ"), ("ff", "ﬀ"))
Maker = Callable[[random.Random, "Corpus"], "Made"]
Change = Callable[[random.Random, str], str]


class Made(NamedTuple):
    """A text with one quotation, and what it cites."""

    text: str
    sources: dict[int, str]
    variant: str


class Corpus(NamedTuple):
    """(document id, sentence) pairs that occur once, indexed and not."""

    indexed: Sequence[tuple[str, str]]
    unindexed: Sequence[tuple[str, str]]


def documents(data: Path | None) -> Iterator[Document]:
    names = ("mixed", "household", "office", "reports", "attributes", "shelf", "cells")
    folders = [*(GOLD / name for name in names), ROOT / "seeds"]
    if data:
        folders += [*sorted((data / "collections").iterdir()), data / "pdf"]
    for folder in folders:
        files = sorted(find([folder]), key=lambda found_file: str(found_file.path))
        random.Random(folder.name).shuffle(files)
        for file in files[: 12 if folder.name == "pdf" else _MOST_FILES]:
            try:
                yield from load(file).documents
            except ParseError as error:
                print(file.path, error, file=sys.stderr)


def letters(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())


def corpus(indexed: Sequence[Document], unindexed: Sequence[Document]) -> Corpus:
    everything = "\n".join(letters(document.text) for document in (*indexed, *unindexed))
    return Corpus(
        list(_unique_sentences(indexed, everything)), list(_unique_sentences(unindexed, everything))
    )


def _unique_sentences(documents: Sequence[Document], everything: str) -> Iterator[tuple[str, str]]:
    for document in documents:
        for paragraph in re.split(r"\n\s*\n", document.text):
            for match in _SENTENCE.finditer(paragraph.strip()):
                sentence = match[0]
                last_word = re.findall(r"\w+", sentence)[-1]
                has_length = 10 <= len(sentence.split()) <= 50 and len(last_word) > 3
                if has_length and everything.count(letters(sentence)) == 1:
                    yield document.id, sentence


def quoted(
    random: random.Random, quote: str, lead_in: str = "It says: ", continuation: str = ""
) -> str:
    without_apostrophes = _APOSTROPHE.sub("", quote)
    unused = [pair for pair in _PAIRS if not set(pair) & set(without_apostrophes)]
    pair = random.choice(unused)
    spaced = f" {quote} " if pair == "«»" and random.random() < 0.7 else quote
    return f"{lead_in}{pair[0]}{spaced}{pair[1]}{continuation}"


# Makers


def exact(random: random.Random, corpus: Corpus) -> Made:
    """As written, but for two of the changes that a quotation may have."""
    name, sentence = random.choice(corpus.indexed)
    changes = random.sample(list(_HARMLESS), 2)
    for change in changes:
        sentence = _HARMLESS[change](random, sentence)
    variant = "+".join(changes)
    if random.random() < 0.15:
        lines = "\n".join(f"> {line}" for line in sentence.split("\n"))
        return Made(f"The text reads [1]:\n\n{lines}\n\nSo it is.", {1: name}, variant + "+block")
    return Made(quoted(random, sentence, continuation=" [1]."), {1: name}, variant)


def _wrapped(random: random.Random, text: str) -> str:
    words = text.split()
    place = random.randrange(2, len(words) - 2)
    gap = random.choice(["\n", "  ", "\u00a0", " \n  "])
    return " ".join(words[:place]) + gap + " ".join(words[place:])


def _hyphenated(random: random.Random, text: str) -> str:
    long_words = list(re.finditer(r"(?<=\s)[a-z]{7,}(?=\s)", text))
    if not long_words:
        return text
    match = random.choice(long_words)
    place = random.randrange(match.start() + 3, match.end() - 2)
    return f"{text[:place]}-\n{text[place:]}"


def _ligatures(random: random.Random, text: str) -> str:
    for letters_of_sign, sign in _LIGATURES:
        text = text.replace(letters_of_sign, sign)
    return text


def _signs(random: random.Random, text: str) -> str:
    text = text.translate(str.maketrans("'’", "’'"))
    dash = random.choice(["—", "–", "--"])
    dashes = r"\s[-–—]\s|—|(?<=\d)–(?=\d)"
    return re.sub(dashes, lambda m: dash if m[0].strip() == m[0] else f" {dash} ", text)


def _sic(random: random.Random, text: str) -> str:
    words = text.split(" ")
    place = random.randrange(3, len(words) - 1)
    note = random.choice(["[sic]", "[the writer]", "[now]"])
    return " ".join([*words[:place], note, *words[place:]])


_HARMLESS: dict[str, Change] = {
    "wrapped": _wrapped,
    "hyphenated": _hyphenated,
    "ligatures": _ligatures,
    "signs": _signs,
    "first": lambda random, text: text[0].lower() + text[1:],
    "bracketed": lambda random, text: f"[{text[0].swapcase()}]{text[1:]}",
    "sic": _sic,
}


def altered(random: random.Random, corpus: Corpus) -> Made:
    while True:
        name, sentence = random.choice(corpus.indexed)
        change = random.choice(list(_HARMFUL))
        changed = _HARMFUL[change](random, sentence)
        if changed and letters(changed) != letters(sentence):
            return Made(quoted(random, changed, continuation=" [1]."), {1: name}, change)


def _swapped(pattern: str, *replacements: str) -> Change:
    """Replaces one match, a number without replacements by a larger one; "" without a match."""

    def change(random: random.Random, text: str) -> str:
        matches = list(re.finditer(pattern, text))
        if not matches:
            return ""
        match = random.choice(matches)
        if replacements:
            replacement = random.choice(replacements)
        else:
            replacement = str(int(match[0]) + random.randrange(1, 30))
        return text[: match.start()] + replacement + text[match.end() :]

    return change


def _denial(random: random.Random, text: str) -> str:
    if re.search(r"\bnot ", text):
        return re.sub(r"\bnot ", "", text, count=1)
    return re.sub(r"\b(is|are|was|were|must|may|can|will|shall|should)\b", r"\1 not", text, count=1)


def _dropped(random: random.Random, text: str) -> str:
    words = text.split()
    place = random.randrange(2, len(words) - 3)
    return " ".join(words[:place] + words[place + random.choice([1, 2]) :])


_HARMFUL: dict[str, Change] = {
    "number": _swapped(r"\b\d+\b"),
    "denial": _denial,
    "name": _swapped(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b", "Halvorsen", "Brenner", "Lisbon"),
    "word": _swapped(r"(?<= )[a-z]{4,}(?= )", "always", "seldom", "perhaps"),
    "dropped": _dropped,
}


def stitched(random: random.Random, corpus: Corpus) -> Made:
    while True:
        (name, sentence), (other_name, other_sentence) = random.sample(list(corpus.indexed), 2)
        if random.random() < 0.6:
            same_document = [pair for pair in corpus.indexed if pair[0] == name]
            other_name, other_sentence = random.choice(same_document)
        head = sentence.split()
        head = head[: random.randrange(6, len(head) - 1)]
        tail = other_sentence.split()
        tail = tail[random.randrange(1, max(2, len(tail) - 7)) :]

        if letters(sentence) == letters(other_sentence) or len(tail) < 6:
            continue
        has_gap = random.random() < 0.5
        joint = random.choice([" … ", " ... ", " […] ", " . . . "]) if has_gap else " "
        variant = "with" if has_gap else "without"
        if name != other_name:
            variant += ", two"
        quote = " ".join(head) + joint + " ".join(tail)
        text = quoted(random, quote, continuation=" [1].")
        return Made(text, {1: name}, variant)


def cut(random: random.Random, corpus: Corpus) -> Made:
    while True:
        name, sentence = random.choice(corpus.indexed)
        words = sentence.split()
        commas = [n for n in range(5, len(words) - 2) if words[n - 1][-1] in ",;:"]
        place = random.choice(commas or [random.randrange(6, len(words) - 3)])
        if len(words) - place >= 3:
            quote = " ".join(words[:place]).rstrip(",;:") + random.choice(["", ".", ","])
            variant = "comma" if commas else "anywhere"
            return Made(quoted(random, quote, continuation=" [1]."), {1: name}, variant)


def misattributed(random: random.Random, corpus: Corpus) -> Made:
    while True:
        name, sentence = random.choice(corpus.indexed)
        wrong_name, _ = random.choice(corpus.indexed)
        if wrong_name == name:
            continue
        variant = "exact"
        if random.random() < 0.3:
            sentence = _HARMFUL["number"](random, sentence) or _denial(random, sentence)
            variant = "changed"
        way = random.choice(["mark", "file", "list"])
        text_before = f"According to {wrong_name}, " if way == "file" else "It says: "
        listed = f" [2].\n\n[1] {name}\n[2] {wrong_name}\n"
        text_after = {"mark": " [1].", "file": "", "list": listed}[way]
        sources = {1: wrong_name} if way == "mark" else {}
        return Made(quoted(random, sentence, text_before, text_after), sources, f"{way}, {variant}")


def not_found(random: random.Random, corpus: Corpus) -> Made:
    _, sentence = random.choice(corpus.unindexed)
    cited, _ = random.choice(corpus.indexed)
    if random.random() < 0.5:
        return Made(quoted(random, sentence, continuation=" [1]."), {1: cited}, "cites")
    return Made(quoted(random, sentence), {}, "cites nothing")


MAKERS: tuple[Maker, ...] = (exact, altered, stitched, cut, misattributed, not_found)


def judged(store: LocalStore, example: Made) -> list[CheckedQuotation]:
    claims = split_claims(example.text)
    document_names = DocumentNames(store.documents())
    listed = {n: document_names.source(line) for n, line in claims.sources.items()}
    sources = {n: name for n, name in listed.items() if name} | example.sources
    quotations = find_quotations(example.text, claims.sentences)
    audit = QuotationAudit(store, example.text, sources, document_names)
    return [audit.judge(quotation) for quotation in quotations]


def measure(store: LocalStore, corpus: Corpus, show: bool, seed: int) -> list[str]:
    """A table: the verdicts on each kind."""
    random_numbers = random.Random(seed)
    lines = ["| kind | right | faulted | verdicts |", "|---|--:|--:|---|"]
    for maker in MAKERS:
        kind = maker.__name__
        verdicts = Counter[str]()
        right_verdicts = faults = 0
        for _ in range(_OF_EACH):
            example = maker(random_numbers, corpus)
            checked = judged(store, example)
            verdict = checked[0].verdict if len(checked) == 1 else f"{len(checked)} quotations"
            verdicts[verdict] += 1
            right_verdicts += verdict == kind
            faults += any(quotation.is_fault for quotation in checked)
            if show and verdict != kind:
                print(f"\n--- {kind} ({example.variant}): {verdict}")
                print(example.text, example.sources, sep="\n")
                for quotation in checked:
                    places = [(p.document_id, p.quote) for p in quotation.places]
                    print(quotation.reason, quotation.differs, quotation.rest, places, sep="\n  ")
        counted = ", ".join(f"{name} {count}" for name, count in verdicts.most_common())
        lines.append(f"| {kind} | {right_verdicts} | {faults} | {counted} |")
    return lines


# Natural quotations


class QuotationLabel(NamedTuple):
    """What an editor says of `text[start:end]`, the quotation with its marks. Its verdict is "none"
    if it is no quotation that a check should judge: a title, a term, wording that is proposed.
    """

    start: int
    end: int
    verdict: str
    is_fault: bool


class Judged(NamedTuple):
    """An editor's label on some words of a text, and the check's verdicts on them."""

    words: str
    label: QuotationLabel
    checked: Sequence[CheckedQuotation]

    @property
    def verdict(self) -> str:
        verdicts = {quotation.verdict for quotation in self.checked}
        if not verdicts:
            return "none"
        return verdicts.pop() if len(verdicts) == 1 else "several"

    @property
    def is_fault(self) -> bool:
        return any(quotation.is_fault for quotation in self.checked)

    @property
    def is_right(self) -> bool:
        return (self.verdict, self.is_fault) == (self.label.verdict, self.label.is_fault)


def named_documents(rows: Iterable[dict[str, Any]], data: Path | None) -> Iterator[Document]:
    """The documents that the texts quote, as far as they are here."""
    names = {name for row in rows for name in row["documents"]}
    roots = [GOLD, ROOT, *([data / "collections"] if data else [])]
    for folder in sorted({name.partition("/")[0] for name in names}):
        for file in find([root / folder for root in roots if (root / folder).is_dir()]):
            if file.document_id in names:
                yield from load(file).documents


def labels(row: dict[str, Any]) -> Iterator[QuotationLabel]:
    reached = 0
    for item in row["quotations"]:
        start = row["text"].index(item["quote"], reached)
        reached = start + len(item["quote"])
        yield QuotationLabel(start, reached, item["verdict"], item["is_fault"])


def judged_row(store: LocalStore, row: dict[str, Any]) -> Iterator[Judged]:
    """Each label with what the check found there, then what it found where no label is."""
    text = row["text"]
    quotations = check_quotations(store, row["text"]).quotations
    labelled_starts = set[int]()
    for label in labels(row):
        labelled = [q for q in quotations if label.start <= q.start < label.end]
        labelled_starts |= {quotation.start for quotation in labelled}
        yield Judged(text[label.start : label.end], label, labelled)
    for quotation in quotations:
        if quotation.start not in labelled_starts:
            label = QuotationLabel(quotation.start, quotation.end, "none", is_fault=False)
            yield Judged(quotation.text, label, [quotation])


def natural_table(judged: Sequence[Judged]) -> list[str]:
    """Precision and recall of each verdict, and of calling a fault."""
    lines = ["| verdict | quotations | precision | recall |", "|---|--:|--:|--:|"]
    for verdict in (*get_args(QuotationVerdict), "none"):
        pairs = [(item.verdict == verdict, item.label.verdict == verdict) for item in judged]
        lines.append(_row(verdict, pairs))
    return [*lines, _row("a fault", [(item.is_fault, item.label.is_fault) for item in judged])]


def _row(name: str, pairs: Sequence[tuple[bool, bool]]) -> str:
    """A row of the table, from pairs (whether the check says so, whether the editor does)."""
    by_check, by_editor = (sum(side) for side in zip(*pairs, strict=True))
    agreed = pairs.count((True, True))
    return f"| {name} | {by_editor} | {agreed} of {by_check} | {agreed} of {by_editor} |"


def natural(store: LocalStore, rows: Sequence[dict[str, Any]], show: bool) -> None:
    """Prints the table of each half."""
    for half in ("mend", "report"):
        judged = [item for row in rows if row["half"] == half for item in judged_row(store, row)]
        right_verdicts = sum(item.is_right for item in judged)
        print(f"\n{half}: {right_verdicts} of {len(judged)} verdicts right")
        print("\n".join(natural_table(judged)))
        for item in judged if show else ():
            if not item.is_right:
                fault = "fault" if item.label.is_fault else "no fault"
                print(f"\n--- {item.label.verdict}, {fault}: {item.words}")
                for quotation in item.checked:
                    places = [place.quote for place in quotation.places]
                    fault = "fault" if quotation.is_fault else "no fault"
                    print(f"  {quotation.verdict}, {fault}: {quotation.reason} {places}")


@contextmanager
def indexed(documents: Sequence[Document]) -> Iterator[LocalStore]:
    embedder = BagOfWordsEmbedder(dim=8)
    expect = {"embedder": embedder.name, "dim": "8", "passage_tokens": "160"}
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder), expect, create=True)
        index(documents, store, embedder)
        stats = store.stats()
        print(f"\n{stats.documents} documents, {stats.passages} passages")
        yield store
        store.close()


@script(__doc__)
@click.option("--data", type=PATH, help="Folder with collections/ and pdf/.")
@click.option("--show", is_flag=True, help="Print each wrong verdict.")
@click.option("--seed", default=7, help="Seed of the random numbers.")
@click.option("--only", "kind", type=click.Choice(["natural", "made"]), help="Measure only these.")
def main(data: Path | None, show: bool, seed: int, kind: str | None) -> None:
    everything = list({document.id: document for document in documents(data)}.values())
    if kind != "made":
        rows = list(json_lines(GOLD / "quotations-natural.jsonl"))
        by_id = {document.id: document for document in named_documents(rows, data)}
        present_rows = [row for row in rows if by_id.keys() >= set(row["documents"])]
        indexed_by_id = {document.id: document for document in everything} | by_id
        with indexed(list(indexed_by_id.values())) as store:
            natural(store, present_rows, show)
    if kind != "natural":
        indexed_documents = [document for number, document in enumerate(everything) if number % 5]
        sentences = corpus(indexed_documents, everything[::5])
        with indexed(indexed_documents) as store:
            print(f"{len(sentences.indexed)} sentences")
            print("\n".join(measure(store, sentences, show, seed)))


if __name__ == "__main__":
    main()
