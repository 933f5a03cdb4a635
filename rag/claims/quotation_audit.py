"""Finds each quotation of a text in the documents and compares it word for word, without a model.

The index proposes passages by the quotation's rarest words. In the text around them, the quotation
is looked for word for word (`quoted_text`), then aligned with the most similar place (`alignment`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice, pairwise

from rag.claims.alignment import (
    SENTENCE_END,
    Excerpt,
    block_or_cell,
    closest,
    longest_beginning,
)
from rag.claims.document_names import DocumentNames, name_words
from rag.claims.quotations import FEWEST_WORDS, Quotation
from rag.claims.quoted_text import (
    ELLIPSIS,
    LONGEST_CHANGE,
    QuotedText,
    canonical,
    parts_between_ellipses,
    tokens,
)
from rag.claims.results import CheckedQuotation, QuotationVerdict
from rag.filters import Condition
from rag.meaning.stems import stem_words
from rag.meaning.words import DENIALS, STOP_WORDS
from rag.protocols import Filter, Store
from rag.types import Citation, Document, Passage

_HITS = 10
"""Passages that the index proposes for a quotation."""
_CITED_HITS = 4
"""Passages that it proposes in each document that the quotation cites."""
_COMMON_HITS = 200
"""Passages that it proposes for a quotation of few words, which are common ones."""
_RARE_WORDS = 12
"""Words of a quotation, the rarest, that passages are looked up by."""
_FEW_WORDS = 5
"""A quotation of at most as many different words has few words."""
_MARGIN = 300
"""Characters around a passage, in addition to the quotation's length, that are searched, too."""
_MOST_ALIGNED = 6
"""Places in documents that a quotation is aligned with."""
_SIMILAR = 0.6
"""Minimum likeness of an altered quotation to its place."""
_NEAR = 0.3
"""Minimum likeness of a place that is shown as the nearest."""
_OMITTED = 80
"""Maximum number of characters that a quotation leaves out of what counts as one place."""
_DENIAL = r"(?:not|never|no|nor|neither|without|cannot|unless|except)\b|\b\w{2,9}n['’]t\b"
_DENIED = re.compile(rf"(?i)\b{_DENIAL}")
_DENIAL_BEFORE = re.compile(
    r"(?i)\b(?:(?:not|never|cannot|no|neither|nor|without)\b|\w{2,9}n['’]t\b)"
    r"(?:\s+(?:to|be|been|have|so|ever|any))?\s*\Z"
)
_BEFORE = 40
"""Characters before a place in which a denial of it is looked for."""
_DECISIVE = frozenset("unless except only if may must shall should".split())
"""Words that change what a sentence demands, as denials do."""
_CONNECTING = frozenset(("and", "or"))
_NUMBER = re.compile(r"\d[\d.,]*")
_SMALL_WORD = 4
"""Characters of the longest word that has no capital in a title."""
_PUNCTUATION = re.compile(r"[.,;:!?()/…]")
_SHOWN = 60
"""Characters of a document that a reason shows after the words that a quotation leaves out."""
_MOST_WORDS = 1000
"""A longer quotation that is not exact is compared up to here."""
_MOST_PARTS = 8
"""Places that a quotation may be stitched from."""
_MOST_CITED = 5
"""Documents that a quotation cites, of those that are named beside it."""
_DOCUMENTS = 64
"""Documents that are kept in memory."""


