"""Text to claims: the sentences of plain text, Markdown or a chat answer, what each cites, and
which of them claim anything.

Offsets are those of the text under check: `text[sentence.start:sentence.end]` is the sentence
with its markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rag.english.sentences import split_sentences

MARK = re.compile(
    r"\s?(?:\[\^?(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\]|【(\d{1,3})[^】\n]{0,40}】)(?![(:\w])"
)
"""A citation in the text: `[1]`, `[1, 3]`, `[2-4]`, `[^1]`, `【1†source】`; not a link such as
`[1](address)`."""
_REFERENCE = re.compile(
    r"^[ \t]*(?:[-*][ \t]+)?(?:\[\^?(\d{1,3})\]:?|【(\d{1,3})】:?)[ \t]+(\S.*)$", re.MULTILINE
)
"""A line of a list of sources: `[1] jcpoa.md > The deal: "…"`."""
_FENCE = re.compile(
    r"^[ \t]*(```+|~~~+)[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_FRONT = re.compile(r"\A---[ \t]*\n.*?\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t][^\n]*$|^[^\n]+\n(?:=+|-{3,})[ \t]*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:[-*_][ \t]*){3,}$", re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*\|[^\n]*\|[ \t]*$(?:\n[ \t]*\|[^\n]*\|[ \t]*$)*", re.MULTILINE)
_PREFIX = re.compile(
    r"^[ \t]*(?:>[ \t]?)*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?", re.MULTILINE
)
"""What opens a line of a quotation or a list."""
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*(?:[ \t]+\"[^\"\n]*\")?\)")
_EMPHASIS = re.compile(r"\*\*|__|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|`|~~")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>")
_WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")

_GREETING = re.compile(
    r"^(?:hi|hello|hey|dear|thanks?|thank you|sure|certainly|of course|absolutely|great question|"
    r"good question|okay|ok|you're welcome|sorry|unfortunately, i|let me|let us|let's|feel free|"
    r"please|note that you can|here (?:is|are)|here's|below (?:is|are)|i hope|i'm happy|"
    r"i am happy|i can|i could not|i couldn't|i cannot|i can't|i don't|i do not|i think|"
    r"i believe|i would|i'd|would you|do you|if you (?:want|need|have|would like)|"
    r"see (?:also|below|above)|based on the (?:provided|given|retrieved)[^,]*,? i|as an ai)\b",
    re.IGNORECASE,
)
"""How sentences open that speak to the reader and say nothing of the documents' subject."""
_LEAD = re.compile(
    r"^(?:(?:however|moreover|furthermore|additionally|also|in addition|then|thus|therefore|hence|"
    r"as a result|in fact|indeed|meanwhile|later|afterwards|finally|overall|in summary|in short|"
    r"to summari[sz]e|in conclusion|according to the documents?|based on the [\w ]{1,40}|"
    r"note that|for example|for instance|and|but|so)(?:,\s*|\s+(?=\S)))+",
    re.IGNORECASE,
)
_VERBS = (
    "is|are|was|were|has|have|had|does|do|did|will|would|can|could|may|might|must|should|cannot|"
    "became|began|came|fell|gave|grew|held|kept|led|left|lost|made|met|ran|rose|said|sent|set|"
    "stood|took|told|went|won|wrote|built|cut|put"
)
_PRONOUN = re.compile(
    r"^(?:(?P<subject>he|she|it|they|this|these|those|that|both|the (?:former|latter))"
    rf"(?=\s+(?:\w+ly\s+|also\s+|then\s+|later\s+)?(?:{_VERBS}|\w+ed|\w+s)\b)"
    r"|(?P<owner>his|her|its|their)(?=\s+\w))",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?:[Tt]he )?[A-Z][\w'’.-]*"
    r"(?: (?:of|the|and|for|de|bin|al|on|von|van|[A-Z0-9][\w'’.&-]*))*"
    r"(?<! of)(?<! the)(?<! and)(?<! for)(?<! on)(?![\w'’])"
)
_COMMON = re.compile(
    r"(?:The|An?|This|That|Our|Each) (?:[a-z][\w-]+ ){1,4}?"
    r"(?=(?:is|are|was|were|has|had|will|can|may|must)\b)"
)
_FINITE = re.compile(rf"\b(?:{_VERBS}|[a-z]{{2,}}ed|[a-z]{{3,}}(?:es|[tnlrdpkw]s|ms))\b")
"""A word that is, or may be, a verb."""
_JOINT = re.compile(
    r"(?:;\s+|,\s+(?:and|but|while|whereas|although|though)\s+)"
    r"(?=(?:the|an?|this|these|its|his|her|their|it|he|she|they|no|each|all|both|[A-Z][\w'’-]+)\s)"
)
"""Where a clause with a subject of its own begins."""
_LEAST = 3
"""Fewer words claim nothing."""


