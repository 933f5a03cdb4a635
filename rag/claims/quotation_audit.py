"""Finds each quotation of a text in the documents and compares it word for word, without a model.

The index proposes passages by the quotation's rarest words. In the documents around them, the
quotation is searched for unchanged (`quoted_text`), then aligned word by word."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice, pairwise
from operator import itemgetter

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from rag.answering.candidate import quoted
from rag.claims.document_names import DocumentNames, name_words
from rag.claims.quotations import FEWEST_WORDS, Quotation
from rag.claims.quoted_text import (
    ELLIPSIS,
    CanonicalText,
    Fragment,
    Token,
    canonical,
    fragments,
    tokens,
)
from rag.claims.results import CheckedQuotation, QuotationVerdict
from rag.filters import Condition
from rag.meaning.sentences import Offsets
from rag.meaning.stems import stem_words
from rag.meaning.words import DENIALS, STOP_WORDS
from rag.protocols import Filter, Store
from rag.structure import block_at, sentence_around
from rag.types import Citation, Document, Passage

_HITS, _CITED_HITS, _COMMON_HITS = 10, 4, 200
"""Number of passages that the index proposes; the last number is for quotations of common words."""
_RARE_WORDS, _FEW_WORDS = 12, 5
_WINDOWS = 6
"""Places in documents that a quotation is aligned with."""
_MARGIN, _MARGIN_WORDS = 300, 16
_SIMILAR, _NEAR = 0.6, 0.3
"""Minimum likeness of an altered quotation to its place, and of a place that is shown as the
nearest."""
_STOP_WEIGHT = 0.3
_OMITTED = 80
"""Maximum number of characters that a quotation leaves out of what counts as one place."""
_SENTENCE_END = re.compile(r"[.!?]\s")
_DENIAL = r"(?:not|never|no|nor|neither|without|cannot|unless|except)\b|\b\w{2,9}n['’]t\b"
_DENIED = re.compile(rf"(?i)\b{_DENIAL}")
_DENIAL_BEFORE = re.compile(
    r"(?i)\b(?:(?:not|never|cannot)\b|\w{2,9}n['’]t\b)(?:\s+(?:to|be|been|have|so|ever))?\s*\Z"
)
_BEFORE = 40
"""Characters before a place in which a denial of it is looked for."""
_DECISIVE = DENIALS | frozenset("unless except only if may must shall should or and".split())
"""Words that change what a sentence demands."""
_PUNCTUATION = re.compile(r"[.,;:!?()/…]")
_SHOWN = 60
"""Characters of a document that a reason shows after the words that a quotation leaves out."""
_MOST_WORDS = 1000
"""A longer quotation that is not exact is compared up to here."""
_MOST_PARTS = 8
_MOST_CITED = 5
_DOCUMENTS = 64


Step = tuple[str, int, int, int, int]
"""(kind of step, first and last word of the quotation, first and last word of the document)"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch [start, end) of a document, with the words in which a quotation differs from it;
    `likeness`, in [0, 1], is 1 if the quotation has it word for word."""

    document: Document
    start: int
    end: int
    differs: tuple[tuple[str, str], ...] = ()
    likeness: float = 1.0

    @property
    def citation(self) -> Citation:
        """The place, with the whole sentences around it, within the blocks or cells of its ends."""
        document, start, end = self.document, self.start, self.end
        first, last = sentence_around(document.blocks, start, end)
        low, high = _part(document, start)[0], _part(document, end - 1)[1]
        return quoted(document, start, end, (max(first, low), min(last, high)))


@dataclass(frozen=True)
class Region:
    """The text [start, end) of a document, in which quotations are looked for."""

    document: Document
    start: int
    end: int

    @cached_property
    def content(self) -> CanonicalText:
        return CanonicalText(self.document.text[self.start : self.end])

    def matches(self, fragment: Fragment) -> Iterator[Stretch]:
        for match in fragment.matches(self.content):
            start, end = self.start + match.start, self.start + match.end
            yield Stretch(self.document, start, end, match.changes)


@dataclass(frozen=True)
class QuotationAudit:
    """Judges quotations of `text` against the documents of a store that `filter` admits.

    `sources` maps the numbers of citation marks to ids of documents, `names` are those of all
    documents. `proceed` is called often, and raises to end the audit."""

    store: Store
    text: str
    sources: Mapping[int, str]
    names: DocumentNames
    filter: Filter = ()
    proceed: Callable[[], object] = lambda: None

    @cached_property
    def _document(self) -> Callable[[str], Document | None]:
        """The document with an id; the last ones are kept."""
        return lru_cache(_DOCUMENTS)(self.store.document)

    def judge(self, quotation: Quotation) -> CheckedQuotation:
        """The quotation with its verdict. A name beside it is a citation unless the document that
        has the quotation mentions it too: then it may be what both are about."""
        numbers = [self.sources[n] for n in quotation.cited if n in self.sources]
        names = {} if numbers else self.names.in_text(quotation.around)
        cited = list(dict.fromkeys(numbers)) or sorted(names)
        checked = self._judged(quotation, cited[:_MOST_CITED])
        if names and checked.verdict == "misattributed":
            document = self._document(checked.places[0].document_id)
            text = " ".join(name_words(document.text)) if document else ""
            if any(name in text for name in names.values()):
                return self._judged(quotation, [])
        return checked

    def _judged(self, quotation: Quotation, cited: Sequence[str]) -> CheckedQuotation:
        """The verdict on a quotation that cites the documents with these ids."""
        start, end = quotation.start, quotation.end
        whole = Fragment(self.text[start:end])
        checked = CheckedQuotation(
            start, end, whole.text, "not_found", True, "", cited=tuple(cited)
        )
        if not _stems(whole):
            reason = "its words are too common to look it up"
            return replace(checked, is_fault=False, reason=reason)
        regions = list[Region]()
        for region in self._regions(whole, cited):
            regions.append(region)
            if place := next(region.matches(whole), None):
                return _exact_verdict(checked, place, quotation)
        parts = fragments(whole.text)
        if len(parts) > 1:
            return self._with_ellipses(checked, parts, regions[:_WINDOWS])
        is_long = len(whole.tokens) > _MOST_WORDS
        compared = whole.part(0, _MOST_WORDS) if is_long else whole
        return self._inexact(checked, compared, regions[:_WINDOWS], quotation)

    # Places

    def _regions(self, fragment: Fragment, cited: Sequence[str]) -> Iterator[Region]:
        """The text around passages with the fragment's words, cited documents first."""
        margin = len(fragment.text) + _MARGIN
        regions = list[Region]()
        for passage in self._passages(fragment, cited):
            self.proceed()
            document = self._document(passage.document_id)
            is_covered = any(
                region.start <= passage.start <= passage.end <= region.end
                for region in regions
                if region.document.id == passage.document_id
            )
            if document and passage.is_in(document) and not is_covered:
                end = min(len(document.text), passage.end + margin)
                regions.append(Region(document, max(0, passage.start - margin), end))
                yield regions[-1]

    def _passages(self, fragment: Fragment, cited: Sequence[str]) -> Iterator[Passage]:
        for name in cited:
            yield from self._search(fragment, _CITED_HITS, name)
        yield from self._search(fragment, _HITS)
        if len(_stems(fragment)) <= _FEW_WORDS:
            yield from self._search(fragment, _COMMON_HITS)[_HITS:]

    def _search(self, fragment: Fragment, k: int, document_id: str = "") -> list[Passage]:
        """The `k` passages with the highest BM25 score for the rarest words of a fragment."""
        stems = _stems(fragment)
        counts = self.store.word_counts(sorted(set(stems.values())))
        indexed = [word for word in stems if stems[word] in counts]
        rare = sorted(indexed, key=lambda word: counts[stems[word]])[:_RARE_WORDS]
        if not rare:
            return []
        condition = (Condition("document", "=", document_id),) if document_id else ()
        hits = self.store.lexical(" ".join(rare), k, (*self.filter, *condition))
        passages = self.store.passages([number for number, _ in hits])
        return [passages[number] for number, _ in hits if number in passages]

    # Verdicts

    def _inexact(
        self,
        checked: CheckedQuotation,
        fragment: Fragment,
        regions: Sequence[Region],
        quotation: Quotation,
    ) -> CheckedQuotation:
        place = _closest(fragment, regions, checked.cited)
        only_omits = place and all(_is_omission(*pair) for pair in place.differs)
        if not only_omits and (places := self._stitched(fragment, regions, checked.cited)):
            return _stitched_verdict(checked, places, "without “…” between them", True)
        if not place or place.likeness < _SIMILAR:
            return _not_found(checked, place)
        place = _with_denial(place, quotation)
        return _placed(checked, "altered", [place], _difference([place]), _is_altered([place]))

    def _stitched(
        self, fragment: Fragment, regions: Sequence[Region], cited: Sequence[str]
    ) -> list[Stretch]:
        """The places of the longest parts that documents have word for word, if these make up the
        whole fragment and come from several places."""
        places, remainder = list[Stretch](), fragment
        while remainder.tokens and len(places) < _MOST_PARTS:
            beginnings = (_longest_beginning(remainder, region) for region in regions)
            size, place = max(beginnings, key=itemgetter(0), default=(0, None))
            if place is None or size < FEWEST_WORDS:
                return []
            places.append(place)
            remainder = remainder.part(size, len(remainder.tokens))
            further = self._regions(remainder, cited) if remainder.tokens else iter(())
            regions = list(islice(further, _WINDOWS))
        return places if len(places) > 1 and not remainder.tokens else []

    def _with_ellipses(
        self, checked: CheckedQuotation, parts: Sequence[str], regions: Sequence[Region]
    ) -> CheckedQuotation:
        """The parts between ellipses, each looked for after the one before it, then anywhere."""
        places = list[Stretch]()
        for fragment in map(Fragment, parts):
            place = _following(fragment, places[-1:], regions)
            if not place and _stems(fragment):
                further = self._regions(fragment, checked.cited)
                place = next((p for region in further for p in region.matches(fragment)), None)
            if not place:
                place = _closest(fragment, regions, checked.cited)
            if not place or place.likeness < _SIMILAR:
                words = " ".join(fragment.text.split())
                return _not_found(checked, place, f"no document has “{words}”")
            places.append(place)
        if any(place.likeness < 1 for place in places):
            return _placed(checked, "altered", places, _difference(places), _is_altered(places))
        is_one = len({place.document.id for place in places}) == 1
        is_reordered = is_one and any(a.start > b.start for a, b in pairwise(places))
        order = ", in another order" if is_reordered else ""
        return _stitched_verdict(checked, places, f"joined by “…”{order}", not is_one)


