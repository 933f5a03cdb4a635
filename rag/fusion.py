"""Fitted fusion: how likely each retrieved passage holds the answer to the question.

Both retrievers propose passages. A small network scores them. Its features are both scores and
ranks, and what else was found in the same document. They are also the share of the question's words
in the text, the heading and the title, weighted by how rare they are.

`python -m eval.experiments.fit_fusion` trains it listwise (ListNet, Cao et al. 2007) on questions
in the documents' words and in other words. A learned fusion of lexical and dense features is
described by Bruch et al. 2023, "An analysis of fusion functions for hybrid retrieval".
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from rag.meaning import identifiers
from rag.types import Passage

FeatureRows = NDArray[np.float32]
"""Features of n passages, shape (n, len(FEATURES))."""
PassageScores = NDArray[np.float32]
"""One number for each of n passages, shape (n,)."""

FEATURES = (
    "convex",
    "dense",
    "dense_below_best",
    "dense_rank",
    "lexical_scaled",
    "lexical_log",
    "lexical_rank",
    "both_ranks",
    "text_coverage",
    "heading_coverage",
    "title_coverage",
    "context_coverage",
    "heading_precision",
    "rarest_absent",
    "rarest_present",
    "pairs_present",
    "codes_present",
    "numbers_present",
    "quoted_present",
    "document_dense",
    "document_lexical",
    "document_share",
    "document_rank",
    "neighbour_dense",
    "neighbour_lexical",
    "names_document",
    "dates_document",
    "names_other",
    "asks_time_has_time",
    "asks_number_has_number",
    "asks_how_has_list",
    "passage_words",
    "passage_is_opening",
    "heading_depth",
    "ends_sentence",
    # the question, the same for all of its passages
    "question_words",
    "question_known",
    "question_best_coverage",
    "question_best_dense",
    "question_dense_lead",
    "question_codes",
    "question_agreement",
)
"""Names of the columns, in order."""

_WRITTEN = re.compile(r"[A-Za-z0-9_.-]+")
_CODE = re.compile(r"[a-z][A-Z]|[A-Z]{2}|_|\d[A-Za-z]|[A-Za-z]\d|--")
"""In a word that is written as in code, or an abbreviation."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"[\"“”«»`]([^\"“”«»`]{2,80})[\"“”«»`]")
_TIME = re.compile(r"(?i)\b(?:when|what (?:date|day|year|month|time)|how (?:long|soon|often))\b")
_HAS_TIME = re.compile(
    r"(?i)\b(?:(?:19|20)\d\d|\d+ (?:second|minute|hour|day|week|month|year)s?|"
    r"(?:jan|febr)uary|march|april|june|july|august|(?:sept|nov|dec)ember|october|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|daily|weekly|monthly|yearly|annually)\b"
)
_AMOUNT = re.compile(
    r"(?i)\b(?:how (?:much|many|big|large|far|fast|old|high)|what (?:number|percentage|share)|"
    r"limit|cost|price|fee)\b"
)
_HOW = re.compile(r"(?i)\b(?:how (?:do|to|can|should)|steps|which|what (?:are|do i need))\b")
_LIST = re.compile(r"(?m)^[ \t]*(?:[-*•]|\d+[.)])\s")
_ENDS = frozenset(".!?:;)")
_WORD_COUNT = 6.0
"""Number of content words of a typical question, to scale their number."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Retrieved passages of one question, in any order, with n entries each.

    `numbers` are the passages' ids. `dense` are cosines, `lexical` BM25 scores (0 if no word
    matched); ranks count from 1 in each retriever's results, 0 for passages that only the other one
    found. `named` are the documents that the question names by an identifier, `dated` the ids of
    passages of a day that it names.
    """

    numbers: Sequence[int]
    passages: Sequence[Passage]
    dense: PassageScores
    lexical: PassageScores
    dense_ranks: NDArray[np.int64]
    lexical_ranks: NDArray[np.int64]
    named: frozenset[str] = frozenset()
    dated: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the index knows of words: `stems` splits a text into stems, `doc_freq` maps stems to
    the number of passages that contain them, of `passages` in all.
    """

    stems: Callable[[str], Sequence[str]]
    doc_freq: Callable[[Sequence[str]], Mapping[str, int]]
    passages: int


def features(question: str, found: Candidates, vocabulary: Vocabulary) -> FeatureRows:
    """The features of each candidate: float32, shape (n, len(FEATURES))."""
    words = _QuestionWords.of(question, vocabulary)
    scores = _scores_by_name(found)
    columns: FeatureColumns = {
        **scores,
        **_words(words, found, vocabulary),
        **_documents(found, scores),
        **_kinds(question, found),
    }
    columns |= _question(words, found, columns)

    count = len(found.passages)
    table = np.empty((count, len(FEATURES)), dtype=np.float32)
    for place, name in enumerate(FEATURES):
        table[:, place] = columns[name]
    return table


_ALPHA = 0.7
"""Share of meaning in the convex sum."""
_LOW_COSINE = 0.6
_LOW_COSINE_CANDIDATES = 20
"""Unlike e5 models, all-MiniLM-L6-v2 gives one of `_LOW_COSINE_CANDIDATES` candidates a cosine
below `_LOW_COSINE`.
"""


def convex_sum(cosines: PassageScores, lexical: PassageScores) -> PassageScores:
    """A fixed sum of cosines and BM25 scores, in [0, 1], shape (n,).

    Each score is scaled from its theoretical minimum (cosine -1, BM25 0) to the best one found
    (TM2C2 of Bruch et al.). If many cosines lie close together, as with e5 models, their minimum
    replaces -1.
    """
    floor = -1.0
    lowest = float(cosines.min(initial=1))
    if lowest > _LOW_COSINE and len(cosines) >= _LOW_COSINE_CANDIDATES:
        floor = lowest

    meaning = np.maximum(cosines - floor, 0)
    best_meaning = meaning.max(initial=0) or 1
    best_lexical = lexical.max(initial=0) or 1
    by_meaning = _ALPHA * meaning / best_meaning
    by_words = (1 - _ALPHA) * lexical / best_lexical
    sums: PassageScores = by_meaning + by_words
    return sums


FeatureColumns = dict[str, NDArray[Any] | float]


def _scores_by_name(found: Candidates) -> dict[str, PassageScores]:
    """The scores and ranks of both retrievers by name, each with a value per passage."""
    dense = _standardised(found.dense)
    lexical = found.lexical
    by_meaning = _reciprocal(found.dense_ranks)
    by_words = _reciprocal(found.lexical_ranks)
    return {
        "convex": convex_sum(found.dense, lexical),
        "dense": dense,
        "dense_below_best": dense.max(initial=0) - dense,
        "dense_rank": by_meaning,
        "lexical_scaled": lexical / max(float(lexical.max(initial=0)), 1e-6),
        "lexical_log": np.log1p(lexical),
        "lexical_rank": by_words,
        "both_ranks": by_meaning * by_words,
    }


def _standardised(cosines: FeatureRows) -> FeatureRows:
    """Cosines with mean 0 and deviation 1, since their range differs between embedders."""
    if not len(cosines):
        return cosines
    scores: FeatureRows = (cosines - cosines.mean()) / (cosines.std() + 1e-3)
    return scores


def _reciprocal(ranks: NDArray[np.int64]) -> FeatureRows:
    """1 / (rank + 2); 0 without a rank."""
    return np.where(ranks > 0, 1 / (ranks + 2), 0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _QuestionWords:
    """Stems of the question, m of them, and what must occur as it is written."""

    stems: Sequence[str]
    weights: FeatureRows
    """shape (m,): inverse document frequency, 1 for a word that the index does not have"""
    known: float
    """share of the weights that belongs to words of the index"""
    pairs: frozenset[tuple[str, str]]
    codes: frozenset[str]
    numbers: frozenset[str]
    quoted: frozenset[str]

    @classmethod
    def of(cls, question: str, vocabulary: Vocabulary) -> _QuestionWords:
        in_order = vocabulary.stems(question)
        stems = list(dict.fromkeys(in_order))
        frequencies = vocabulary.doc_freq(stems)
        counts = np.array([frequencies.get(stem, 0) for stem in stems], dtype=np.float32)

        total = max(vocabulary.passages, 2)
        weights = np.log1p(total / (1 + counts)) / np.log1p(total)
        known = weights[counts > 0].sum() / max(weights.sum(), 1e-6)

        codes = set()
        for word in _WRITTEN.findall(question):
            if _CODE.search(word):
                codes.add(word.lower().rstrip(".-"))
        return cls(
            stems=stems,
            weights=weights,
            known=float(known),
            pairs=frozenset(pairwise(in_order)),
            codes=frozenset(codes),
            numbers=frozenset(_NUMBER.findall(question)),
            quoted=frozenset(words.lower() for words in _QUOTED.findall(question)),
        )

    def present(self, words: Collection[str]) -> list[bool]:
        """Whether each stem is among `words`."""
        return [stem in words for stem in self.stems]

    def coverage(self, present: NDArray[np.bool_]) -> FeatureRows:
        """Share of the weights that belongs to present words: (n, m) to (n,)."""
        total = max(float(self.weights.sum()), 1e-6)
        shares: FeatureRows = present @ self.weights / total
        return shares


def _words(words: _QuestionWords, found: Candidates, vocabulary: Vocabulary) -> FeatureColumns:
    """How much of the question's words occurs, and where."""
    passages = found.passages
    headings = [" ".join(passage.headings) for passage in passages]
    titles = []
    for passage in passages:
        file_name = identifiers.file_name(passage.document_id)
        titles.append(f"{passage.title} {file_name}")

    present = []
    pairs = []
    lengths = []
    for passage in passages:
        stems = vocabulary.stems(passage.text)
        present.append(words.present(set(stems)))
        pairs.append(len(words.pairs.intersection(pairwise(stems))))
        lengths.append(min(len(stems), 300))

    in_text = _matrix(present, words)
    in_heading, heading_lengths = _named_words(words, headings, vocabulary)
    in_title, _ = _named_words(words, titles, vocabulary)
    anywhere = in_text | in_heading | in_title

    absent_weights = ~anywhere * words.weights
    present_weights = in_text * words.weights
    as_written = _as_written(words, passages)
    return {
        "text_coverage": words.coverage(in_text),
        "heading_coverage": words.coverage(in_heading),
        "title_coverage": words.coverage(in_title),
        "context_coverage": words.coverage(anywhere),
        "heading_precision": in_heading.sum(axis=1) / np.maximum(heading_lengths, 1),
        "rarest_absent": absent_weights.max(axis=1, initial=0),
        "rarest_present": present_weights.max(axis=1, initial=0),
        "pairs_present": np.array(pairs) / max(len(words.pairs), 1),
        "codes_present": _shares_within(words.codes, as_written),
        "numbers_present": _shares_within(words.numbers, as_written),
        "quoted_present": _shares_within(words.quoted, as_written),
        "passage_words": np.array(lengths) / 150,
    }