@dataclass(frozen=True)
class QuotationAudit:
    """Judges quotations of `text` against the documents of a store that `filter` admits.

    `sources` maps the numbers of citation marks to ids of documents, `names` are those of all
    documents. `proceed` is called often, and raises to end the audit.
    """

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
        has the quotation mentions it too: then it may be what both are about.
        """
        numbered = [self.sources[n] for n in quotation.cited if n in self.sources]
        if numbered:
            return self._judged(quotation, list(dict.fromkeys(numbered))[:_MOST_CITED])

        names = self.names.in_text(quotation.around)
        checked = self._judged(quotation, sorted(names)[:_MOST_CITED])
        if names and checked.verdict == "misattributed":
            document = self._document(checked.places[0].document_id)
            text = " ".join(name_words(document.text)) if document else ""
            if any(name in text for name in names.values()):
                return self._judged(quotation, [])
        return checked

    def _judged(self, quotation: Quotation, cited: Sequence[str]) -> CheckedQuotation:
        """The verdict on a quotation that cites the documents with these ids."""
        quoted = QuotedText(self.text[quotation.start : quotation.end])
        checked = CheckedQuotation(
            start=quotation.start,
            end=quotation.end,
            text=quoted.text,
            verdict="not_found",
            is_fault=True,
            reason="",
            cited=tuple(cited),
        )
        if not _stems(quoted):
            reason = "its words are too common to look it up"
            return replace(checked, is_fault=False, reason=reason)

        excerpts: list[Excerpt] = []
        for excerpt in self._excerpts(quoted, cited):
            excerpts.append(excerpt)
            place = next(excerpt.matches(quoted), None)
            if place:
                return _exact(checked, place, quotation)

        parts = parts_between_ellipses(quoted.text)
        if len(parts) > 1:
            return self._with_ellipses(checked, parts, excerpts[:_MOST_ALIGNED], quotation)

        compared = quoted.part(0, _MOST_WORDS) if len(quoted.tokens) > _MOST_WORDS else quoted
        return self._inexact(checked, compared, excerpts[:_MOST_ALIGNED], quotation)

    # Where to look

    def _excerpts(self, quoted: QuotedText, cited: Sequence[str]) -> Iterator[Excerpt]:
        """The text around passages with the quoted text's words, cited documents first; none within
        another.
        """
        margin = len(quoted.text) + _MARGIN
        excerpts: list[Excerpt] = []
        for passage in self._passages(quoted, cited):
            self.proceed()
            document = self._document(passage.document_id)
            if document is None or not passage.is_in(document):
                continue

            is_covered = any(
                excerpt.start <= passage.start and passage.end <= excerpt.end
                for excerpt in excerpts
                if excerpt.document.id == passage.document_id
            )
            if is_covered:
                continue

            excerpt = Excerpt(
                document=document,
                start=max(0, passage.start - margin),
                end=min(len(document.text), passage.end + margin),
            )
            excerpts.append(excerpt)
            yield excerpt

    def _passages(self, quoted: QuotedText, cited: Sequence[str]) -> Iterator[Passage]:
        for document_id in cited:
            yield from self._search(quoted, _CITED_HITS, document_id)

        yield from self._search(quoted, _HITS)

        if len(_stems(quoted)) <= _FEW_WORDS:
            yield from self._search(quoted, _COMMON_HITS)[_HITS:]

    def _search(self, quoted: QuotedText, k: int, document_id: str = "") -> list[Passage]:
        """The `k` passages with the highest BM25 score for the rarest words of a quoted text."""
        stems = _stems(quoted)
        counts = self.store.word_counts(sorted(set(stems.values())))
        indexed = [word for word in stems if stems[word] in counts]
        rare = sorted(indexed, key=lambda word: counts[stems[word]])[:_RARE_WORDS]
        if not rare:
            return []

        condition = (Condition("document", "=", document_id),) if document_id else ()
        hits = self.store.lexical(" ".join(rare), k, (*self.filter, *condition))
        passages = self.store.passages([number for number, _ in hits])
        return [passages[number] for number, _ in hits if number in passages]

    # What is not word for word

    def _inexact(
        self,
        checked: CheckedQuotation,
        quoted: QuotedText,
        excerpts: Sequence[Excerpt],
        quotation: Quotation,
    ) -> CheckedQuotation:
        """The verdict on a quotation without ellipses: altered, stitched or not found."""
        places = self._stitched(quoted, excerpts, checked.cited)
        if not all(_is_omission(*pair) for pair in pairwise(places)):
            return _stitched(checked, places, "without “…” between them", is_fault=True)

        place = closest(quoted, excerpts, checked.cited)
        if not place or place.likeness < _SIMILAR:
            return _not_found(checked, place)
        return _altered(checked, [_with_denial(place, quotation)])

    def _stitched(
        self, quoted: QuotedText, excerpts: Sequence[Excerpt], cited: Sequence[str]
    ) -> list[Excerpt]:
        """The places of the longest parts that documents have word for word, if these make up the
        whole quoted text and come from several places.
        """
        places: list[Excerpt] = []
        remainder = quoted
        while remainder.tokens and len(places) < _MOST_PARTS:
            beginnings = [longest_beginning(remainder, excerpt) for excerpt in excerpts]
            size, place = max(beginnings, key=lambda beginning: beginning[0], default=(0, None))
            if place is None or size < FEWEST_WORDS:
                return []

            places.append(place)
            remainder = remainder.part(size, len(remainder.tokens))
            if remainder.tokens:
                excerpts = list(islice(self._excerpts(remainder, cited), _MOST_ALIGNED))

        return places if len(places) > 1 and not remainder.tokens else []

    def _with_ellipses(
        self,
        checked: CheckedQuotation,
        parts: Sequence[str],
        excerpts: Sequence[Excerpt],
        quotation: Quotation,
    ) -> CheckedQuotation:
        """The verdict on the parts between ellipses. Each is looked for after the one before it,
        then anywhere.
        """
        places: list[Excerpt] = []
        for part in parts:
            quoted = QuotedText(part)
            previous_place = places[-1] if places else None
            place = _following(quoted, previous_place, excerpts)
            place = place or self._anywhere(quoted, checked.cited)
            place = place or closest(quoted, excerpts, checked.cited)
            if not place or place.likeness < _SIMILAR:
                words = " ".join(part.split())
                return _not_found(checked, place, f"no document has “{words}”")
            places.append(place)

        if any(place.likeness < 1 for place in places):
            return _altered(checked, places)

        denied = _with_denials(places, quotation)
        if denied != places:
            return _placed(checked, "stitched", denied, _difference(denied))

        is_one_document = len({place.document.id for place in places}) == 1
        is_reordered = is_one_document and any(
            place.start > following.start for place, following in pairwise(places)
        )
        order = ", in another order" if is_reordered else ""
        return _stitched(checked, places, f"joined by “…”{order}", is_fault=not is_one_document)

    def _anywhere(self, quoted: QuotedText, cited: Sequence[str]) -> Excerpt | None:
        """The first place that has the quoted text word for word."""
        if not _stems(quoted):
            return None
        for excerpt in self._excerpts(quoted, cited):
            for place in excerpt.matches(quoted):
                return place
        return None


def _stems(quoted: QuotedText) -> dict[str, str]:
    """The stems of the words that the index has, by word."""
    words = dict.fromkeys(token.word for token in quoted.tokens[:_MOST_WORDS])
    return {word: stem for word in words for stem in stem_words(word)}


def _following(
    quoted: QuotedText, previous_place: Excerpt | None, excerpts: Sequence[Excerpt]
) -> Excerpt | None:
    """The first place that has the quoted text word for word; if a part before it has a place, then
    in that document, and after that place if possible.
    """
    places = [place for excerpt in excerpts for place in excerpt.matches(quoted)]
    if previous_place is None:
        return places[0] if places else None

    in_document = [place for place in places if place.document.id == previous_place.document.id]
    return min(
        in_document, key=lambda place: (place.start < previous_place.end, place.start), default=None
    )


def _is_omission(place: Excerpt, following: Excerpt) -> bool:
    """Whether a quotation of both places only leaves out a few words of one sentence."""
    if place.document.id != following.document.id or following.start < place.end:
        return False
    between = place.document.text[place.end : following.start]
    return len(between) <= _OMITTED and not SENTENCE_END.search(between)


# A denial before the place


def _with_denial(place: Excerpt, quotation: Quotation) -> Excerpt:
    """The place with the words before it that deny it, unless the writer denies it, too."""
    start = None if _DENIED.search(quotation.around) else _denial_before(place)
    if start is None:
        return place
    words = " ".join(place.document.text[start : place.start].split())
    return replace(place, start=start, differs=(("", words), *place.differs))


def _with_denials(places: Sequence[Excerpt], quotation: Quotation) -> list[Excerpt]:
    """The places, each with the words before it that deny it, if an ellipsis leaves these out."""
    denied = [_with_denial(place, quotation) for place in places]
    for number, (previous_place, place) in enumerate(pairwise(places), 1):
        is_quoted = (
            place.document.id == previous_place.document.id
            and denied[number].start < previous_place.end
        )
        if is_quoted:
            denied[number] = place
    return denied


def _denial_before(place: Excerpt) -> int | None:
    """Where the words begin that deny the place, right before it in its block and sentence, as in
    "Not to keep dogs".
    """
    block_start, _ = block_or_cell(place.document, place.start)
    start = max(block_start, place.start - _BEFORE)
    match = _DENIAL_BEFORE.search(place.document.text[start : place.start])
    return start + match.start() if match else None


# Verdicts, and their reasons in words


def _placed(
    checked: CheckedQuotation,
    verdict: QuotationVerdict,
    places: Sequence[Excerpt],
    reason: str,
    is_fault: bool = True,
) -> CheckedQuotation:
    """The quotation with a verdict, its places, and how it differs from them; misattributed if
    none of them is in a document that it cites.
    """
    ids = list(dict.fromkeys(place.document.id for place in places))
    is_misattributed = (
        checked.cited and verdict != "not_found" and not any(name in checked.cited for name in ids)
    )
    if is_misattributed:
        verdict, is_fault = "misattributed", True
        reason = f"in {ids[0]}, not in {', '.join(checked.cited)}"
        if any(place.likeness < 1 for place in places):
            reason += f"; {_difference(places)}"

    return replace(
        checked,
        verdict=verdict,
        is_fault=is_fault,
        reason=reason,
        places=tuple(place.citation for place in places),
        differs=tuple(pair for place in places for pair in place.differs),
    )


def _exact(checked: CheckedQuotation, place: Excerpt, quotation: Quotation) -> CheckedQuotation:
    """Exact; cut if the document denies it right before, or its sentence goes on; altered if an
    editor's brackets have another number, or leave out a denial.
    """
    place = _up_to_the_end(place, checked.text)
    if any(_is_other_meaning(*pair) for pair in place.differs):
        return _placed(checked, "altered", [place], _difference([place]))

    exact = _placed(checked, "exact", [place], _as_in(place), is_fault=False)
    if exact.is_fault:
        return exact

    denied = _with_denial(place, quotation)
    if denied is not place:
        return _placed(checked, "cut", [denied], _difference([denied]))

    (citation,) = exact.places
    rest = _rest(citation)
    if not rest or ELLIPSIS.search(checked.text[-6:]):
        return exact

    sentence_before = citation.sentence[: citation.start - citation.sentence_start]
    begins_sentence = checked.text[:1].isupper() and not any(
        sign.isalpha() for sign in sentence_before
    )
    is_sentence = quotation.is_block or begins_sentence or checked.text[-1:] in ".!?"
    reason = f"the sentence in {place.document.id} goes on"
    is_fault = is_sentence and not _is_title(checked.text)
    return replace(exact, verdict="cut", is_fault=is_fault, reason=reason, rest=rest)


def _up_to_the_end(place: Excerpt, text: str) -> Excerpt:
    """The place up to the end of its sentence, if an editor's last [brackets] stand for that."""
    editor, replaced = place.differs[-1] if place.differs else ("", "")
    if replaced or not text.rstrip(" .,;:!?").endswith(f"{editor}]"):
        return place

    citation = place.citation
    rest = _rest(citation)
    if not rest or len(rest) > LONGEST_CHANGE:
        return place
    differs = (*place.differs[:-1], (editor, rest.rstrip(".!?")))
    return replace(place, end=citation.sentence_end, differs=differs)