def _stems(fragment: Fragment) -> dict[str, str]:
    """The stems of the words that the index has, by word."""
    words = dict.fromkeys(token.word for token in fragment.tokens[:_MOST_WORDS])
    return {word: stem for word in words for stem in stem_words(word)}


def _following(
    fragment: Fragment, before: Sequence[Stretch], regions: Sequence[Region]
) -> Stretch | None:
    """The first place of the fragment, if possible after the one before it, in its document."""
    places = [place for region in regions for place in region.matches(fragment)]
    if not before:
        return places[0] if places else None
    same = [place for place in places if place.document.id == before[0].document.id]
    return min(same, key=lambda place: (place.start < before[0].end, place.start), default=None)


def _longest_beginning(fragment: Fragment, region: Region) -> tuple[int, Stretch | None]:
    """(number of words, place) of the longest beginning that the region has word for word."""

    def place(size: int) -> Stretch | None:
        return next(region.matches(fragment.part(0, size)), None)

    size = bisect_left(range(1, len(fragment.tokens) + 1), True, key=lambda size: not place(size))
    return size, place(size)


def _is_omission(mine: str, theirs: str) -> bool:
    """Whether the quotation only leaves out a few words of one sentence."""
    return not mine and len(theirs) <= _OMITTED and not _SENTENCE_END.search(theirs)


