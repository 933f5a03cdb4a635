"""Splits plain text, Markdown or a chat answer into sentences and claims, with their citations.

Offsets refer to the text under check: `text[sentence.start:sentence.end]` is the sentence with
its markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from rag.claims.markup import cited_numbers, end_with_marks, masked, without_markup
from rag.meaning.sentences import Offsets, split_sentences, trim
from rag.meaning.words import OWNERS, SPEAKERS, SUBJECTS, WORD, word_set

VERBS = (
    "is|are|was|were|has|have|had|does|do|did|will|would|can|could|may|might|must|should|cannot|"
    "became|began|came|fell|gave|grew|held|kept|led|left|lost|made|met|ran|rose|said|sent|set|"
    "stood|took|told|went|won|wrote|built|cut|put"
)
_PRONOUN = re.compile(
    rf"(?i)^(?:(?P<subject>{SUBJECTS}|both|the (?:former|latter))"
    rf"(?=\s+(?:\w+ly\s+|also\s+|then\s+|later\s+)?(?:{VERBS}|\w+ed|\w+s)\b)"
    rf"|(?P<owner>{OWNERS})(?=\s+\w))"
)
_PERSONAL = frozenset(("he", "she", "his", "her"))
_VAGUE = frozenset("this these those that both".split()) | {"the former", "the latter"}
_NAME = re.compile(
    r"(?:[Tt]he )?[A-Z][\w'’.-]*"
    r"(?: (?:of|the|and|for|de|bin|al|on|von|van|[A-Z0-9][\w'’.&-]*))*"
    r"(?<! of)(?<! the)(?<! and)(?<! for)(?<! on)(?![\w'’])"
)
_NOUN_PHRASE = re.compile(
    r"(?:The|An?|This|That|Our|Each) (?:[a-z][\w-]+ ){1,4}?"
    r"(?=(?:is|are|was|were|has|had|will|can|may|must)\b)"
)
_PERSON = re.compile(r"(?!The |A |An )[A-Z][a-z'’-]+(?: (?:[A-Z][\w'’.-]*|al|bin|de|von|van))*")
_STARTERS = frozenset(
    "in on at by from after before during since when while if as for with under although because "
    "until the a an there no all some most many several both each one two three".split()
)


def subject(claim: str) -> str:
    """The name or noun phrase that a claim opens with; "" if it opens otherwise."""
    match = _NOUN_PHRASE.match(claim) or _NAME.match(claim)
    if not match or _PRONOUN.match(claim):
        return ""
    phrase = match[0].strip()
    word, _, remainder = phrase.partition(" ")
    has_article = word in ("The", "A", "An") and bool(remainder)
    is_starter = word.lower() in _STARTERS and not has_article
    return "" if is_starter else phrase


_REFERENCE = re.compile(
    r"(?m)^[ \t]*(?:[-*][ \t]+)?(?:\[\^?(\d{1,3})\]:?|【(\d{1,3})】:?)[ \t]+(\S.*)$"
)
"""A line of a list of sources: `[1] jcpoa.md > The deal: "…"`."""
_FENCE = re.compile(r"(?m)^[ \t]*+(?P<sign>`{3,}+|~{3,}+)(?P<after>[^\n]*+)")
"""The first or last line of a block of code."""
_GREETING = re.compile(
    r"(?i)^(?:hi|hello|hey|dear|thanks?|thank you|sure|certainly|of course|absolutely|"
    r"great question|good question|okay|ok|you're welcome|sorry|unfortunately, i|let me|let us|"
    r"let's|feel free|please|note that you can|here (?:is|are)|here's|below (?:is|are)|i hope|"
    r"i'm happy|i am happy|i can|i could not|i couldn't|i cannot|i can't|i don't|i do not|i think|"
    r"i believe|i would|i'd|would you|do you|if you (?:want|need|have|would like)|"
    r"see (?:also|below|above)|based on the (?:provided|given|retrieved)[^,]*,? i|as an ai)\b"
)
"""Openings of sentences that address the reader."""
_RULE_WORDS = frozenset("must should shall may cannot required".split())
"""A sentence with one of these states a rule, however it opens, unless the writer speaks of
themselves."""
_LEAD = re.compile(
    r"(?i)^(?:(?:however|moreover|furthermore|additionally|also|in addition|then|thus|therefore|"
    r"hence|as a result|in fact|indeed|meanwhile|later|afterwards|finally|overall|in summary|"
    r"in short|to summari[sz]e|in conclusion|according to the documents?|based on the [\w ]{1,40}|"
    r"(?:please )?note that|for example|for instance|and|but|so)(?:,\s*|\s+(?=\S)))+"
)
_FINITE = re.compile(rf"\b(?:{VERBS}|[a-z]{{2,}}ed|[a-z]{{3,}}(?:es|[tnlrdpkw]s|ms))\b")
"""A word that may be a finite verb."""
_JOINT = re.compile(
    r"(?:;\s+|,\s+(?:and|but|while|whereas|although|though)\s+)"
    r"(?=(?:the|an?|this|these|its|his|her|their|it|he|she|they|no|each|all|both|[A-Z][\w'’-]+)\s)"
)
"""The conjunction before a clause with its own subject."""
_SUBORDINATE = frozenset(
    "if when unless although though while because since after before as".split()
)
_NO_SPACE = re.compile(r"\S+")
_MOST_WORDS = 120
"""A sentence of more words is checked in pieces: the work of a comparison grows with its square."""
_MOST_CHARACTERS = 1000
"""So is a sentence of more characters."""
FEWEST_WORDS = 3
"""Minimum number of words in a claim."""


@dataclass(frozen=True, slots=True)
class ClaimPart:
    """A clause without markup; `unresolved` is a pronoun without antecedent, or ""."""

    text: str
    unresolved: str = ""


@dataclass(frozen=True, slots=True)
class ClaimSentence:
    """A sentence at `[start, end)` of the text under check, including the citation marks after it.

    `text` is the sentence without markup; `cited` are the numbers in its marks. If it makes no
    claim, `parts` is empty and `skipped` is the reason: "question", "heading", "code", "table",
    "introduction", "address", "source", "fragment" or, for the checker, "quotation".
    """

    start: int
    end: int
    text: str
    cited: tuple[int, ...] = ()
    parts: tuple[ClaimPart, ...] = ()
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """The sentences of a text in order, and the lines of its list of sources by number."""

    sentences: tuple[ClaimSentence, ...]
    sources: dict[int, str]


def split_claims(text: str) -> Claims:
    """The sentences of `text`; those that make a claim have parts."""
    sources = {}
    for match in _REFERENCE.finditer(text):
        number = int(match[1] or match[2])
        sources[number] = match[3].strip()
    sentences = chain.from_iterable(_sentences(text, *block) for block in blocks(text))
    return Claims(tuple(_resolved(sentences)), sources)


def _code(text: str) -> Iterator[Offsets]:
    """The blocks of code between fences; one without a closing fence ends with the text."""
    opening = None
    for fence in _FENCE.finditer(text):
        if opening is None:
            opening = fence
            continue
        is_as_long = fence["sign"].startswith(opening["sign"])
        is_alone = not fence["after"].strip(" \t`~")
        if is_as_long and is_alone:
            yield opening.start(), fence.end()
            opening = None
    if opening and opening.end() < len(text):
        yield opening.start(), len(text)


def _comments(text: str) -> Iterator[Offsets]:
    """The comments of HTML in a text."""
    start = text.find("<!--")
    while start >= 0:
        end = text.find("-->", start + 4)
        if end < 0:
            return
        yield start, end + 3
        start = text.find("<!--", end)


def _spans(pattern: str) -> Callable[[str], Iterator[Offsets]]:
    """A function that finds the matches of a pattern."""
    compiled = re.compile(pattern, re.MULTILINE)

    def spans(text: str) -> Iterator[Offsets]:
        for match in compiled.finditer(text):
            yield match.span()

    return spans


_SKIPPED_BLOCKS = (
    (_spans(r"\A---[ \t]*\n(?s:.*?)\n---[ \t]*(?:\n|\Z)"), "code"),
    (_code, "code"),
    (_comments, "code"),
    (_spans(_REFERENCE.pattern), "source"),
    (_spans(r"^[ \t]*\|[^\n]*\|[ \t]*$(?:\n[ \t]*\|[^\n]*\|[ \t]*$)*"), "table"),
    (_spans(r"^[ \t]{0,3}#{1,6}[ \t][^\n]*$|^[^\n]+\n(?:=+|-{3,})[ \t]*$"), "heading"),
    (_spans(r"^[ \t]*(?:[-*_][ \t]*){3,}$"), "rule"),
)


def blocks(text: str) -> list[tuple[int, int, str]]:
    """(start, end, kind) of each block; kind is "" for prose, or the reason to skip it."""
    occupied = bytearray(len(text))
    skipped: list[tuple[int, int, str]] = []
    for spans, kind in _SKIPPED_BLOCKS:
        for start, end in spans(text):
            is_free = occupied.find(1, start, end) < 0
            if is_free:
                occupied[start:end] = b"\x01" * (end - start)
                skipped.append((start, end, kind))

    blocks: list[tuple[int, int, str]] = []
    position = 0
    for start, end, kind in sorted(skipped):
        blocks.append((position, start, ""))
        blocks.append((start, end, kind))
        position = end
    blocks.append((position, len(text), ""))
    return [(start, end, kind) for start, end, kind in blocks if text[start:end].strip()]


def _sentences(text: str, start: int, end: int, kind: str) -> Iterator[ClaimSentence]:
    """The sentences of a block. A skipped block is one sentence; a rule has no sentence."""
    if kind == "rule":
        return
    if kind:
        for sentence_start, sentence_end in trim(text, start, end):
            words = without_markup(text[sentence_start:sentence_end])
            yield ClaimSentence(sentence_start, sentence_end, words, skipped=kind)
        return

    pieces: list[Offsets] = []
    for sentence_start, sentence_end in split_sentences(masked(text[start:end])):
        pieces += _short_pieces(text, start + sentence_start, start + sentence_end)
    limits = [piece_start for piece_start, _ in pieces[1:]] + [end]
    for (sentence_start, sentence_end), limit in zip(pieces, limits, strict=False):
        sentence_end = end_with_marks(text, sentence_end, limit)
        source = text[sentence_start:sentence_end]
        words = without_markup(source)
        reason = _skip_reason(words)
        yield ClaimSentence(
            start=sentence_start,
            end=sentence_end,
            text=words,
            cited=cited_numbers(source),
            parts=() if reason else _parts(words),
            skipped=reason,
        )


def _parts(words: str) -> tuple[ClaimPart, ...]:
    """The clauses of a sentence, without the words that lead to it, such as "However,"."""
    claim = _LEAD.sub("", words)
    sentence = claim[:1].upper() + claim[1:]
    return tuple(ClaimPart(clause) for clause in clauses(sentence))


def _short_pieces(text: str, start: int, end: int) -> Iterator[Offsets]:
    """A sentence in pieces of at most `_MOST_WORDS` words and `_MOST_CHARACTERS` characters, cut
    before a word if there is one.
    """
    words = 0
    piece_start = start
    piece_end = start
    for word in _NO_SPACE.finditer(text, start, end):
        words += 1
        is_too_long = words > _MOST_WORDS or word.end() - piece_start > _MOST_CHARACTERS
        if is_too_long:
            if word.start() > piece_start:
                yield piece_start, piece_end
            piece_start = word.start()
            words = 1
        piece_end = word.end()
        while piece_end - piece_start > _MOST_CHARACTERS:
            yield piece_start, piece_start + _MOST_CHARACTERS
            piece_start += _MOST_CHARACTERS
    yield piece_start, end


def _skip_reason(text: str) -> str:
    """The reason why a sentence makes no claim; "" if it makes one."""
    if text.endswith("?"):
        return "question"
    if len(WORD.findall(text)) < FEWEST_WORDS:
        return "fragment"
    if _GREETING.match(text) and not _states_rule(word_set(text)):
        return "address"
    if text.endswith(":"):
        return "introduction"
    return ""


def _states_rule(words: frozenset[str]) -> bool:
    """Whether a sentence with these words states a rule, and the writer does not speak of
    themselves.
    """
    has_speaker = not words.isdisjoint(SPEAKERS - {"you"})
    return not words.isdisjoint(_RULE_WORDS) and not has_speaker


def clauses(text: str) -> list[str]:
    """The clauses of a sentence if each surely has subject and verb, or the whole sentence."""
    parts = _JOINT.split(text)
    opening = WORD.match(text)
    is_subordinate = opening is not None and opening[0].lower() in _SUBORDINATE
    if len(parts) == 1 or is_subordinate or not all(map(_is_clause, parts)):
        return [text]
    return [_as_sentence(clause) for clause in parts]


def _is_clause(text: str) -> bool:
    """Whether some words have a verb, and are enough to be a clause."""
    if len(WORD.findall(text)) <= FEWEST_WORDS:
        return False
    return bool(_FINITE.search(text))


def _as_sentence(clause: str) -> str:
    """A clause with a capital and a full stop."""
    has_stop = clause.rstrip().endswith(".")
    sentence = clause[:1].upper() + clause[1:].rstrip(" ,;")
    return sentence if has_stop else f"{sentence}."


def _resolved(sentences: Iterable[ClaimSentence]) -> Iterator[ClaimSentence]:
    """The sentences, with the last subject or person named in place of the pronoun that a claim
    opens with.
    """
    topic = person = ""
    for sentence in sentences:
        if sentence.skipped == "heading":  # the antecedent of the first sentence below it
            topic = sentence.text.strip().lstrip("#").rstrip("=-").strip()

        parts = []
        for part in sentence.parts:
            resolved = _with_antecedent(part.text, topic, person)
            topic = subject(resolved.text) or topic
            person = topic if _PERSON.fullmatch(topic) else person
            parts.append(resolved)
        yield replace(sentence, parts=tuple(parts))


def _with_antecedent(claim: str, topic: str, person: str) -> ClaimPart:
    """The claim with the last topic or person in place of the pronoun that it opens with."""
    match = _PRONOUN.match(claim)
    if not match:
        return ClaimPart(claim)

    pronoun = match[0].lower()
    antecedent = person if pronoun in _PERSONAL else topic
    if pronoun in _VAGUE or not antecedent:
        return ClaimPart(claim, unresolved=match[0])

    name = antecedent[:1].upper() + antecedent[1:]
    if match["owner"]:
        name += "'" if antecedent.endswith("s") else "'s"
    return ClaimPart(name + claim[match.end() :])