def _is_other_meaning(editor: str, replaced: str) -> bool:
    """Whether an editor's [brackets] have another number than what they replace, or drop or add a
    denial.
    """
    numbers, replaced_numbers = _NUMBER.findall(editor), _NUMBER.findall(replaced)
    has_other_number = bool(numbers and replaced_numbers) and numbers != replaced_numbers
    drops_denial = bool(_DENIED.search(replaced)) and not _DENIED.search(editor)
    adds_denial = bool(_DENIED.fullmatch(editor)) and not _DENIED.search(replaced)
    return has_other_number or drops_denial or adds_denial


def _is_title(text: str) -> bool:
    """Whether the words have capitals as those of a title, as in "The Merchant of Venice"."""
    words = re.findall(r"[^\W\d_][\w'’-]*", text)
    minor_words = [word for word in words[1:-1] if len(word) <= _SMALL_WORD and word in STOP_WORDS]
    has_capitals = all(word[0].isupper() or word in minor_words for word in words)
    return has_capitals and not text.isupper() and text[-1:] not in ".!?…"


def _as_in(place: Excerpt) -> str:
    """The reason for an exact quotation, with the changes that its editor marked."""
    changes = [
        f"[{words}] for “{document_words}”" if document_words else f"[{words}]"
        for words, document_words in place.differs
    ]
    marked = f"; the writer's {', '.join(changes)}" if changes else ""
    return f"word for word in {place.document.id}{marked}"