@dataclass(frozen=True, slots=True)
class ClaimPart:
    """A clause that is checked on its own. `text` is how it is asked: without markup, its pronoun
    resolved.

    `unresolved` is the pronoun that nothing before it resolves, or "".
    """

    text: str
    unresolved: str = ""


@dataclass(frozen=True, slots=True)
class ClaimSentence:
    """A sentence of the text under check, at `[start, end)` of it, with the citation marks that
    follow it.

    `text` is what it says without markup; `cited` the numbers that it cites. `parts` is empty
    where it claims nothing, and `skipped` says why: "question", "heading", "code", "table",
    "introduction", "address", "source" or "fragment".
    """

    start: int
    end: int
    text: str
    cited: tuple[int, ...] = ()
    parts: tuple[ClaimPart, ...] = ()
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a text claims: its sentences in order, and the sources that it lists, by number."""

    sentences: tuple[ClaimSentence, ...]
    sources: dict[int, str]


def split_claims(text: str) -> Claims:
    """The sentences of `text`, those that claim something with their parts."""
    sources = {int(m[1] or m[2]): m[3].strip() for m in _REFERENCE.finditer(text)}
    sentences = [
        one for start, end, kind in _blocks(text) for one in _sentences(text, start, end, kind)
    ]
    return Claims(tuple(_resolved(sentences)), sources)


_SKIPPED_BLOCKS = (
    (_FRONT, "code"),
    (_FENCE, "code"),
    (_COMMENT, "code"),
    (_REFERENCE, "source"),
    (_TABLE, "table"),
    (_HEADING, "heading"),
    (_RULE, "rule"),
)


def _blocks(text: str) -> list[tuple[int, int, str]]:
    """(start, end, kind): stretches that claim nothing have a kind, the prose between them ""."""
    taken: list[tuple[int, int, str]] = []
    for pattern, kind in _SKIPPED_BLOCKS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if all(end <= a or start >= b for a, b, _ in taken):
                taken.append((start, end, kind))
    found, at = [], 0
    for start, end, kind in sorted(taken):
        found += [(at, start, ""), (start, end, kind)]
        at = end
    return [block for block in [*found, (at, len(text), "")] if text[block[0] : block[1]].strip()]


def _sentences(text: str, start: int, end: int, kind: str) -> Iterator[ClaimSentence]:
    if kind == "rule":
        return
    if kind:
        a, b = _trimmed(text, start, end)
        yield ClaimSentence(a, b, _plain(text[a:b]), skipped=kind)
        return
    masked = _masked(text[start:end])
    found = split_sentences(masked)
    if not found:
        return
    ends = [begin for begin, _ in found[1:]] + [end - start]
    for (a, b), limit in zip(found, ends, strict=True):
        last = _with_marks(text, start + b, start + limit)
        raw = text[start + a : last]
        yield _sentence(start + a, last, raw)


def _masked(text: str) -> str:
    """The text with marks, list bullets and addresses blanked by spaces, so that offsets stay
    and sentences are found."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    def keep_label(match: re.Match[str]) -> str:
        label = match[1]
        at = match[0].find(label)
        return " " * at + label + " " * (len(match[0]) - at - len(label))

    text = MARK.sub(blank, text)
    text = _LINK.sub(keep_label, text)
    text = _PREFIX.sub(
        lambda match: match[0].replace(">", " "), text
    )  # the splitter needs a list's bullets
    return _EMPHASIS.sub(blank, text)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _with_marks(text: str, end: int, limit: int) -> int:
    """The end of the sentence with the citation marks and closing emphasis that follow it."""
    while end < limit:
        found = MARK.match(text, end, limit) or re.compile(r"[*_`~]+").match(text, end, limit)
        if not found:
            break
        end = found.end()
    return end


def _plain(raw: str) -> str:
    """What a sentence says without its markup, on one line."""
    text = MARK.sub("", raw)
    text = _LINK.sub(lambda match: match[1], text)
    text = _PREFIX.sub("", text)
    text = _TAG.sub(" ", _EMPHASIS.sub("", text))
    return " ".join(text.split())


