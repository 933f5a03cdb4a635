"""How well `rag check` judges quotations: 100 made ones of each kind, from real documents.

    python -m eval.experiments.quotations --data DATA [--show]

The documents are those of eval/gold and, from DATA, of collections/ and pdf/. A fifth of them is
not indexed: their sentences are the quotations that no document has. The makers know nothing of
the judge: they find sentences and change them with patterns of their own. --show prints each wrong
verdict.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rag.claims.document_names import DocumentNames
from rag.claims.quotation_audit import audit_quotations
from rag.claims.quotations import find_quotations
from rag.claims.results import CheckedQuotation
from rag.claims.split import split_claims
from rag.ingestion.pipeline import index
from rag.parsing.base import ParseError
from rag.parsing.files import find
from rag.parsing.load import load
from rag.store.local.store import LocalStore
from rag.types import Document
from tests.fakes import BagOfWordsEmbedder

KINDS = ("exact", "altered", "stitched", "cut", "misattributed", "not_found")
_OF_EACH = 100
_MOST_FILES = 60
"""Files of each collection."""
_SENTENCE = re.compile(
    r"(?:\A|(?<=[.!?]\s))[A-Z][^.!?|#<>\[\]{}\"“”„«»…]{40,400}[.!?](?=\s+[A-Z]|\s*\Z)"
)
_PAIRS = ("“”", "„“", "«»", '""')
_LIGATURES = (("ffi", "ﬃ"), ("fi", "ﬁ"), ("fl", "ﬂ"), ("ff", "ﬀ"))
Maker = Callable[[random.Random, "Corpus"], "Made"]


@dataclass(frozen=True)
class Made:
    """A text with one quotation, and what it cites."""

    text: str
    sources: dict[int, str] = field(default_factory=dict)
    variant: str = ""


@dataclass(frozen=True)
class Corpus:
    """(document id, sentence) pairs that occur once, indexed and not."""

    inside: Sequence[tuple[str, str]]
    outside: Sequence[tuple[str, str]]


def documents(data: Path | None) -> Iterator[Document]:
    gold = Path(__file__).parent.parent / "gold"
    folders = [gold / name for name in ("mixed", "household", "office", "reports", "attributes")]
    folders += [Path("seeds")]
    if data:
        folders += [*sorted((data / "collections").iterdir()), data / "pdf"]
    for folder in folders:
        files = sorted(find([folder]), key=lambda one: str(one.path))
        random.Random(folder.name).shuffle(files)
        for file in files[: 12 if folder.name == "pdf" else _MOST_FILES]:
            try:
                yield from load(file).documents
            except ParseError as error:
                print(file.path, error, file=sys.stderr)


def letters(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())


def corpus(inside: Sequence[Document], outside: Sequence[Document]) -> Corpus:
    everything = "\n".join(letters(one.text) for one in (*inside, *outside))
    return Corpus(list(_unique(inside, everything)), list(_unique(outside, everything)))


def _unique(documents: Sequence[Document], everything: str) -> Iterator[tuple[str, str]]:
    for one in documents:
        for paragraph in re.split(r"\n\s*\n", one.text):
            for match in _SENTENCE.finditer(paragraph.strip()):
                sentence = match[0]
                last = re.findall(r"\w+", sentence)[-1]
                words = len(sentence.split())
                if 10 <= words <= 50 and len(last) > 3 and everything.count(letters(sentence)) == 1:
                    yield one.id, sentence


def quoted(random: random.Random, quote: str, before: str = "It says: ", after: str = "") -> str:
    pair = random.choice([p for p in _PAIRS if p[0] not in quote and p[1] not in quote])
    inner = f" {quote} " if pair == "«»" and random.random() < 0.7 else quote
    return f"{before}{pair[0]}{inner}{pair[1]}{after}"


# Makers


def exact(random: random.Random, corpus: Corpus) -> Made:
    name, sentence = random.choice(corpus.inside)
    changes = random.sample(
        [_wrapped, _hyphenated, _ligatures, _signs, _first, _bracketed, _sic], 2
    )
    for change in changes:
        sentence = change(random, sentence)
    variant = "+".join(change.__name__.strip("_") for change in changes)
    if random.random() < 0.15:
        lines = "\n".join(f"> {line}" for line in sentence.split("\n"))
        return Made(f"The text reads [1]:\n\n{lines}\n\nSo it is.", {1: name}, variant + "+block")
    return Made(quoted(random, sentence, after=" [1]."), {1: name}, variant)


def _wrapped(random: random.Random, text: str) -> str:
    words = text.split()
    at = random.randrange(2, len(words) - 2)
    return (
        " ".join(words[:at]) + random.choice(["\n", "  ", "\u00a0", " \n  "]) + " ".join(words[at:])
    )


def _hyphenated(random: random.Random, text: str) -> str:
    long = list(re.finditer(r"(?<=\s)[a-z]{7,}(?=\s)", text))
    if not long:
        return text
    match = random.choice(long)
    at = random.randrange(match.start() + 3, match.end() - 2)
    return f"{text[:at]}-\n{text[at:]}"


def _ligatures(random: random.Random, text: str) -> str:
    for letters, sign in _LIGATURES:
        text = text.replace(letters, sign)
    return text


def _signs(random: random.Random, text: str) -> str:
    text = text.replace("'", "\0").replace("’", "'").replace("\0", "’")
    dash = random.choice(["—", "–", "--"])
    return re.sub(
        r"\s[-–—]\s|—|(?<=\d)–(?=\d)", lambda m: dash if m[0].strip() == m[0] else f" {dash} ", text
    )


def _first(random: random.Random, text: str) -> str:
    return text[0].lower() + text[1:] if text[:1].isupper() else text


def _bracketed(random: random.Random, text: str) -> str:
    return f"[{text[0].swapcase()}]{text[1:]}" if text[0].isalpha() else text


def _sic(random: random.Random, text: str) -> str:
    words = text.split(" ")
    at = random.randrange(3, len(words) - 1)
    return " ".join([*words[:at], random.choice(["[sic]", "[the writer]", "[now]"]), *words[at:]])


def altered(random: random.Random, corpus: Corpus) -> Made:
    while True:
        name, sentence = random.choice(corpus.inside)
        change = random.choice([_number, _denial, _name, _word, _dropped])
        other = change(random, sentence)
        if other and letters(other) != letters(sentence):
            return Made(quoted(random, other, after=" [1]."), {1: name}, change.__name__.strip("_"))


def _swapped(random: random.Random, text: str, pattern: str, others: Sequence[str]) -> str:
    """The text with one match replaced; "" without one."""
    matches = list(re.finditer(pattern, text))
    if not matches:
        return ""
    match = random.choice(matches)
    return text[: match.start()] + random.choice(others) + text[match.end() :]


def _number(random: random.Random, text: str) -> str:
    matches = list(re.finditer(r"\b\d+\b", text))
    if not matches:
        return ""
    match = random.choice(matches)
    number = int(match[0]) + random.randrange(1, 30)
    return f"{text[: match.start()]}{number}{text[match.end() :]}"


def _denial(random: random.Random, text: str) -> str:
    if re.search(r"\bnot ", text):
        return re.sub(r"\bnot ", "", text, count=1)
    return re.sub(r"\b(is|are|was|were|must|may|can|will|shall|should)\b", r"\1 not", text, count=1)


def _name(random: random.Random, text: str) -> str:
    return _swapped(
        random, text, r"(?<=[a-z,] )[A-Z][a-z]{3,}\b", ("Halvorsen", "Brenner", "Lisbon")
    )


def _word(random: random.Random, text: str) -> str:
    return _swapped(random, text, r"(?<= )[a-z]{4,}(?= )", ("always", "seldom", "perhaps"))


def _dropped(random: random.Random, text: str) -> str:
    words = text.split()
    at = random.randrange(2, len(words) - 3)
    return " ".join(words[:at] + words[at + random.choice([1, 2]) :])


def stitched(random: random.Random, corpus: Corpus) -> Made:
    while True:
        (name, one), (other_name, other) = random.sample(list(corpus.inside), 2)
        if random.random() < 0.6:
            same = [pair for pair in corpus.inside if pair[0] == name]
            other_name, other = random.choice(same)
        if letters(one) == letters(other):
            continue
        first = one.split()
        first = first[: random.randrange(6, len(first) - 1)]
        second = other.split()
        second = second[random.randrange(1, max(2, len(second) - 7)) :]
        if len(second) < 6:
            continue
        joint = (
            random.choice([" … ", " ... ", " […] ", " . . . "]) if random.random() < 0.5 else " "
        )
        variant = ("with" if joint.strip() else "without") + (
            "" if name == other_name else " two documents"
        )
        text = quoted(random, " ".join(first) + joint + " ".join(second), after=" [1].")
        return Made(text, {1: name}, variant)


def cut(random: random.Random, corpus: Corpus) -> Made:
    while True:
        name, sentence = random.choice(corpus.inside)
        words = sentence.split()
        commas = [
            n + 1
            for n, word in enumerate(words)
            if word[-1] in ",;:" and 5 <= n + 1 < len(words) - 2
        ]
        at = random.choice(commas or [random.randrange(6, len(words) - 3)])
        quote = " ".join(words[:at]).rstrip(",;:") + random.choice(["", ".", ","])
        if len(words) - at < 3:
            continue
        return Made(
            quoted(random, quote, after=" [1]."), {1: name}, "comma" if commas else "anywhere"
        )


def misattributed(random: random.Random, corpus: Corpus) -> Made:
    while True:
        name, sentence = random.choice(corpus.inside)
        other = random.choice(corpus.inside)[0]
        if other == name:
            continue
        variant = "exact"
        if random.random() < 0.3:
            sentence, variant = (
                _number(random, sentence) or _denial(random, sentence) or sentence,
                "changed",
            )
        how = random.choice(["mark", "file", "list"])
        if how == "mark":
            return Made(quoted(random, sentence, after=" [1]."), {1: other}, f"mark, {variant}")
        if how == "list":
            return Made(
                quoted(random, sentence, after=f" [2].\n\n[1] {name}\n[2] {other}\n"),
                {},
                f"list, {variant}",
            )
        return Made(quoted(random, sentence, f"According to {other}, "), {}, f"file, {variant}")


def not_found(random: random.Random, corpus: Corpus) -> Made:
    _, sentence = random.choice(corpus.outside)
    cited = random.choice(corpus.inside)[0]
    if random.random() < 0.5:
        return Made(quoted(random, sentence, after=" [1]."), {1: cited}, "cites")
    return Made(quoted(random, sentence), {}, "cites nothing")


MAKERS: dict[str, Maker] = {
    "exact": exact,
    "altered": altered,
    "stitched": stitched,
    "cut": cut,
    "misattributed": misattributed,
    "not_found": not_found,
}


def judged(store: LocalStore, made: Made) -> list[CheckedQuotation]:
    claims, document_names = split_claims(made.text), DocumentNames(store.documents())
    listed = {n: document_names.source(line) for n, line in claims.sources.items()}
    sources = {n: name for n, name in listed.items() if name} | made.sources
    quotations = find_quotations(made.text, claims.sentences)
    return audit_quotations(store, made.text, quotations, sources, document_names)


def measure(store: LocalStore, corpus: Corpus, show: bool, seed: int) -> list[str]:
    """A table: the verdicts on each kind."""
    random_numbers = random.Random(seed)
    lines = ["| kind | right | faulted | verdicts |", "|---|--:|--:|---|"]
    for kind in KINDS:
        verdicts, right, faults = Counter[str](), 0, 0
        for _ in range(_OF_EACH):
            made = MAKERS[kind](random_numbers, corpus)
            checked = judged(store, made)
            verdict = checked[0].verdict if len(checked) == 1 else f"{len(checked)} quotations"
            verdicts[verdict] += 1
            right += verdict == kind
            faults += any(one.is_fault for one in checked)
            if show and verdict != kind:
                print(f"\n--- {kind} ({made.variant}): {verdict}\n{made.text}\n{made.sources}")
                for one in checked:
                    places = [(p.document_id, p.quote) for p in one.places]
                    print(one.reason, one.differs, one.rest, places, sep="\n  ")
        counted = ", ".join(f"{name} {count}" for name, count in verdicts.most_common())
        lines.append(f"| {kind} | {right} | {faults} | {counted} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    everything = list({one.id: one for one in documents(options.data)}.values())
    inside = [one for number, one in enumerate(everything) if number % 5]
    outside = [one for number, one in enumerate(everything) if number % 5 == 0]
    sentences = corpus(inside, outside)
    embedder = BagOfWordsEmbedder(dim=8)
    expect = {"embedder": embedder.name, "dim": "8", "passage_tokens": "160"}
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder), expect, create=True)
        index(inside, store, embedder)
        stats, count = store.stats(), len(sentences.inside)
        print(f"{stats.documents} documents, {stats.passages} passages, {count} sentences")
        print("\n".join(measure(store, sentences, options.show, options.seed)))
        store.close()


if __name__ == "__main__":
    main()