def _rest(citation: Citation) -> str:
    """The rest of the document's sentence after a quotation; "" where it or its speech ends."""
    rest = citation.sentence[citation.end - citation.sentence_start :]
    closing = rest.lstrip(".,;:!?…")[:1]
    is_speech = closing in ("”", "»", '"') and citation.quote.count(closing) % 2 == 0
    has_words = any(sign.isalnum() for sign in canonical(rest)[0])
    return " ".join(rest.split()) if has_words and not is_speech else ""


def _altered(checked: CheckedQuotation, places: Sequence[Excerpt]) -> CheckedQuotation:
    """Altered; no fault if only capitals and punctuation differ."""
    is_fault = not _has_same_words(places)
    return _placed(checked, "altered", places, _difference(places), is_fault)


def _stitched(
    checked: CheckedQuotation, places: Sequence[Excerpt], joint: str, is_fault: bool
) -> CheckedQuotation:
    ids = ", ".join(dict.fromkeys(place.document.id for place in places))
    reason = f"parts of {len(places)} places in {ids}, {joint}"
    return _placed(checked, "stitched", places, reason, is_fault)


def _not_found(
    checked: CheckedQuotation, place: Excerpt | None, reason: str = "no document has it"
) -> CheckedQuotation:
    places = [place] if place and place.likeness >= _NEAR else []
    if _is_title(checked.text):
        return _placed(checked, "not_found", places, f"{reason}; it reads like a title", False)
    return _placed(checked, "not_found", places, reason)