def cited_numbers(raw: str) -> tuple[int, ...]:
    """The numbers of the citation marks, in order, ranges written out."""
    numbers: list[int] = []
    for match in MARK.finditer(raw):
        for piece in re.split(r"\s*[,;]\s*", match[1] or match[2]):
            first, *last = (int(number) for number in re.split(r"\s*[–-]\s*", piece))
            upto = last[0] if last and first <= last[0] < first + 50 else first
            numbers.extend(range(first, upto + 1))
    return tuple(dict.fromkeys(numbers))


def _sentence(start: int, end: int, raw: str) -> ClaimSentence:
    text = _plain(raw)
    cited = cited_numbers(raw)
    why = _claims_nothing(text)
    if why:
        return ClaimSentence(start, end, text, cited, skipped=why)
    claim = _LEAD.sub("", text)
    claim = claim[:1].upper() + claim[1:]
    return ClaimSentence(
        start, end, text, cited, tuple(ClaimPart(clause) for clause in clauses(claim))
    )


def _claims_nothing(text: str) -> str:
    """Why a sentence claims nothing; "" where it does."""
    if text.endswith("?"):
        return "question"
    if len(_WORD.findall(text)) < _LEAST:
        return "fragment"
    if _GREETING.match(text):
        return "address"
    if text.endswith(":"):
        return "introduction"
    return ""


def clauses(text: str) -> list[str]:
    """The clauses of a sentence that have a subject and a verb each; the whole sentence where
    that is not sure."""
    cuts = [match.span() for match in _JOINT.finditer(text)]
    found, at = [], 0
    for start, end in [*cuts, (len(text), len(text))]:
        found.append((text[at:start], at, start))
        at = end
    sure = len(found) > 1 and all(
        _FINITE.search(piece) and len(_WORD.findall(piece)) >= _LEAST + 1 for piece, _, _ in found
    )
    if not sure or re.match(
        r"(?:if|when|unless|although|though|while|because|since|after|before|as)\b",
        text,
        re.IGNORECASE,
    ):
        return [text]
    return [
        piece[:1].upper() + piece[1:].rstrip(" ,;") + ("" if piece.rstrip().endswith(".") else ".")
        for piece, _, _ in found
    ]


def _resolved(sentences: list[ClaimSentence]) -> Iterator[ClaimSentence]:
    """Each sentence with its pronouns resolved from the one before; a heading is what a
    section's first sentence is about."""
    about = person = ""
    for sentence in sentences:
        if sentence.skipped == "heading":
            about = re.sub(r"^#+\s*|\s[=-]+$", "", sentence.text).strip()
        parts = []
        for part in sentence.parts:
            part = _resolve(part, about, person)
            about = subject(part.text) or about
            person = about if _PERSON.fullmatch(about) else person
            parts.append(part)
        yield replace(sentence, parts=tuple(parts))


def _resolve(part: ClaimPart, about: str, person: str) -> ClaimPart:
    """The part with the pronoun that it opens with replaced: "he" by the last name that may be a
    person's."""
    found = _PRONOUN.match(part.text)
    if not found:
        return part
    pronoun = found[0].lower()
    about = person if pronoun in ("he", "she", "his", "her") else "" if pronoun in _VAGUE else about
    if not about:
        return replace(part, unresolved=found[0])
    named = about + ("'" if about.endswith("s") else "'s") if found["owner"] else about
    return replace(part, text=f"{named[:1].upper()}{named[1:]}{part.text[found.end() :]}")


def subject(claim: str) -> str:
    """The name or noun that a claim opens with, which a pronoun after it may mean; "" if it
    opens otherwise."""
    found = _COMMON.match(claim) or _NAME.match(claim)
    if not found or _PRONOUN.match(claim):
        return ""
    first, _, rest = found[0].strip().partition(" ")
    opens = first.lower() in _STARTERS and not (rest and first in ("The", "A", "An"))
    return "" if opens else found[0].strip()


_VAGUE = frozenset("this these those that both".split()) | {"the former", "the latter"}
_PERSON = re.compile(r"(?!The |A |An )[A-Z][a-z'’-]+(?: (?:[A-Z][\w'’.-]*|al|bin|de|von|van))*")
_STARTERS = frozenset(
    "in on at by from after before during since when while if as for with under although because "
    "until the a an there no all some most many several both each one two three".split()
)