# Alignment


def _align(fragment: Fragment, region: Region) -> Stretch | None:
    """The place in the region that is most similar to the fragment."""
    mine, theirs = fragment.tokens, region.content.tokens
    numbers: dict[str, int] = {}
    a, b = ([numbers.setdefault(t.word, len(numbers)) for t in side] for side in (mine, theirs))
    near = fuzz.partial_ratio_alignment(a, b)
    if near is None or near.score == 0:
        return None
    margin = _MARGIN_WORDS + len(a) // 4
    first = max(0, near.dest_start - margin) if len(a) <= len(b) else 0
    last = near.dest_end + margin if len(a) <= len(b) else len(b)
    steps = [
        (step.tag, step.src_start, step.src_end, first + step.dest_start, first + step.dest_end)
        for step in Levenshtein.opcodes(a, b[first:last])
    ]
    if not (steps := _core(steps)):
        return None
    (_, a_start, _, b_start, _), (_, _, a_end, _, b_end) = steps[0], steps[-1]
    before = max(0, b_start - a_start)
    after = min(len(theirs), b_end + len(mine) - a_end)
    text = region.content.text
    if _SENTENCE_END.search(text, theirs[b_end - 1].end - 1, theirs[after - 1].start):
        after = b_end
    if _SENTENCE_END.search(text, theirs[before].start, theirs[b_start].start):
        before = b_start
    steps.insert(0, ("replace", 0, a_start, before, b_start))
    steps.append(("replace", a_end, len(mine), b_end, after))
    equal = sum(_weight(mine[step[1] : step[2]]) for step in steps if step[0] == "equal")
    within = theirs[before:after]
    start, end = region.start + within[0].start, region.start + within[-1].end
    differs = tuple(_differences(fragment, region.content, steps))
    likeness = min(0.999, 2 * equal / (_weight(mine) + _weight(within)))
    return Stretch(region.document, start, end, differs, likeness)