def _difference(places: Sequence[Excerpt]) -> str:
    """The difference that matters most, in words."""
    differences = [(place, *pair) for place in places for pair in place.differs]
    if not differences:
        return f"{places[0].document.id} has other words"

    place, words, document_words = max(differences, key=lambda item: _importance(item[1], item[2]))
    if words and document_words:
        reason = f"says “{words}”, {place.document.id} says “{document_words}”"
    elif words:
        reason = f"adds “{words}”"
    else:
        reason = f"leaves out “{document_words}”{_denied_words(place, document_words)}"

    if _has_same_words(places):
        kind = "capitals or punctuation differ" if _has_capitals(places) else "punctuation differs"
        return f"only {kind}: {reason}"
    return f"{reason}, and {len(differences) - 1} more" if len(differences) > 1 else reason


def _has_same_words(places: Sequence[Excerpt]) -> bool:
    """Whether something differs, but nothing besides capitals and punctuation; the punctuation of a
    number is more.
    """
    pairs = [pair for place in places for pair in place.differs]
    return bool(pairs) and all(
        _unpunctuated(words).lower() == _unpunctuated(document_words).lower()
        and not any(sign.isdecimal() for sign in words)
        for words, document_words in pairs
    )


def _has_capitals(places: Sequence[Excerpt]) -> bool:
    """Whether more than punctuation differs."""
    pairs = [pair for place in places for pair in place.differs]
    return any(_unpunctuated(words) != _unpunctuated(theirs) for words, theirs in pairs)


def _unpunctuated(words: str) -> str:
    return _PUNCTUATION.sub("", canonical(words)[0])


def _importance(words: str, document_words: str) -> int:
    """How much a difference matters, from 0 to 5, by the words that only one side has."""
    only_quoted = {token.word for token in tokens(words)}
    only_there = {token.word for token in tokens(document_words)}
    differing = only_quoted ^ only_there
    if differing & DENIALS or any(_DENIED.fullmatch(word) for word in differing):
        return 5
    if differing & _DECISIVE:
        return 4
    if differing & _CONNECTING or any(sign.isdecimal() for word in differing for sign in word):
        return 3
    if differing - STOP_WORDS:
        return 2
    return 1 if differing else 0


def _denied_words(place: Excerpt, words: str) -> str:
    """The words that a quotation leaves out with what follows them, if they deny it; or ""."""
    if not _DENIED.match(words):
        return ""
    text = " ".join(place.document.text[place.start : place.end].split())
    excerpt = text[max(0, text.find(words)) :]
    if len(excerpt) > len(words) + _SHOWN:
        excerpt = f"{excerpt[: len(words) + _SHOWN].rsplit(' ', 1)[0]} …"
    return f": {place.document.id} says “{excerpt}”"
