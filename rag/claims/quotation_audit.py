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
    closest_place,
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
_LEAST_OF_ALTERED = 0.6
"""Minimum likeness of an altered quotation to its place."""
_LEAST_OF_NEAREST = 0.3
"""Minimum likeness of a place that is shown as the nearest."""
_OMITTED = 80
"""Maximum number of characters that a quotation leaves out of what counts as one place."""
_DENIAL = r"(?:not|never|no|nor|neither|without|cannot|unless|except)\b|\b\w{2,9}n['’]t\b"
_DENIED = re.compile(rf"(?i)\b{_DENIAL}")
_DENIAL_BEFORE = re.compile(
    r"(?i)\b(?:(?:not|never|cannot|no|neither|nor|without)\b|\w{2,9}n['’]t\b)"
    r"(?:\s+(?:to|be|been|have|so|ever|any))?\s*\Z"
)
_DENIAL_REACH = 40
"""Characters before a place in which a denial of it is looked for."""
_DECISIVE = frozenset("unless except only if may must shall should".split())
"""Words that change what a sentence demands, as denials do."""
_CONNECTING = frozenset(("and", "or"))
_NUMBER = re.compile(r"\d[\d.,]*")
_SMALL_WORD = 4
"""Characters of the longest word that has no capital in a title."""
_PUNCTUATION = re.compile(r"[.,;:!?()/…]")
_MOST_SHOWN = 60
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
            distinct = list(dict.fromkeys(numbered))
            return self._judged(quotation, distinct[:_MOST_CITED])

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
                return _exact_or_cut(checked, place, quotation)

        excerpts = excerpts[:_MOST_ALIGNED]
        parts = parts_between_ellipses(quoted.text)
        if len(parts) > 1:
            return self._with_ellipses(checked, parts, excerpts, quotation)
        if len(quoted.tokens) > _MOST_WORDS:
            quoted = quoted.part(0, _MOST_WORDS)
        return self._verdict_if_inexact(checked, quoted, excerpts, quotation)

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
            if any(_is_within(excerpt, passage) for excerpt in excerpts):
                continue

            excerpt = Excerpt(
                document=document,
                start=max(0, passage.start - margin),
                end=min(len(document.text), passage.end + margin),
            )
            excerpts.append(excerpt)
            yield excerpt

    def _passages(self, quoted: QuotedText, cited: Sequence[str]) -> Iterator[Passage]:
        """The passages that may have the quoted text, those of cited documents first."""
        for document_id in cited:
            yield from self._search(quoted, _CITED_HITS, document_id)
        yield from self._search(quoted, _HITS)

        has_few_words = len(_stems(quoted)) <= _FEW_WORDS
        if has_few_words:
            common_passages = self._search(quoted, _COMMON_HITS)
            yield from common_passages[_HITS:]

    def _search(self, quoted: QuotedText, k: int, document_id: str = "") -> list[Passage]:
        """The `k` passages with the highest BM25 score for the rarest words of a quoted text."""
        stems = _stems(quoted)
        counts = self.store.word_counts(sorted(set(stems.values())))
        indexed_words = [word for word, stem in stems.items() if stem in counts]
        indexed_words.sort(key=lambda word: counts[stems[word]])
        rarest_words = indexed_words[:_RARE_WORDS]
        if not rarest_words:
            return []

        filter = tuple(self.filter)
        if document_id:
            filter = (*filter, Condition("document", "=", document_id))
        hits = self.store.lexical(" ".join(rarest_words), k, filter)
        passage_ids = [passage_id for passage_id, _ in hits]
        passages = self.store.passages(passage_ids)
        return [passages[passage_id] for passage_id in passage_ids if passage_id in passages]

    # What is not word for word

    def _verdict_if_inexact(
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

        place = closest_place(quoted, excerpts, checked.cited)
        if not place or place.likeness < _LEAST_OF_ALTERED:
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

        is_whole = not remainder.tokens
        return places if is_whole and len(places) > 1 else []

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
            place = (
                _next_place(quoted, previous_place, excerpts)
                or self._first_exact_place(quoted, checked.cited)
                or closest_place(quoted, excerpts, checked.cited)
            )
            if not place or place.likeness < _LEAST_OF_ALTERED:
                words = " ".join(part.split())
                return _not_found(checked, place, f"no document has “{words}”")
            places.append(place)

        if any(place.likeness < 1 for place in places):
            return _altered(checked, places)

        denied = _with_denials(places, quotation)
        if denied != places:
            return _with_places(checked, "stitched", denied, _difference(denied))

        joint = "joined by “…”"
        is_one_document = len({place.document.id for place in places}) == 1
        if is_one_document and not _is_in_order(places):
            joint = "joined by “…”, in another order"
        return _stitched(checked, places, joint, is_fault=not is_one_document)

    def _first_exact_place(self, quoted: QuotedText, cited: Sequence[str]) -> Excerpt | None:
        """The first place that has the quoted text word for word."""
        if not _stems(quoted):
            return None
        for excerpt in self._excerpts(quoted, cited):
            for place in excerpt.matches(quoted):
                return place
        return None


def _is_within(excerpt: Excerpt, passage: Passage) -> bool:
    """Whether a passage is within an excerpt of its document."""
    if excerpt.document.id != passage.document_id:
        return False
    return excerpt.start <= passage.start and passage.end <= excerpt.end


def _is_in_order(places: Sequence[Excerpt]) -> bool:
    """Whether no place is before the one that is quoted before it."""
    return all(place.start <= following.start for place, following in pairwise(places))


def _stems(quoted: QuotedText) -> dict[str, str]:
    """The stems of the words that the index has, by word."""
    words = dict.fromkeys(token.word for token in quoted.tokens[:_MOST_WORDS])
    stems = {}
    for word in words:
        for stem in stem_words(word):
            stems[word] = stem
    return stems


def _next_place(
    quoted: QuotedText, previous_place: Excerpt | None, excerpts: Sequence[Excerpt]
) -> Excerpt | None:
    """The first place that has the quoted text word for word; if a part before it has a place, then
    in that document, and after that place if possible.
    """
    places: list[Excerpt] = []
    for excerpt in excerpts:
        places += excerpt.matches(quoted)
    if previous_place is None:
        return places[0] if places else None

    in_document = [place for place in places if place.document.id == previous_place.document.id]
    places_after = [place for place in in_document if place.start >= previous_place.end]
    return min(places_after or in_document, key=lambda place: place.start, default=None)


def _is_omission(place: Excerpt, following: Excerpt) -> bool:
    """Whether a quotation of both places only leaves out a few words of one sentence."""
    if place.document.id != following.document.id or following.start < place.end:
        return False
    words_between = place.document.text[place.end : following.start]
    return len(words_between) <= _OMITTED and not SENTENCE_END.search(words_between)


# A denial before the place


def _with_denial(place: Excerpt, quotation: Quotation) -> Excerpt:
    """The place with the words before it that deny it, unless the writer denies it, too."""
    if _DENIED.search(quotation.around):
        return place
    start = _denial_before(place)
    if start is None:
        return place
    words = " ".join(place.document.text[start : place.start].split())
    return replace(place, start=start, differs=(("", words), *place.differs))


def _with_denials(places: Sequence[Excerpt], quotation: Quotation) -> list[Excerpt]:
    """The places, each with the words before it that deny it, if an ellipsis leaves these out."""
    denied_places: list[Excerpt] = []
    previous_place: Excerpt | None = None
    for place in places:
        denied = _with_denial(place, quotation)
        is_quoted = (
            previous_place is not None
            and previous_place.document.id == place.document.id
            and denied.start < previous_place.end
        )
        denied_places.append(place if is_quoted else denied)
        previous_place = place
    return denied_places


def _denial_before(place: Excerpt) -> int | None:
    """Where the words begin that deny the place, right before it in its block and sentence, as in
    "Not to keep dogs".
    """
    block_start, _ = block_or_cell(place.document, place.start)
    start = max(block_start, place.start - _DENIAL_REACH)
    match = _DENIAL_BEFORE.search(place.document.text[start : place.start])
    return start + match.start() if match else None


# Verdicts, and their reasons in words


def _with_places(
    checked: CheckedQuotation,
    verdict: QuotationVerdict,
    places: Sequence[Excerpt],
    reason: str,
    is_fault: bool = True,
) -> CheckedQuotation:
    """The quotation with a verdict, its places, and how it differs from them; misattributed if
    none of them is in a document that it cites.
    """
    document_ids = _document_ids(places)
    has_other_source = checked.cited and not any(name in checked.cited for name in document_ids)
    if has_other_source and verdict != "not_found":
        verdict = "misattributed"
        is_fault = True
        reason = f"in {document_ids[0]}, not in {', '.join(checked.cited)}"
        if any(place.likeness < 1 for place in places):
            reason += f"; {_difference(places)}"

    return replace(
        checked,
        verdict=verdict,
        is_fault=is_fault,
        reason=reason,
        places=tuple(place.citation for place in places),
        differs=tuple(_differences(places)),
    )


def _document_ids(places: Sequence[Excerpt]) -> list[str]:
    """The ids of the documents of places, each once."""
    return list(dict.fromkeys(place.document.id for place in places))


def _differences(places: Sequence[Excerpt]) -> list[tuple[str, str]]:
    """All pairs (the quotation's words, the document's words) of places."""
    pairs: list[tuple[str, str]] = []
    for place in places:
        pairs += place.differs
    return pairs


def _exact_or_cut(
    checked: CheckedQuotation, place: Excerpt, quotation: Quotation
) -> CheckedQuotation:
    """Exact; cut if the document denies it right before, or its sentence goes on; altered if an
    editor's brackets have another number, or leave out a denial.
    """
    place = _up_to_the_end(place, checked.text)
    if any(_is_other_meaning(editor, replaced) for editor, replaced in place.differs):
        return _with_places(checked, "altered", [place], _difference([place]))

    exact_quotation = _with_places(checked, "exact", [place], _as_in(place), is_fault=False)
    if exact_quotation.is_fault:
        return exact_quotation

    denied = _with_denial(place, quotation)
    if denied is not place:
        return _with_places(checked, "cut", [denied], _difference([denied]))

    (citation,) = exact_quotation.places
    rest = _rest_of_sentence(citation)
    if not rest or ELLIPSIS.search(checked.text[-6:]):
        return exact_quotation

    reads_like_sentence = (
        quotation.is_block or _begins_sentence(checked.text, citation) or checked.text[-1:] in ".!?"
    )
    return replace(
        exact_quotation,
        verdict="cut",
        is_fault=reads_like_sentence and not _is_title(checked.text),
        reason=f"the sentence in {place.document.id} goes on",
        rest=rest,
    )


def _begins_sentence(text: str, citation: Citation) -> bool:
    """Whether a quotation begins with a capital, at the start of the document's sentence."""
    text_before = citation.sentence[: citation.start - citation.sentence_start]
    has_words_before = any(sign.isalpha() for sign in text_before)
    return text[:1].isupper() and not has_words_before


def _up_to_the_end(place: Excerpt, text: str) -> Excerpt:
    """The place up to the end of its sentence, if an editor's last [brackets] replace that end."""
    editor, replaced = place.differs[-1] if place.differs else ("", "")
    ends_with_brackets = text.rstrip(" .,;:!?").endswith(f"{editor}]")
    if replaced or not ends_with_brackets:
        return place

    citation = place.citation
    rest = _rest_of_sentence(citation)
    if not rest or len(rest) > LONGEST_CHANGE:
        return place
    differs = (*place.differs[:-1], (editor, rest.rstrip(".!?")))
    return replace(place, end=citation.sentence_end, differs=differs)


def _is_other_meaning(editor: str, replaced: str) -> bool:
    """Whether an editor's [brackets] have another number than what they replace, or drop or add a
    denial.
    """
    numbers = _NUMBER.findall(editor)
    replaced_numbers = _NUMBER.findall(replaced)
    if numbers and replaced_numbers and numbers != replaced_numbers:
        return True
    if _DENIED.search(replaced):
        return not _DENIED.search(editor)
    return bool(_DENIED.fullmatch(editor))


def _is_title(text: str) -> bool:
    """Whether the words have capitals as those of a title, as in "The Merchant of Venice"."""
    if text.isupper() or text[-1:] in ".!?…":
        return False
    words = re.findall(r"[^\W\d_][\w'’-]*", text)
    minor_words = {word for word in words[1:-1] if _is_minor(word)}
    return all(word[0].isupper() or word in minor_words for word in words)


def _is_minor(word: str) -> bool:
    """Whether a word has no capital within a title."""
    return len(word) <= _SMALL_WORD and word in STOP_WORDS


def _as_in(place: Excerpt) -> str:
    """The reason for an exact quotation, with the changes that its editor marked."""
    reason = f"word for word in {place.document.id}"
    changes = []
    for words, document_words in place.differs:
        change = f"[{words}]"
        if document_words:
            change += f" for “{document_words}”"
        changes.append(change)
    if not changes:
        return reason
    return f"{reason}; the writer's {', '.join(changes)}"


def _rest_of_sentence(citation: Citation) -> str:
    """The rest of the document's sentence after a quotation; "" where it or its speech ends."""
    rest = citation.sentence[citation.end - citation.sentence_start :]
    closing = rest.lstrip(".,;:!?…")[:1]
    is_speech = closing in ("”", "»", '"') and citation.quote.count(closing) % 2 == 0
    if is_speech:
        return ""
    characters, _ = canonical(rest)
    has_words = any(sign.isalnum() for sign in characters)
    return " ".join(rest.split()) if has_words else ""


def _altered(checked: CheckedQuotation, places: Sequence[Excerpt]) -> CheckedQuotation:
    """Altered; no fault if only capitals and punctuation differ."""
    is_fault = not _has_same_words(places)
    return _with_places(checked, "altered", places, _difference(places), is_fault)


def _stitched(
    checked: CheckedQuotation, places: Sequence[Excerpt], joint: str, is_fault: bool
) -> CheckedQuotation:
    """Stitched from several places, joined as the reason says."""
    ids = ", ".join(_document_ids(places))
    reason = f"parts of {len(places)} places in {ids}, {joint}"
    return _with_places(checked, "stitched", places, reason, is_fault)


def _not_found(
    checked: CheckedQuotation, place: Excerpt | None, reason: str = "no document has it"
) -> CheckedQuotation:
    """Not found, with the nearest place; no fault if it may be a title."""
    places = [place] if place and place.likeness >= _LEAST_OF_NEAREST else []
    is_title = _is_title(checked.text)
    if is_title:
        reason = f"{reason}; it reads like a title"
    return _with_places(checked, "not_found", places, reason, is_fault=not is_title)


def _difference(places: Sequence[Excerpt]) -> str:
    """The difference that matters most, in words."""
    differences: list[tuple[Excerpt, str, str]] = []
    for place in places:
        differences += [(place, words, other_words) for words, other_words in place.differs]
    if not differences:
        return f"{places[0].document.id} has other words"

    def importance(difference: tuple[Excerpt, str, str]) -> int:
        _, words, other_words = difference
        return _importance(words, other_words)

    place, words, document_words = max(differences, key=importance)
    if words and document_words:
        reason = f"says “{words}”, {place.document.id} says “{document_words}”"
    elif words:
        reason = f"adds “{words}”"
    else:
        reason = f"leaves out “{document_words}”{_denied_words(place, document_words)}"

    if _has_same_words(places):
        kind = "capitals or punctuation differ" if _has_capitals(places) else "punctuation differs"
        return f"only {kind}: {reason}"
    other_count = len(differences) - 1
    return f"{reason}, and {other_count} more" if other_count else reason


def _has_same_words(places: Sequence[Excerpt]) -> bool:
    """Whether something differs, but nothing besides capitals and punctuation; the punctuation of a
    number is more.
    """
    pairs = _differences(places)
    for words, document_words in pairs:
        if _unpunctuated(words).lower() != _unpunctuated(document_words).lower():
            return False
        if _has_digit(words):
            return False
    return bool(pairs)


def _has_capitals(places: Sequence[Excerpt]) -> bool:
    """Whether more than punctuation differs."""
    for words, document_words in _differences(places):
        if _unpunctuated(words) != _unpunctuated(document_words):
            return True
    return False


def _unpunctuated(words: str) -> str:
    """The words without punctuation and without what typesetting changes."""
    characters, _ = canonical(words)
    return _PUNCTUATION.sub("", characters)


def _has_digit(words: str) -> bool:
    return any(sign.isdecimal() for sign in words)


def _importance(words: str, document_words: str) -> int:
    """How much a difference matters, from 0 to 5, by the words that only one side has."""
    quoted_words = {token.word for token in tokens(words)}
    other_words = {token.word for token in tokens(document_words)}
    differing = quoted_words ^ other_words
    if not differing:
        return 0
    if differing & DENIALS or any(map(_DENIED.fullmatch, differing)):
        return 5
    if differing & _DECISIVE:
        return 4
    if differing & _CONNECTING or any(map(_has_digit, differing)):
        return 3
    return 2 if differing - STOP_WORDS else 1


def _denied_words(place: Excerpt, words: str) -> str:
    """The words that a quotation leaves out with what follows them, if they deny it; or ""."""
    if not _DENIED.match(words):
        return ""
    text = " ".join(place.document.text[place.start : place.end].split())
    excerpt = text[max(0, text.find(words)) :]
    length_limit = len(words) + _MOST_SHOWN
    if len(excerpt) > length_limit:
        excerpt = f"{excerpt[:length_limit].rsplit(' ', 1)[0]} …"
    return f": {place.document.id} says “{excerpt}”"