def _as_written(words: _QuestionWords, passages: Sequence[Passage]) -> list[str]:
    """The passages in lower case, if something must occur as it is written; else nothing."""
    is_needed = words.codes or words.numbers or words.quoted
    if not is_needed:
        return [""] * len(passages)
    return [f"{passage.context} {passage.text}".lower() for passage in passages]


def _named_words(
    words: _QuestionWords, names: Sequence[str], vocabulary: Vocabulary
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which words of the question each heading or title has, and its own number of words; equal
    names are split once.
    """
    present = {}
    lengths = {}
    for name in dict.fromkeys(names):
        stems = frozenset(vocabulary.stems(name))
        present[name] = words.present(stems)
        lengths[name] = len(stems)

    rows = [present[name] for name in names]
    return _matrix(rows, words), np.array([lengths[name] for name in names])


def _matrix(rows: Sequence[Sequence[bool]], words: _QuestionWords) -> NDArray[np.bool_]:
    return np.array(rows, dtype=bool).reshape(len(rows), len(words.stems))


def _shares_within(wanted: frozenset[str], texts: Sequence[str]) -> FeatureRows:
    """Share of the strings that occur in each text; 0 if none is wanted."""
    if not wanted:
        return np.zeros(len(texts), dtype=np.float32)
    shares = []
    for text in texts:
        present = sum(string in text for string in wanted)
        shares.append(present / len(wanted))
    return np.array(shares)


_BESIDE = 40
"""Characters that may lie between passages that follow each other."""


def _documents(found: Candidates, scores: Mapping[str, PassageScores]) -> FeatureColumns:
    """What else was found in the document, and next to the passage; `scores` are those of
    `_scores_by_name`.
    """
    count = len(found.passages)
    dense = scores["dense"]
    lexical = scores["lexical_scaled"]
    rows_of = _rows_of_documents(found)

    best_dense = np.zeros(count)
    best_lexical = np.zeros(count)
    share = np.zeros(count)
    beside_dense = np.zeros(count)
    beside_lexical = np.zeros(count)
    for rows in rows_of.values():
        share[rows] = len(rows) / count
        best_dense[rows] = _best_of_others(dense[rows])
        best_lexical[rows] = _best_of_others(lexical[rows])
        for row, neighbour in _neighbours(rows, found):
            beside_dense[row] = max(beside_dense[row], dense[neighbour])
            beside_lexical[row] = max(beside_lexical[row], lexical[neighbour])

    highest = {name: float(scores["convex"][rows].max()) for name, rows in rows_of.items()}
    by_best = sorted(highest, key=lambda name: -highest[name])
    rank = {name: 1 / (place + 3) for place, name in enumerate(by_best)}

    ids = [passage.document_id for passage in found.passages]
    is_named = np.array([name in found.named for name in ids])
    is_dated = np.array([number in found.dated for number in found.numbers])
    names_any = bool(found.named)
    return {
        "document_dense": best_dense,
        "document_lexical": best_lexical,
        "document_share": share,
        "document_rank": np.array([rank[name] for name in ids]),
        "neighbour_dense": beside_dense,
        "neighbour_lexical": beside_lexical,
        "names_document": is_named,
        "dates_document": is_dated,
        "names_other": np.array([names_any and name not in found.named for name in ids]),
    }


def _rows_of_documents(found: Candidates) -> dict[str, list[int]]:
    """The passages of each document, in their order in it."""
    passages = found.passages
    rows_of: dict[str, list[int]] = {}
    for row in sorted(range(len(passages)), key=lambda row: passages[row].start):
        rows_of.setdefault(passages[row].document_id, []).append(row)
    return rows_of


def _neighbours(rows: Sequence[int], found: Candidates) -> Iterator[tuple[int, int]]:
    """Each passage of a document with one that follows it directly, and the other way round."""
    for previous, following in pairwise(rows):
        gap = found.passages[following].start - found.passages[previous].end
        if gap <= _BESIDE:
            yield previous, following
            yield following, previous


def _best_of_others(scores: FeatureRows) -> FeatureRows:
    """For each score the highest among the others; 0 for a single one."""
    if len(scores) == 1:
        return np.zeros(1, dtype=np.float32)
    next_highest, highest = np.partition(scores, -2)[-2:]
    rivals: PassageScores = np.where(scores == highest, next_highest, highest)
    return rivals


def _kinds(question: str, found: Candidates) -> FeatureColumns:
    """What kind of text the passage is, and whether it has the kind that is asked."""
    texts = [passage.text for passage in found.passages]
    asks_time = bool(_TIME.search(question))
    asks_number = bool(_AMOUNT.search(question))
    asks_how = bool(_HOW.search(question))

    has_time = [asks_time and bool(_HAS_TIME.search(text)) for text in texts]
    has_number = [asks_number and bool(_NUMBER.search(text)) for text in texts]
    has_list = [asks_how and bool(_LIST.search(text)) for text in texts]
    is_opening = [passage.start < 400 for passage in found.passages]
    depths = [len(passage.headings) for passage in found.passages]
    ends = [text.rstrip()[-1:] in _ENDS for text in texts]
    return {
        "asks_time_has_time": np.array(has_time),
        "asks_number_has_number": np.array(has_number),
        "asks_how_has_list": np.array(has_list),
        "passage_is_opening": np.array(is_opening),
        "heading_depth": np.array(depths) / 4,
        "ends_sentence": np.array(ends),
    }


def _question(words: _QuestionWords, found: Candidates, columns: FeatureColumns) -> FeatureColumns:
    """What the question is like, and how well the best passages fit it."""
    coverage = np.asarray(columns["context_coverage"])
    ranked = np.sort(np.asarray(columns["dense"]))[::-1]
    best = ranked[:1].sum()
    tenth = ranked[:10][-1:].sum()

    first_by_meaning = (found.dense_ranks > 0) & (found.dense_ranks <= 10)
    first_by_words = (found.lexical_ranks > 0) & (found.lexical_ranks <= 10)
    by_meaning = set(np.flatnonzero(first_by_meaning).tolist())
    by_words = set(np.flatnonzero(first_by_words).tolist())

    return {
        "question_words": len(words.stems) / _WORD_COUNT,
        "question_known": words.known,
        "question_best_coverage": float(coverage.max(initial=0)),
        "question_best_dense": float(best),
        "question_dense_lead": float(best - tenth),
        "question_codes": float(bool(words.codes)) + float(bool(words.numbers)),
        "question_agreement": len(by_meaning & by_words) / 10,
    }


CLIPPED = 5.0
"""Standard deviations from the mean at which a feature is cut off."""


@dataclass(frozen=True)
class Networks:
    """A few small networks of two hidden layers, whose mean is a log-odds: this one of passages,
    and the judge's of candidates.

    `mean` and `deviation`, shape (features,), standardise a row. `first`, `second` and `last` have
    one matrix per network, shape (networks, units, inputs), the biases shape (networks, units).
    """

    mean: FeatureRows
    deviation: FeatureRows
    first: FeatureRows
    first_bias: FeatureRows
    second: FeatureRows
    second_bias: FeatureRows
    last: FeatureRows
    last_bias: FeatureRows

    def log_odds(self, rows: FeatureRows) -> FeatureRows:
        """One value per row of features, shape (n,)."""
        standardised = (rows - self.mean) / self.deviation
        inputs = np.clip(standardised, -CLIPPED, CLIPPED)
        hidden = np.maximum(_product(inputs, self.first, self.first_bias), 0)
        hidden = np.maximum(_product(hidden, self.second, self.second_bias), 0)
        values = _product(hidden, self.last, self.last_bias)
        outputs: FeatureRows = values[:, :, 0].mean(axis=0)
        return outputs


def _product(inputs: FeatureRows, matrices: FeatureRows, biases: FeatureRows) -> FeatureRows:
    """A layer of each network: its matrix times the inputs, plus its biases."""
    outputs: FeatureRows = inputs @ matrices.transpose(0, 2, 1) + biases[:, None]
    return outputs


SHIPPED = Path(__file__).with_name("fusion.safetensors")


@dataclass(frozen=True)
class Fusion:
    """Networks that order passages; their log-odds are comparable within a question. `digest` is
    that of their file.
    """

    networks: Networks
    digest: str = ""

    @classmethod
    def load(cls, path: Path) -> Fusion:
        """Raises OSError, ValueError for another number of features, or safetensors' error for a
        broken file.
        """
        content = path.read_bytes()
        tensors = load(content)
        count = len(tensors["mean"])
        if count != len(FEATURES):
            raise ValueError(f"{path} is for {count} features, not {len(FEATURES)}")
        return cls(Networks(**tensors), hashlib.sha256(content).hexdigest())

    def probabilities(
        self, question: str, found: Candidates, vocabulary: Vocabulary
    ) -> PassageScores:
        """How likely each passage holds the answer if one of them does; the sum is 1."""
        odds = self.networks.log_odds(features(question, found, vocabulary))
        shares = np.exp(odds - odds.max(initial=-np.inf))
        probabilities: PassageScores = shares / shares.sum()
        return probabilities


@functools.cache
def shipped() -> Fusion:
    """The fusion that is used by default, loaded once."""
    return Fusion.load(SHIPPED)
