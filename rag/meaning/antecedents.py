"""Coreference: replaces the pronoun at the start of a claim by its antecedent."""

from __future__ import annotations

import re

VERBS = (
    "is|are|was|were|has|have|had|does|do|did|will|would|can|could|may|might|must|should|cannot|"
    "became|began|came|fell|gave|grew|held|kept|led|left|lost|made|met|ran|rose|said|sent|set|"
    "stood|took|told|went|won|wrote|built|cut|put"
)
_PRONOUN = re.compile(
    r"^(?:(?P<subject>he|she|it|they|this|these|those|that|both|the (?:former|latter))"
    rf"(?=\s+(?:\w+ly\s+|also\s+|then\s+|later\s+)?(?:{VERBS}|\w+ed|\w+s)\b)"
    r"|(?P<owner>his|her|its|their)(?=\s+\w))",
    re.IGNORECASE,
)
_PERSONAL = frozenset(("he", "she", "his", "her"))
_VAGUE = frozenset("this these those that both".split()) | {"the former", "the latter"}
_NAME = re.compile(
    r"(?:[Tt]he )?[A-Z][\w'’.-]*"
    r"(?: (?:of|the|and|for|de|bin|al|on|von|van|[A-Z0-9][\w'’.&-]*))*"
    r"(?<! of)(?<! the)(?<! and)(?<! for)(?<! on)(?![\w'’])"
)
_COMMON = re.compile(
    r"(?:The|An?|This|That|Our|Each) (?:[a-z][\w-]+ ){1,4}?"
    r"(?=(?:is|are|was|were|has|had|will|can|may|must)\b)"
)
_PERSON = re.compile(r"(?!The |A |An )[A-Z][a-z'’-]+(?: (?:[A-Z][\w'’.-]*|al|bin|de|von|van))*")
_STARTERS = frozenset(
    "in on at by from after before during since when while if as for with under although because "
    "until the a an there no all some most many several both each one two three".split()
)


class Antecedents:
    """The last subject and the last person named, while a text is read from start to end."""

    def __init__(self) -> None:
        self._subject = self._person = ""

    def heading(self, text: str) -> None:
        """A heading is the antecedent for the first sentence of its section."""
        self._subject = re.sub(r"^#+\s*|\s[=-]+$", "", text).strip()

    def resolve(self, claim: str) -> tuple[str, str]:
        """(the claim with the pronoun that it opens with replaced, the pronoun if nothing before
        it is its antecedent, otherwise "")."""
        match = _PRONOUN.match(claim)
        antecedent = self._antecedent(match[0].lower()) if match else ""
        if match and antecedent:
            if match["owner"]:
                antecedent += "'" if antecedent.endswith("s") else "'s"
            claim = f"{antecedent[:1].upper()}{antecedent[1:]}{claim[match.end() :]}"
        self._subject = subject(claim) or self._subject
        if _PERSON.fullmatch(self._subject):
            self._person = self._subject
        return claim, match[0] if match and not antecedent else ""

    def _antecedent(self, pronoun: str) -> str:
        """For "he", the name last read that may be a person's; for "this" and the like, none."""
        if pronoun in _PERSONAL:
            return self._person
        return "" if pronoun in _VAGUE else self._subject


def subject(claim: str) -> str:
    """The name or noun phrase that a claim opens with, as the antecedent of later pronouns; "" if
    it opens otherwise."""
    match = _COMMON.match(claim) or _NAME.match(claim)
    if not match or _PRONOUN.match(claim):
        return ""
    first, _, remainder = match[0].strip().partition(" ")
    opens = first.lower() in _STARTERS and not (remainder and first in ("The", "A", "An"))
    return "" if opens else match[0].strip()
