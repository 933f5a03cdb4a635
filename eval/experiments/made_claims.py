"""Makes claims with known verdicts from gold questions.

From an evidence sentence: a quotation and, if question and answer can be joined, a paraphrase (both
supported); a changed value, an inserted negation, and a changed name (not supported).
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.evaluation.gold import Question
from rag.meaning.names import names

_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")
_NUMBER = re.compile(r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?![\w,]|\.\d)")
_MONTHS = (
    "January February March April May June July August September October November December".split()
)
_HELPS = re.compile(
    r"\b(is|are|was|were|has|have|had|will|would|can|could|may|must|should)\b(?! not)"
)
_PASSIVE = re.compile(
    r"(?P<asks>When|Where|In which (?:year|city|month)|What year) (?P<helps>was|were|is|are) "
    r"(?P<subject>the [\w -]+?|[A-Z][\w -]+?) (?P<rest>\w+(?:ed|en|wn|ld|de|nt|ut)\b.*)\?"
)
_WHO = re.compile(r"(?:Who|Which \w+) (?P<rest>(?!is|are|was|were|did|does|do)\w+(?:ed|s)\b.*)\?")


@dataclass(frozen=True, slots=True)
class Made:
    """`kind`: "quoted", "paraphrased", "value", "negated" or "name"; `source`: its document."""

    claim: str
    kind: str
    supported: bool
    source: str


def made_claims(questions: Sequence[Question], seed: int = 7) -> list[Made]:
    """The claims, at most one of each kind for a sentence."""
    rng = random.Random(seed)
    known_names = all_names(questions)
    claims: dict[str, Made] = {}
    for question in questions:
        for evidence in question.evidence[:1]:
            for claim in _of(question, evidence.sentence, evidence.document, known_names, rng):
                claims.setdefault(claim.claim, claim)
    return list(claims.values())


def all_names(questions: Sequence[Question]) -> list[str]:
    """In the evidence of the questions."""
    found_names: set[str] = set()
    for question in questions:
        for evidence in question.evidence:
            found_names.update(names(evidence.sentence))
    return sorted(found_names)


def _of(
    question: Question, sentence: str, document: str, known_names: Sequence[str], rng: random.Random
) -> Iterator[Made]:
    yield Made(sentence, "quoted", True, document)
    paraphrase = statement(question.text, question.answers[0]) if question.answers else None
    if paraphrase:
        yield Made(paraphrase, "paraphrased", True, document)
    if swapped := swap_value(sentence, rng):
        yield Made(swapped, "value", False, document)
    if helps := _HELPS.search(sentence):
        denied = f"{sentence[: helps.end()]} not{sentence[helps.end() :]}"
        yield Made(denied, "negated", False, document)
    if renamed := swap_name(sentence, known_names, rng):
        yield Made(renamed, "name", False, document)


def statement(question: str, answer: str) -> str | None:
    """Question and answer as one sentence; None if no rule is certain."""
    match = _PASSIVE.fullmatch(question)
    if match and (match["asks"] == "Where" or re.search(r"\d", answer)):
        is_month = re.fullmatch(r"\d{4}|[A-Z][a-z]+ \d{4}", answer)
        where = "in " if match["asks"] == "Where" or is_month else "on "
        where = "" if re.match(r"(?:in|on|at|from|by)\b", answer, re.IGNORECASE) else where
        subject = match["subject"][:1].upper() + match["subject"][1:]
        return f"{subject} {match['helps']} {match['rest']} {where}{answer}."
    match = _WHO.fullmatch(question)
    return f"{answer[:1].upper()}{answer[1:]} {match['rest']}." if match else None


def swap_value(sentence: str, rng: random.Random) -> str | None:
    """The sentence with a year, month or number changed; None without one."""
    if years := list(_YEAR.finditer(sentence)):
        year = rng.choice(years)
        other_year = int(year[0]) + rng.choice([-11, -7, -4, -3, -2, 2, 3, 4, 6])
        return _put(sentence, year, str(other_year)) if str(other_year) not in sentence else None
    if numbers := list(_NUMBER.finditer(sentence)):
        number = rng.choice(numbers)
        value = float(number[0].replace(",", ""))
        other_value = value * rng.choice([2, 3, 5]) + rng.choice([1, 3])
        written = f"{other_value:,.0f}" if value.is_integer() else f"{other_value:.2f}"
        return _put(sentence, number, written)
    capitalized = re.finditer(r"\b[A-Z][a-z]+\b", sentence)
    if months := [match for match in capitalized if match[0] in _MONTHS]:
        month = rng.choice(months)
        absent_months = [name for name in _MONTHS if name not in sentence]
        return _put(sentence, month, rng.choice(absent_months))
    return None


def swap_name(sentence: str, known_names: Sequence[str], rng: random.Random) -> str | None:
    """The sentence with a name, not its first word, replaced by one as long; None without one."""
    mine = [name for name in names(sentence)[1:] if len(name) > 3]
    if not mine:
        return None
    name = rng.choice(mine)
    words = len(name.split())
    absent_names = [
        other_name
        for other_name in known_names
        if other_name not in sentence and len(other_name) > 3
    ]
    candidates = [absent for absent in absent_names if len(absent.split()) == words]
    return sentence.replace(name, rng.choice(candidates), 1) if candidates else None


def _put(text: str, match: re.Match[str], instead: str) -> str:
    return f"{text[: match.start()]}{instead}{text[match.end() :]}"
