"""The documents of a shelf by the words in their names: "leases", "supplier contracts", "the office
in the High Street".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath

from rag.meaning.words import SMALL_NUMBERS, STOP_WORDS, WORD, fold, singular
from rag.types import Document

DOCUMENT_WORDS = frozenset("document file paper record text page".split())
"""Words that may mean every document."""
_AGREEMENTS = frozenset("contract agreement deal arrangement".split())
"""Words that mean every document that is made between two parties, whatever it calls itself."""
_NO_AGREEMENTS = frozenset(
    "policy procedure guideline rule minute report letter memo manual guide handbook recipe "
    "article paper note invoice receipt statement diary log essay chapter mail email faq "
    "readme".split()
)
"""Names of documents that are no agreements, unless they also have a name of `_BETWEEN_PARTIES`."""
_BETWEEN_PARTIES = _AGREEMENTS | frozenset(
    "lease licence license hire rental tenancy insurance subscription supplier retainer engagement "
    "loan mortgage order supply membership employment".split()
)
_SAME_KIND = tuple(
    frozenset(names.split())
    for names in (
        "lease tenancy rental landlord",
        "insurance insurer cover",
        "offer quote quotation bid bidder tender proposal estimate",
        "loan lender credit mortgage",
        "licence license",
        "supplier vendor provider",
    )
)
"""Names of one kind of documents, and of who makes them: what one document calls an offer, another
calls a quotation.
"""
_PARTIES = frozenset(
    "firm company business bidder vendor provider supplier contractor side".split()
)
"""Words for the other parties of documents, which need not be in any name."""
_SAYS_NOTHING = frozenset(
    "company own current present existing different various other signed running".split()
)
"""Words before a kind of documents that tell no document from another."""
_NAMES_OF_KINDS = (_BETWEEN_PARTIES | _NO_AGREEMENTS) - _AGREEMENTS - {"company"}
"""Words that name one kind of documents wherever a question has them."""
_EVERYDAY = {
    "place": ("lease",), "landlord": ("lease",), "rent": ("lease",), "rented": ("lease", "hire"),
    "hired": ("hire",), "firm": ("supplier",), "company": ("supplier",), "rule": ("policy",),
    "club": ("membership",), "plan": ("subscription",), "app": ("subscription",),
}  # fmt: skip
"""What documents of a kind are about, in everyday words."""
_NUMBERS = {word: number for number, word in enumerate(SMALL_NUMBERS, start=1)} | {"both": 2}
LEAST_DOCUMENTS = 2
"""Documents that a kind must have."""
_LEAST_SCORE = 0.3
"""The least sum of shares of words with which a phrase names a document."""
_RIVAL_SHARE = 0.8
"""The share of the highest score from which on another document may be meant, too."""
_LIST_LINK = re.compile(r",\s*|\s+(?:and|or)\s+")


class Kinds:
    """The words in the names of documents: their paths and titles.

    The documents are looked at when a question first needs them.
    """

    def __init__(
        self, documents: Iterable[Document], find: Callable[[str], str | None] | None = None
    ) -> None:
        """`find` gives the id of the document that words are most likely about, or None."""
        self._documents = documents
        self._find = find

    @functools.cached_property
    def names(self) -> dict[str, frozenset[str]]:
        """The words of each document's name, by its id."""
        names = {}
        for document in self._documents:
            words_of_id = _spaced(document.id)
            names[document.id] = _words(f"{words_of_id} {document.title}")
        return names

    @functools.cached_property
    def _ids_by_word(self) -> dict[str, set[str]]:
        """The ids of the documents whose name has a word."""
        ids_by_word: dict[str, set[str]] = {}
        for document_id, words in self.names.items():
            for word in words:
                ids_by_word.setdefault(word, set()).add(document_id)
        return ids_by_word

    def is_kind(self, word: str) -> bool:
        """Whether the word means documents of one kind."""
        noun = singular(fold(word))
        if noun in DOCUMENT_WORDS or noun in _AGREEMENTS:
            return True
        return len(self._documents_called(noun)) >= LEAST_DOCUMENTS

    def _documents_called(self, noun: str) -> set[str]:
        """The documents with this noun in their names. If they are fewer than two, those with the
        most frequent name of the same kind, or if that is as rare, with any of these names.
        """
        document_ids = self._ids_by_word.get(noun, set())
        names_of_kind = _names_of_same_kind(noun)
        if len(document_ids) >= LEAST_DOCUMENTS or not names_of_kind:
            return document_ids

        ids_by_name = [self._ids_by_word.get(name, set()) for name in sorted(names_of_kind)]
        ids_of_most_frequent = max(ids_by_name, key=len)
        if len(ids_of_most_frequent) >= LEAST_DOCUMENTS:
            return ids_of_most_frequent
        return set().union(*ids_by_name)

    def is_one_kind(self, phrase: str) -> bool:
        """Whether every word of a phrase such as "insurance policies" names documents, and at least
        one of them names a kind of documents, not all.
        """
        names = [noun for noun in _nouns(phrase) if noun not in _SAYS_NOTHING]
        if not names or not all(map(self.is_kind, names)):
            return False

        means_all_documents = DOCUMENT_WORDS.issuperset(names)
        means_parties = not _PARTIES.isdisjoint(names)
        return not means_all_documents and not means_parties

    def says_nothing(self, words: str) -> bool:
        """Whether words before a kind of documents tell no document from another."""
        folded_words = map(fold, WORD.findall(words))
        return _SAYS_NOTHING.issuperset(folded_words)

    def of(self, phrase: str) -> tuple[str, ...]:
        """The documents of a kind, such as "supplier contracts" or "leases and hire agreements"; ()
        if they are fewer than two, or if the phrase has another number, as in "the three leases".
        """
        first_word, _, words_after = phrase.partition(" ")
        number = _NUMBERS.get(first_word.lower())
        if number:
            documents = self.of(words_after)
            return documents if len(documents) == number else ()

        document_ids: set[str] = set()
        for part in _LIST_LINK.split(phrase):
            document_ids |= self._documents_of_nouns(_nouns(part))
        if len(document_ids) < LEAST_DOCUMENTS:
            return ()

        return tuple(document_id for document_id in self.names if document_id in document_ids)

    def _documents_of_nouns(self, nouns: Sequence[str]) -> set[str]:
        """The documents of the first noun that names any: it narrows the kind, as in "supplier
        contracts" the suppliers.
        """
        for noun in nouns:
            if noun in _AGREEMENTS:
                return self._agreements()
            if noun in DOCUMENT_WORDS:
                return set(self.names)

            document_ids = self._documents_called(noun)
            least_documents = 1 if len(nouns) > 1 else LEAST_DOCUMENTS
            if len(document_ids) >= least_documents:
                return document_ids
        return set()

    def _agreements(self) -> set[str]:
        """The documents that may be agreements."""
        return {document_id for document_id, words in self.names.items() if _is_between(words)}

    def everyday(self, question: str) -> str:
        """The kinds of documents that a question in everyday words names, or "contracts" if it
        names none; "" if there are no such documents.
        """
        kinds = []
        for noun in _nouns(question):
            meant = (noun,) if noun in _NAMES_OF_KINDS else _EVERYDAY.get(noun, ())
            kinds += [kind for kind in meant if self.is_kind(kind)]
        if kinds:
            return " or ".join(dict.fromkeys(kinds))

        agreements = [name for name in self.names.values() if name & _BETWEEN_PARTIES]
        return "contracts" if len(agreements) >= LEAST_DOCUMENTS else ""

    def parties(self, phrase: str) -> tuple[str, ...]:
        """The documents behind "the two firms": all agreements, if they are as many; else ()."""
        number_word, _, noun = phrase.partition(" ")
        number = _NUMBERS.get(number_word.lower())
        agreements = self.of("contracts")
        means_parties = singular(fold(noun)) in _PARTIES
        if means_parties and number == len(agreements):
            return agreements
        return ()

    def named(self, phrase: str) -> str | None:
        """The one document that a phrase names, such as "the office in the High Street", or None;
        rare words count most.
        """
        words = _words(phrase) - DOCUMENT_WORDS - _AGREEMENTS
        scores = {}
        for document_id, name in self.names.items():
            counts = [len(self._ids_by_word[word]) for word in words & name]
            scores[document_id] = sum(1 / count for count in counts)

        highest_score = max(scores.values(), default=0.0)
        if highest_score < _LEAST_SCORE:
            return None

        rivals = []
        for document_id, score in scores.items():
            if score >= _RIVAL_SHARE * highest_score:
                rivals.append(document_id)
        return rivals[0] if len(rivals) == 1 else None

    def _found(self, phrase: str) -> str | None:
        """The agreement that a phrase in other words means, such as "the solicitors", or None."""
        document_id = self._find(phrase) if self._find else None
        words = self.names.get(document_id or "", frozenset())
        return None if words.isdisjoint(_BETWEEN_PARTIES) else document_id

    def named_all(self, phrases: Iterable[str]) -> tuple[str, ...]:
        """The documents that the phrases name one by one; () if a phrase names none, or two the
        same one. Of several, one that no name of a document has is the agreement that is found.
        """
        names = list(phrases)
        document_ids = [self.named(name) for name in names]
        if len(names) >= LEAST_DOCUMENTS:
            document_ids = [
                document_id or self._found(name)
                for document_id, name in zip(document_ids, names, strict=True)
            ]
        different_ids = tuple(dict.fromkeys(filter(None, document_ids)))
        if len(different_ids) < len(document_ids):
            return ()
        return different_ids


def _names_of_same_kind(noun: str) -> frozenset[str]:
    """The names of documents that mean the same kind as this one; empty if only it does."""
    for names in _SAME_KIND:
        if noun in names:
            return names
    return frozenset()


def _nouns(phrase: str) -> list[str]:
    """The words of a phrase in the singular."""
    return [singular(fold(word)) for word in WORD.findall(phrase)]


def _spaced(document_id: str) -> str:
    """The id of a document as words, without the suffix of its file."""
    path = PurePath(document_id).with_suffix("")
    return " ".join(re.split(r"[/_\W]+", str(path)))


def _words(text: str) -> frozenset[str]:
    """The words of a name in the singular."""
    words = set()
    for part in re.split(r"[^\w'’]+", text):
        word = singular(fold(part))
        if word and word not in STOP_WORDS:
            words.add(word)
    return frozenset(words)


def _is_between(words: frozenset[str]) -> bool:
    """Whether a document with these words in its name may be an agreement."""
    names_agreement = not words.isdisjoint(_BETWEEN_PARTIES)
    names_other_kind = not words.isdisjoint(_NO_AGREEMENTS)
    return names_agreement or not names_other_kind