def _core(steps: Sequence[Step]) -> list[Step]:
    """The run of steps with the most equal words, less half of the words that it leaves out."""
    best, best_total, first, total = (0, 0), 0.0, 0, 0.0
    for number, (tag, a, b, c, d) in enumerate(steps):
        total += b - a if tag == "equal" else -0.5 * (d - c) if tag == "insert" else 0
        if total <= 0:
            first, total = number + 1, 0.0
        elif total > best_total:
            best, best_total = (first, number + 1), total
    return list(steps[slice(*best)])


def _closest(fragment: Fragment, regions: Sequence[Region], cited: Sequence[str]) -> Stretch | None:
    """The most similar place, a cited one if others are hardly more similar."""
    places = [place for region in regions if (place := _align(fragment, region))]
    return max(places, key=lambda p: p.likeness + 0.1 * (p.document.id in cited), default=None)


def _weight(words: Sequence[Token]) -> float:
    return sum(_STOP_WEIGHT if word.word in STOP_WORDS else 1.0 for word in words)


def _differences(
    fragment: Fragment, content: CanonicalText, steps: Sequence[Step]
) -> Iterator[tuple[str, str]]:
    """Pairs (the quotation's words, the document's words), also of other capitals or signs."""
    mine, theirs = fragment.tokens, content.tokens
    for tag, a, b, c, d in steps:
        same = tag == "equal"
        pairs = zip(range(a, b), range(c, d), strict=False)
        for i, j, k, m in [(i, i + 1, k, k + 1) for i, k in pairs] if same else [(a, b, c, d)]:
            with_signs = same and j < b
            words = _words(fragment.text, mine, i, j, with_signs)
            document_words = _words(content.text, theirs, k, m, with_signs)
            plain, original = canonical(words)[0], canonical(document_words)[0]
            if i == 0:
                plain, original = plain[:1].lower() + plain[1:], original[:1].lower() + original[1:]
            if plain != original and (i < j or k < m):
                yield words, document_words


def _words(text: str, tokens: Sequence[Token], first: int, last: int, with_signs: bool) -> str:
    """These words in one line; `with_signs`, also what follows up to the next word."""
    if first == last:
        return ""
    follows = with_signs and last < len(tokens)
    end = tokens[last].start if follows else tokens[last - 1].end
    return " ".join(text[tokens[first].start : end].split())


def _part(document: Document, offset: int) -> Offsets:
    """The block or cell that contains `offset`, or only that character between them."""
    index = block_at(document.blocks, offset)
    block = [] if index is None else [document.blocks[index]]
    parts = (part for parent in block for part in parent.cells or block)
    within = ((part.start, part.end) for part in parts if part.start <= offset < part.end)
    return next(within, (offset, offset + 1))


# Verdicts in words


def _placed(
    checked: CheckedQuotation,
    verdict: QuotationVerdict,
    places: Sequence[Stretch],
    reason: str,
    is_fault: bool = True,
) -> CheckedQuotation:
    """The quotation with a verdict, its places, and how it differs from them; misattributed if
    none of them is in a document that it cites."""
    ids = dict.fromkeys(place.document.id for place in places)
    citations = tuple(place.citation for place in places)
    differs = tuple(pair for place in places for pair in place.differs)
    if checked.cited and verdict != "not_found" and ids.keys().isdisjoint(checked.cited):
        verdict, is_fault = "misattributed", True
        reason = f"in {next(iter(ids))}, not in {', '.join(checked.cited)}"
        if any(place.likeness < 1 for place in places):
            reason += f"; {_difference(places)}"
    judged = replace(checked, verdict=verdict, is_fault=is_fault, reason=reason)
    return replace(judged, places=citations, differs=differs)


def _denial_before(place: Stretch) -> int | None:
    """Where the words begin that deny the place, right before it in its block and sentence, as in
    "Not to keep dogs"."""
    low = max(_part(place.document, place.start)[0], place.start - _BEFORE)
    before = place.document.text[low : place.start]
    match = _DENIAL_BEFORE.search(before)
    return low + match.start() if match else None


def _with_denial(place: Stretch, quotation: Quotation) -> Stretch:
    """The place with the words before it that deny it, unless the writer denies it, too."""
    start = None if _DENIED.search(quotation.around) else _denial_before(place)
    if start is None:
        return place
    words = " ".join(place.document.text[start : place.start].split())
    return replace(place, start=start, differs=(("", words), *place.differs))


