"""What the documents of an index are about, in their own words: documents of like meaning are
grouped, and each group is called by a phrase of its titles and headings that others lack, or else
by the title of the document in its middle. A few documents are called by their titles.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from rag.meaning.words import FUNCTION_WORDS, MONTHS, STOP_WORDS, WEEKDAYS
from rag.protocols import Store, Vectors
from rag.types import Document

_DOCUMENTS = 200
"""Number of documents, evenly spread, that are grouped."""
_MOST = 7
"""Maximum number of subjects."""
_PER_GROUP = 4
"""Documents that make a group worth having."""
_ROUNDS = 10
_COMMON = 0.5
"""Share of the documents from which on a phrase tells none of them apart."""
_LONGEST_PHRASE = 3
_LONGEST_TITLE = 60
_HEADINGS = 40
"""Headings of a document that are looked at."""
_TITLE_WEIGHT = 3
_SHARED = 0.3
"""Share of a group's documents that have the phrase by which it is called."""
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_SAYING_NOTHING = frozenset(
    "introduction overview summary contents notes note about other others general example examples "
    "page chapter section part table figure appendix annex references see also new use using make "
    "more documentation document documents guide guides re fw fwd your our do don't what why how "
    "when where who which one two three four first second is are be can may must should".split()
)
_BREAKS = FUNCTION_WORDS | STOP_WORDS | _SAYING_NOTHING | {*MONTHS, *WEEKDAYS}


def subjects(store: Store, listed: Sequence[Document]) -> tuple[str, ...]:
    """At most seven subjects of the `listed` documents, the one of most documents first."""
    sample = listed[:: max(1, len(listed) // _DOCUMENTS)][:_DOCUMENTS]

    phrases, rows, titles = list[Counter[str]](), list[Vectors](), list[str]()
    wording: dict[str, Counter[str]] = defaultdict(Counter)

    for entry in sample:
        document = store.document(entry.id)
        _, vectors = store.embedded(entry.id)
        if document is None or not len(vectors):
            continue

        rows.append(_unit(vectors.mean(axis=0)))
        titles.append(shortened(document.title) if " " in document.title.strip() else "")
        phrases.append(_phrases(document, wording))

    if not rows:
        return ()

    means = np.stack(rows)
    total = Counter(phrase for counts in phrases for phrase in counts)

    single_rows = [[row] for row in range(len(rows))]
    count = min(_MOST, len(rows) // _PER_GROUP)

    names: dict[str, str] = {}
    for group in single_rows if len(rows) <= _MOST else _groups(means, count):
        phrase = _name(group, phrases, total)
        middle = group[int(np.argmax(means[group] @ means[group].mean(axis=0)))]
        name = wording[phrase].most_common(1)[0][0] if phrase else titles[middle]
        if name:  # a title of one word is mostly the name of a file
            names.setdefault(name.casefold(), name)

    return tuple(names.values())


def _phrases(document: Document, wording: dict[str, Counter[str]]) -> Counter[str]:
    """The weight of each phrase of the title and the headings; `wording` counts how each is
    written.
    """
    headings = [block.name for block in document.blocks if block.kind == "heading"][:_HEADINGS]
    weights = Counter[str]()
    for text, weight in [(document.title, _TITLE_WEIGHT), *((name, 1) for name in headings)]:
        for phrase in _of_text(text):
            key = phrase.casefold()
            weights[key] = max(weights[key], weight)
            wording[key][phrase] += weight
    return weights


def _of_text(text: str) -> Iterator[str]:
    """Stretches of at most three words without words that say nothing."""
    run: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        gap = text[run[-1][1] : match.start()] if run else ""
        if match[0].casefold() in _BREAKS or len(match[0]) < 2:
            run = []
            continue
        run = [*run, match.span()] if gap == " " else [match.span()]
        for length in range(1, min(len(run), _LONGEST_PHRASE) + 1):
            phrase = text[run[-length][0] : match.end()]
            yield phrase.capitalize() if phrase.isupper() and " " in phrase else phrase


def shortened(title: str) -> str:
    """A title of at most 60 characters."""
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1].rstrip()}…"


def _unit(vector: Vectors) -> Vectors:
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def _groups(rows: Vectors, count: int) -> list[list[int]]:
    """k-means of unit vectors, (n, dim), begun with rows far from each other."""
    chosen = [int(np.argmax(rows @ rows.mean(axis=0)))]
    while len(chosen) < count:
        chosen.append(int(np.argmin((rows @ rows[chosen].T).max(axis=1))))
    centres = rows[chosen]
    assigned = np.zeros(len(rows), dtype=int)
    for _ in range(_ROUNDS):
        assigned = np.argmax(rows @ centres.T, axis=1)
        means = (rows[assigned == group] for group in range(count))
        centres = np.stack(
            [
                _unit(members.mean(axis=0)) if len(members) else centres[group]
                for group, members in enumerate(means)
            ]
        )
    groups = (np.flatnonzero(assigned == group).tolist() for group in range(count))
    return sorted(filter(None, groups), key=len, reverse=True)


def _name(group: Sequence[int], phrases: Sequence[Counter[str]], total: Counter[str]) -> str:
    """The phrase of several words that most of a group's documents share and others lack, or ""."""
    weights, documents = Counter[str](), Counter[str]()
    for row in group:
        weights.update(phrases[row])
        documents.update(phrases[row].keys())
    most = max(_PER_GROUP, _COMMON * len(phrases))
    shared = [
        phrase
        for phrase in weights
        if " " in phrase and documents[phrase] >= max(2, _SHARED * len(group))
        if total[phrase] <= most
    ]
    return max(shared, key=lambda one: weights[one] * documents[one] / total[one], default="")
