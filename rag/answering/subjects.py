"""What the documents of an index are about, in their own words.

Documents of similar meaning are grouped. The name of a group is a phrase of its titles and headings
that others lack, or else the title of a document in its middle. A few documents have their titles
as names.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from rag.meaning.words import FUNCTION_WORDS, MONTHS, STOP_WORDS, WEEKDAYS
from rag.protocols import Store, Vectors
from rag.types import Document

_MOST_DOCUMENTS = 200
"""Number of documents, evenly spread, that are grouped."""
_MOST_SUBJECTS = 7
"""Maximum number of subjects."""
_PER_GROUP = 2
"""Documents that make a group worth having."""
_ROUNDS = 10
_FEW_DOCUMENTS = 4
"""Number of documents up to which a phrase is never too common."""
_COMMON = 0.5
"""Share of the documents from which on a phrase tells none of them apart."""
_LONGEST_PHRASE = 3
_LONGEST_TITLE = 60
_MOST_HEADINGS = 40
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
    titles: list[str] = []
    means: list[Vectors] = []
    phrases: list[Counter[str]] = []
    wording: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in _evenly_spread(listed):
        document = store.document(entry.id)
        _, vectors = store.embedded(entry.id)
        if document is None or not len(vectors):
            continue
        titles.append(_title(document))
        means.append(_unit(vectors.mean(axis=0)))
        phrases.append(_phrases(document, wording))
    if not means:
        return ()

    rows = np.stack(means)
    total = Counter(phrase for weights in phrases for phrase in weights)
    names: dict[str, str] = {}
    for group in _subject_groups(rows):
        phrase = _name(group, phrases, total)
        if phrase:
            ((written, _),) = wording[phrase].most_common(1)
            name = written[0].upper() + written[1:]
        else:
            central_titles = (titles[row] for row in _from_the_middle(group, rows))
            name = next(filter(None, central_titles), "")
        if name:
            names.setdefault(name.casefold(), name)
    return tuple(names.values())


def _title(document: Document) -> str:
    """The title as a subject; "" for one word, which is mostly the name of a file."""
    is_phrase = " " in document.title.strip()
    return shortened(document.title) if is_phrase else ""


def _evenly_spread(listed: Sequence[Document]) -> Sequence[Document]:
    """At most so many documents that they can be grouped, evenly spread."""
    step = max(1, len(listed) // _MOST_DOCUMENTS)
    return listed[::step][:_MOST_DOCUMENTS]


def _subject_groups(rows: Vectors) -> list[list[int]]:
    """The documents in groups of like meaning; a few documents are groups of one."""
    if len(rows) <= _MOST_SUBJECTS:
        return [[row] for row in range(len(rows))]
    count = min(_MOST_SUBJECTS, len(rows) // _PER_GROUP)
    return _groups(rows, count)


def _from_the_middle(group: Sequence[int], rows: Vectors) -> list[int]:
    """The documents of a group, that which is most like all of them first."""
    members = rows[group]
    likeness = members @ members.mean(axis=0)
    return [group[member] for member in np.argsort(-likeness, kind="stable")]


def _phrases(document: Document, wording: dict[str, Counter[str]]) -> Counter[str]:
    """The weight of each phrase of the title and the headings; `wording` counts how each is
    written.
    """
    headings = [block.name for block in document.blocks if block.kind == "heading"]
    weighted = [(document.title, _TITLE_WEIGHT)]
    weighted += [(heading, 1) for heading in headings[:_MOST_HEADINGS]]

    weights = Counter[str]()
    for text, weight in weighted:
        for phrase in _of_text(text):
            key = phrase.casefold()
            weights[key] = max(weights[key], weight)
            wording[key][phrase] += weight
    return weights


def _of_text(text: str) -> Iterator[str]:
    """Stretches of at most three words without words that say nothing."""
    run: list[tuple[int, int]] = []
    run_end = 0
    for match in _WORD.finditer(text):
        word = match[0]
        says_nothing = len(word) < 2 or word.casefold() in _BREAKS
        if says_nothing:
            run = []
            continue

        gap = text[run_end : match.start()]
        if gap != " ":
            run = []
        run.append(match.span())
        run_end = match.end()
        longest = min(len(run), _LONGEST_PHRASE)
        for length in range(1, longest + 1):
            start, _ = run[-length]
            phrase = text[start:run_end]
            is_in_capitals = phrase.isupper() and " " in phrase
            yield phrase.capitalize() if is_in_capitals else phrase


def shortened(title: str) -> str:
    """A title of at most 60 characters, cut between two words where there are some."""
    if len(title) <= _LONGEST_TITLE:
        return title
    beginning = title[: _LONGEST_TITLE - 1]
    words, _, _ = beginning.rpartition(" ")
    return f"{(words or beginning).rstrip(' ,;:-')}…"


def _unit(vector: Vectors) -> Vectors:
    """The vector with the length 1."""
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def _groups(rows: Vectors, count: int) -> list[list[int]]:
    """k-means of unit vectors, (n, dim), begun with rows far from each other."""
    centres = rows[_far_apart(rows, count)]
    assigned = np.zeros(len(rows), dtype=int)
    for _ in range(_ROUNDS):
        assigned = np.argmax(rows @ centres.T, axis=1)
        moved_centres = []
        for group in range(count):
            members = rows[assigned == group]
            centre = _unit(members.mean(axis=0)) if len(members) else centres[group]
            moved_centres.append(centre)
        centres = np.stack(moved_centres)

    groups = []
    for group in range(count):
        members_of_group = np.flatnonzero(assigned == group).tolist()
        if members_of_group:
            groups.append(members_of_group)
    return sorted(groups, key=len, reverse=True)


def _far_apart(rows: Vectors, count: int) -> list[int]:
    """So many rows: the one nearest to the middle, then always the one farthest from those."""
    chosen = [int(np.argmax(rows @ rows.mean(axis=0)))]
    while len(chosen) < count:
        likeness = (rows @ rows[chosen].T).max(axis=1)
        chosen.append(int(np.argmin(likeness)))
    return chosen


def _name(group: Sequence[int], phrases: Sequence[Counter[str]], total: Counter[str]) -> str:
    """The phrase of several words that most of a group's documents share and others lack, or ""."""
    weights = Counter[str]()
    documents = Counter[str]()
    for row in group:
        weights.update(phrases[row])
        documents.update(phrases[row].keys())

    fewest = max(2, _SHARED * len(group))
    most = max(_FEW_DOCUMENTS, _COMMON * len(phrases))
    scores = {}
    for phrase, weight in weights.items():
        is_one_word = " " not in phrase
        is_shared = documents[phrase] >= fewest
        is_common = total[phrase] > most
        if is_one_word or is_common or not is_shared:
            continue
        scores[phrase] = weight * documents[phrase] / total[phrase]
    return max(scores, key=lambda phrase: (scores[phrase], len(phrase)), default="")