def _is_altered(places: Sequence[Stretch]) -> bool:
    """Whether more than punctuation differs."""
    pairs = [pair for place in places for pair in place.differs]
    return not pairs or not all(_only_punctuates(*pair) for pair in pairs)


def _only_punctuates(mine: str, theirs: str) -> bool:
    """Whether only punctuation differs, and that of no number."""
    first, second = (_PUNCTUATION.sub("", canonical(words)[0]) for words in (mine, theirs))
    return first == second and not any(sign.isdecimal() for sign in mine)


def _exact_verdict(
    checked: CheckedQuotation, place: Stretch, quotation: Quotation
) -> CheckedQuotation:
    changes = [f"[{mine}]{theirs and f' for “{theirs}”'}" for mine, theirs in place.differs]
    writers = f"; the writer's {', '.join(changes)}" if changes else ""
    reason = f"word for word in {place.document.id}{writers}"
    exact = _placed(checked, "exact", [place], reason, is_fault=False)
    denied = _with_denial(place, quotation)
    if denied is not place and not exact.is_fault:
        reason = _difference([denied])
        return _placed(checked, "cut", [denied], reason)
    citation = exact.places[0]
    further = _rest(citation)
    if exact.is_fault or not further or ELLIPSIS.search(checked.text[-6:]):
        return exact
    begins = citation.start == citation.sentence_start and checked.text[:1].isupper()
    is_sentence = quotation.is_block or begins or checked.text[-1:] in ".!?"
    reason = f"the sentence in {place.document.id} goes on"
    return replace(exact, verdict="cut", is_fault=is_sentence, reason=reason, rest=further)


def _rest(citation: Citation) -> str:
    """The rest of the document's sentence after a quotation; "" where it or its speech ends."""
    further = citation.sentence[citation.end - citation.sentence_start :]
    closing = further.lstrip(".,;:!?…")[:1]
    is_speech = closing in ("”", "»", '"') and citation.quote.count(closing) % 2 == 0
    has_words = any(sign.isalnum() for sign in canonical(further)[0])
    return " ".join(further.split()) if has_words and not is_speech else ""


def _stitched_verdict(
    checked: CheckedQuotation, places: Sequence[Stretch], joint: str, is_fault: bool
) -> CheckedQuotation:
    ids = ", ".join(dict.fromkeys(place.document.id for place in places))
    reason = f"parts of {len(places)} places in {ids}, {joint}"
    return _placed(checked, "stitched", places, reason, is_fault)


def _not_found(
    checked: CheckedQuotation, nearest: Stretch | None, reason: str = "no document has it"
) -> CheckedQuotation:
    places = [nearest] if nearest and nearest.likeness >= _NEAR else []
    return _placed(checked, "not_found", places, reason)


def _difference(places: Sequence[Stretch]) -> str:
    """The difference that matters most, in words."""
    differs = [(place, *pair) for place in places for pair in place.differs]
    if not differs:
        return f"{places[0].document.id} has other words"
    place, mine, theirs = max(differs, key=lambda item: _weight_of_change(*item[1:]))
    name = place.document.id
    if mine and theirs:
        reason = f"says “{mine}”, {name} says “{theirs}”"
    elif mine:
        reason = f"adds “{mine}”"
    else:
        reason = f"leaves out “{theirs}”{_in_place(place, theirs)}"
    if not _is_altered(places):
        return f"only punctuation differs: {reason}"
    return f"{reason}, and {len(differs) - 1} more" if len(differs) > 1 else reason


def _weight_of_change(mine: str, theirs: str) -> int:
    """How much it matters that one side has words which the other has not."""
    words = {token.word for token in tokens(mine)} ^ {token.word for token in tokens(theirs)}
    if words & _DECISIVE or any(_DENIED.fullmatch(word) for word in words):
        return 4
    if any(sign.isdecimal() for word in words for sign in word):
        return 3
    if words:
        return 2 if words - STOP_WORDS else 1
    return 0


def _in_place(place: Stretch, words: str) -> str:
    """The words that a quotation leaves out with what follows them, if they deny it."""
    if not _DENIED.match(words):
        return ""
    text = " ".join(place.document.text[place.start : place.end].split())
    shown = text[max(0, text.find(words)) :]
    if len(shown) > len(words) + _SHOWN:
        shown = f"{shown[: len(words) + _SHOWN].rsplit(' ', 1)[0]} …"
    return f": {place.document.id} says “{shown}”"
