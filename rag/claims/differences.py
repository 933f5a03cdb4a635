"""Finds the differences between a claim and its evidence without a model: values, names, negation
and words.

Values are compared by meaning, not by spelling: "14 July 2015" equals "2015-07-14", "1.5 million"
equals "1,500,000", and "two tonnes" equals "2,000 kg". No comparison decides a verdict alone: the
differences are shown, and weighed with the reader's verdict.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.meaning.compare import is_denied
from rag.meaning.figures import Figure, contradicting, figures, states
from rag.meaning.names import is_named, names, swapped_names
from rag.meaning.sentences import split_sentences
from rag.meaning.words import ARTICLES, DENIALS, PRONOUNS, content_words, word_list, word_set

_CLAUSE_NUMBER = re.compile(
    r"(?m)(?:^|(?<=[.;:]\s))[ \t]{0,8}(?:§\s?)?"
    r"(?:\d{1,2}(?:\.\d{1,3}){1,4}\.?|\d{1,3}[.)]|\(\d{1,2}\)|\(?[a-zA-Z]{1,3}\))"
    r"[ \t]+(?=[A-Z(“\"‘])"
)
_SWAPPED_FROM = 0.5
"""Minimum likeness at which another name in the same place is a difference."""
_MOST_CLAIMED = 50
"""Maximum number of values of a claim that are compared."""
_QUOTED_WORDS = 3
"""Minimum number of words of a quotation."""
_FILLERS = ARTICLES | frozenset("also then thus therefore however moreover indeed".split())
_MODIFIERS = DENIALS | frozenset(
    "if whether unless would could might may claimed claims alleged allegedly supposedly "
    "reportedly rumour rumours rumoured false wrong untrue myth except".split()
)
"""Words that may change the truth of the rest of their sentence."""


@dataclass(frozen=True, slots=True)
class ClaimComparison:
    """The differences between a claim and its evidence.

    `differs`: pairs (the claim's words, the evidence's words) that cannot both be true.
    `missing`, `unnamed`: values and names of the claim that the evidence lacks. `values`,
    `names`: how many the claim has. `denied`: one of the two denies the other. `coverage`: the
    share of the claim's content words that the evidence has, in [0, 1]. `likeness`: the share of
    the claim's words that the evidence has in the same order, in [0, 1]. `quoted`: the evidence
    has the claim word for word.
    """

    differs: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    values: int = 0
    names: int = 0
    denied: bool = False
    coverage: float = 0.0
    likeness: float = 0.0
    quoted: bool = False

    @property
    def is_opposed(self) -> bool:
        """Whether a value, a name or a negation differs."""
        return bool(self.differs) or self.denied


def compare(claim: str, evidence: str, context: str = "") -> ClaimComparison:
    """The claim compared with evidence; `context` has names and years that this may omit."""
    claimed = figures(claim)[:_MOST_CLAIMED]
    stated = figures(_unnumbered(evidence))
    missing = _unstated_figures(claimed, (*stated, *figures(context)))

    words = word_list(claim)
    matcher = difflib.SequenceMatcher(None, words, word_list(evidence), autojunk=False)
    steps = matcher.get_opcodes()
    equal_words = sum(end - start for kind, start, end, _, _ in steps if kind == "equal")
    likeness = equal_words / len(words) if words else 0.0

    unnamed = _unnamed(claim, evidence, context)
    differs = list(contradicting(missing, stated, claimed))
    if likeness >= _SWAPPED_FROM:
        for name, other_name in swapped_names(claim, evidence, steps):
            if name in unnamed:
                differs.append((name, other_name))

    stems = content_words(claim)
    covered = stems & content_words(f"{evidence} {context}")
    return ClaimComparison(
        differs=tuple(dict.fromkeys(differs)),
        missing=tuple(value.text for value in missing),
        unnamed=tuple(unnamed),
        values=len(claimed),
        names=len(names(claim)),
        denied=is_denied(claim, evidence),
        coverage=len(covered) / len(stems) if stems else 0.0,
        likeness=likeness,
        quoted=likeness == 1.0 and is_quoted(claim, evidence),
    )


def _unstated_figures(claimed: Sequence[Figure], stated: Sequence[Figure]) -> list[Figure]:
    """The values of a claim that are not stated."""
    missing = []
    for value in claimed:
        if not any(states(figure, value) for figure in stated):
            missing.append(value)
    return missing


def _unnumbered(text: str) -> str:
    """The text without the number of a clause or an item at the start of a line or sentence."""
    return _CLAUSE_NUMBER.sub("", text)


def _unnamed(claim: str, evidence: str, context: str) -> list[str]:
    """The names of the claim that neither evidence nor context has."""
    words = word_set(f"{evidence} {context}")
    unnamed = [name for name in names(claim) if not is_named(name, words, evidence)]
    if not unnamed:
        return []
    begins_with_name = claim.removeprefix("The ").startswith(unnamed[0])
    if begins_with_name and PRONOUNS & words:
        return unnamed[1:]  # a pronoun of the evidence may refer to it
    return unnamed


def is_quoted(claim: str, evidence: str) -> bool:
    """Whether a sentence of the evidence has the claim word for word, except for articles and
    adverbs such as "then", and no other word there may change its truth.
    """
    claim_words = _without_fillers(claim)
    size = len(claim_words)
    if size < _QUOTED_WORDS:
        return False

    sentences = split_sentences(evidence) or [(0, len(evidence))]
    for start, end in sentences:
        words = _without_fillers(evidence[start:end])
        for offset in range(len(words) - size + 1):
            if words[offset : offset + size] != claim_words:
                continue
            words_before = words[:offset]
            words_after = words[offset + size :]
            return _MODIFIERS.isdisjoint([*words_before, *words_after])
    return False


def _without_fillers(text: str) -> list[str]:
    """The words of a text without articles and adverbs such as "then"."""
    return [word for word in word_list(text) if word not in _FILLERS]
