"""Takes a question for two things apart: the sides that it compares, or its two questions.

Both are read alike: two like parts with a joint between them ("or", "than", "and"), and what they
share on the left and on the right. "Is the rent of the flat higher than that of the studio?"
compares "the rent of the flat" and "the rent of the studio".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.meaning.words import (
    ARTICLES,
    AUXILIARIES,
    BE,
    PREPOSITIONS,
    PRONOUNS,
    QUESTION_WORDS,
    SPEAKERS,
    singular_words,
)

LONGEST_QUESTION = 500
"""Characters of a question that is taken apart."""
_WORD = re.compile(r"[^\s,:;?!]+(?:[,:][^\s,:;?!]+)*|[,:;?!]")
_BREAKS = frozenset(", : ; ? ! - \u2013 \u2014".split())
_ALTERNATIVES = frozenset("or vs versus / than".split())
_PHRASES = (
    "compare to",
    "compare with",
    "compared to",
    "compared with",
    "rather than",
    "instead of",
    "as opposed to",
    "in contrast to",
    "differ from",
    "differs from",
    "different from",
)
"""Joints of several words."""
_COMPARES = frozenset(
    "between choice compare comparison contrast differ difference differences distinction "
    "distinguish distinguishes similarities".split()
)
"""Words before two sides that "and" joins."""
_TELLS_APART = frozenset(
    "differ difference differences different distinction distinguish distinguishes".split()
)
_AGAINST = ("with", "to", "against", "and", "from")
"""Joints after such a word, the surest first."""
_DETERMINERS = ARTICLES | frozenset("my our your his its their".split())
_PLACES = (PREPOSITIONS | {"as"}) - frozenset("than because if when where while".split())
_STANDS_FOR = frozenset("that those one ones".split())
"""Words that stand for what both sides are of: "that of the flat", "the one in Oslo"."""
_SHARE_A_TAIL = frozenset("or and vs versus /".split())
"""Joints before the last word of which the left side may end: "the 2022 and the 2023 report"."""
VERBS = AUXILIARIES | frozenset(
    "allowed apply applies begin begins bring brings charge charges come comes compare contain "
    "contains cost costs differ earn earns end ends get gets give gives go goes include includes "
    "keep keeps last lasts mean means need needs offer offers open opens pay pays permitted rise "
    "say says start starts take takes use uses work works".split()
)
"""Words that follow a side, or lead to it, and are no part of it."""
_ADJECTIVES = (
    "big bright cheap clean close cold cool dark dear deep early easy fast few full great hard "
    "heavy high hot large late light long loud low narrow near new old poor quick quiet rich rough "
    "safe short simple slow small smooth soft soon steep strict strong sweet tall thick thin tough "
    "warm weak wide young"
).split()


def _comparative(adjective: str) -> str:
    """ "longer" for "long", "bigger" for "big", "heavier" for "heavy"."""
    if adjective.endswith("e"):
        return f"{adjective}r"
    if adjective.endswith("y"):
        return f"{adjective[:-1]}ier"
    is_doubled = adjective in ("big", "hot", "thin")
    return adjective + (adjective[-1] if is_doubled else "") + "er"


_POLES = {
    "cheap": "expensive",
    "dear": "expensive",
    "light": "heavy",
    "low": "high",
    "narrow": "wide",
    "quiet": "loud",
    "short": "long",
    "slow": "fast",
    "small": "large",
    "thin": "thick",
    "weak": "strong",
    "young": "old",
}
"""Adjectives that nobody asks with, and their opposites: "how high" asks also for what is low."""
_BY_COMPARATIVE = {
    _comparative(adjective): _POLES.get(adjective, adjective) for adjective in _ADJECTIVES
} | {
    "better": "good",
    "worse": "bad",
}
_COMPARATIVES = frozenset((*_BY_COMPARATIVE, "less", "more", "rather"))
_ASPECTS = frozenset("about as at by concerning for in on regarding when".split())
"""Words that begin the aspect on which the sides are compared, after the second one."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word or a mark of a question, in lower case, and where it is."""

    text: str
    start: int
    end: int
    is_name: bool


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides that a question compares, named with what they share, and the question as it
    would be asked of either.
    """

    names: tuple[str, str]
    questions: tuple[str, str]


def compared(question: str) -> Sides | None:
    """The two sides that a question compares; None if they are unclear or the question is long."""
    question = " ".join(question.split())
    if len(question) > LONGEST_QUESTION:
        return None
    words = _words(question)
    for first, last in _joints(words):
        sides = _Joined(question, words, first, last).sides()
        if sides is None:
            continue
        one, other = (singular_words(name) for name in sides.names)
        if one and other and one != other:
            return _asked_plainly(sides, question, words)
    return None


def _asked_plainly(sides: Sides, question: str, words: Sequence[Word]) -> Sides:
    """The sides with the questions that a person would ask of one: "How heavy is the X200?" for
    "Which is heavier", and "What is a lease?" for what differs.
    """
    texts = [word.text for word in words]
    if not _TELLS_APART.isdisjoint(texts):
        return _asked(sides, "What is {}?")
    verbs = [at for at, text in enumerate(texts) if text in BE]
    found = [at for at, text in enumerate(texts) if text in _BY_COMPARATIVE]
    if not verbs or not found or found[0] < verbs[0]:
        return sides
    how = f"How {_BY_COMPARATIVE[texts[found[0]]]} {texts[verbs[0]]} {{}}"
    if verbs[0] == 0 and "than" in texts[found[0] :]:
        return _asked(sides, f"{how}?")
    following = [at for at in range(found[0], len(texts)) if texts[at] in _BREAKS]
    if texts[0] in QUESTION_WORDS and following[:1] and following[0] + 1 < len(words):
        about = question[words[found[0]].end : words[following[0]].start].strip()
        return _asked(sides, f"{how} {about}?".replace(" ?", "?"))
    return sides


def _asked(sides: Sides, pattern: str) -> Sides:
    one, other = sides.names
    return Sides(sides.names, (pattern.replace("{}", one), pattern.replace("{}", other)))


def _words(question: str) -> list[Word]:
    found = []
    for match in _WORD.finditer(question):
        text = match[0].lower().replace("\u2019", "'").strip('"\u201c\u201d()')
        text = text.removesuffix(".") or text
        found.append(Word(text, *match.span(), is_name=match[0][:1].isupper()))
    return found


def _joints(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """The words that may join two sides, as first and last index, the surest first."""
    texts = [word.text for word in words]
    pairs = [" ".join(texts[at : at + 2]) for at in range(len(texts))]
    triples = [" ".join(texts[at : at + 3]) for at in range(len(texts))]
    for at in range(len(texts)):
        if pairs[at] in _PHRASES:
            yield at, at + 1
        elif triples[at] in _PHRASES:
            yield at, at + 2

    for at, text in enumerate(texts):
        if text in _ALTERNATIVES:
            yield at, at

    cues = [at for at, text in enumerate(texts) if text in _COMPARES]
    for joint in _AGAINST if cues else ():
        for at in range(cues[0] + 1, len(texts)):
            if texts[at] == joint:
                yield at, at
    for at, text in enumerate(texts):
        if text == "and":
            yield at, at


class _Joined:
    """A question read as two parts with a joint between them."""

    def __init__(self, question: str, words: Sequence[Word], first: int, last: int) -> None:
        """`first` and `last` are the indices of the joint's words."""
        self.question = question
        self.words = words
        self.texts = [word.text for word in words]
        self.joint = " ".join(self.texts[first : last + 1])
        self.end = first - (first > 0 and self.texts[first - 1] in _BREAKS)
        """Of the left clause."""
        self.begin = self._clause_start()
        self.right = last + 1
        self.right_end = self._clause_end()

    def _clause_start(self) -> int:
        breaks = [at for at in range(self.end) if self.texts[at] in _BREAKS]
        return breaks[-1] + 1 if breaks else 0

    def _clause_end(self) -> int:
        for at in range(self.right, len(self.texts)):
            if self.texts[at] in _BREAKS:
                return at
        return len(self.texts)

    def text(self, start: int, end: int) -> str:
        """The words from `start` to `end` as they were typed."""
        if start >= end:
            return ""
        return self.question[self.words[start].start : self.words[end - 1].end].strip(" .'\"")

    def sides(self) -> Sides | None:
        if self.begin >= self.end or self.right >= self.right_end:
            return None
        self._skip_repeated_question_words()
        if self.right >= self.right_end:
            return None

        lead = self._lead()
        left_end = self.end
        comparative = self._comparative(lead) if self.joint == "than" else None
        if self.joint == "than":
            if comparative is None or self.texts[lead] in PRONOUNS:
                return None
            left_end = self._subject_end(lead, comparative)
        substituted = self._substituted(lead, left_end)
        if substituted:
            return substituted

        start = self._start(lead, left_end)
        if comparative is not None and self.texts[self.right] in _PLACES:
            after = self._last_place(comparative + 1, self.end)
            start, left_end = (after, self.end) if after is not None else (start, left_end)
        if start is None or start >= left_end:
            return None
        right_end = self._side_end(start, left_end)
        if self.joint == "and" and not self._are_alike(start, left_end, right_end):
            return None

        head_end = start if comparative is None else min(start, comparative)
        head = self._head(lead, head_end, start)
        tail = self._tail(start, left_end, right_end)
        one = _spaced(head, self.text(start, left_end), self.text(tail, right_end))
        other = _spaced(head, self._with_noun(self.right, right_end, left_end))
        return Sides((one, other), self._questions(start, left_end, tail, right_end))

    # Where the parts begin and end

    def _skip_repeated_question_words(self) -> None:
        """Of "how long … and how long …" the second part begins after these words."""
        texts = self.texts
        asks = {texts[self.right], *texts[self.right + 1 : self.right + 2]} & QUESTION_WORDS
        if not asks:
            return
        count = 0
        while (
            self.right + count < self.right_end
            and self.begin + count < self.end
            and texts[self.right + count] == texts[self.begin + count]
        ):
            count += 1
        self.right += count
        self.begin += count
        if count and self.right < self.right_end and texts[self.right] in AUXILIARIES:
            self.right += 1

    def _lead(self) -> int:
        """Where the left clause begins after the words that ask: "how does", "compare"."""
        texts = self.texts[self.begin : self.end]
        cues = [at for at, text in enumerate(texts) if text in _COMPARES]
        if cues:
            at = cues[-1] + 1
            return self.begin + at + (texts[at : at + 1] == ["of"])
        is_asked = bool(texts) and (texts[0] in QUESTION_WORDS or texts[0] in _PLACES)
        if is_asked and not QUESTION_WORDS.isdisjoint(texts[:2]):
            verbs = [at for at, text in enumerate(texts) if text in VERBS]
            return self.begin + (verbs[0] + 1 if verbs else 1)
        return self.begin + (texts[:1] != [] and texts[0] in AUXILIARIES)

    def _comparative(self, lead: int) -> int | None:
        """The last "longer" or "more" of the left clause."""
        for at in range(self.end - 1, lead, -1):
            if self.texts[at] in _COMPARATIVES:
                return at
        return None

    def _subject_end(self, lead: int, comparative: int) -> int:
        """Where what is compared ends: before the verb, or the comparative after "is"."""
        for at in range(lead + 1, comparative):
            if self.texts[at] in VERBS:
                return at
        is_be = lead > 0 and self.texts[lead - 1] in BE
        end = comparative
        while end > lead + 1 and self.texts[end - 1] in _DETERMINERS:
            end -= 1
        return end if is_be or end <= lead + 1 else end - 1

    def _start(self, lead: int, end: int) -> int | None:
        """Where the left side begins: where it is like the beginning of the right one."""
        texts, first = self.texts, self.texts[self.right]
        for count in range(min(6, self.right_end - self.right), 0, -1):
            run = texts[self.right : self.right + count]
            for at in range(end - count - 1, lead - 1, -1):
                if texts[at : at + count] == run:
                    return at
        if first in _PLACES:
            return self._last_place(lead, end)
        if _has_digit(first):
            numbers = [at for at in range(lead, end) if _has_digit(texts[at])]
            if numbers:
                return numbers[-1]
        if first in _DETERMINERS:
            determiners = [at for at in range(lead, end) if texts[at] in _DETERMINERS]
            return determiners[-1] if determiners else lead
        if lead == self.begin > 0 or self.joint == "than":
            return lead
        leads = _PLACES | VERBS | SPEAKERS
        before = [at for at in range(lead, end - 1) if texts[at] in leads]
        return before[-1] + 1 if before else lead

    def _last_place(self, start: int, end: int) -> int | None:
        """The last preposition like the right side's, or else any, with words after it."""
        places = [at for at in range(start, end) if self.texts[at] in _PLACES]
        alike = [at for at in places if self.texts[at] == self.texts[self.right]]
        return (alike or places)[-1] if places else None

    def _side_end(self, start: int, left_end: int) -> int:
        """Where the right side ends: before a verb, a comparative, or an aspect that the left one
        has not.
        """
        own = set(self.texts[start:left_end])
        first = self.right + (self.texts[self.right] in _DETERMINERS)
        for at in range(first + 1, self.right_end):
            text = self.texts[at]
            is_aspect = text in _ASPECTS and text not in own and self.joint != "than"
            if text in VERBS or is_aspect or text in _COMPARATIVES:
                return at
        return self.right_end

    def _are_alike(self, start: int, left_end: int, right_end: int) -> bool:
        """Whether "and" joins two sides: the question compares, or both are short and of a kind."""
        says = VERBS | QUESTION_WORDS
        if not _COMPARES.isdisjoint(self.texts) or says.isdisjoint(self.texts):
            return True
        if self.begin and self.texts[self.begin - 1] in QUESTION_WORDS | {"many", "much"}:
            return True
        if max(left_end - start, right_end - self.right) > 6:
            return False
        one, other = self.words[start], self.words[self.right]
        are_names = one.is_name and other.is_name and start > 0
        are_numbers = _has_digit(one.text) and _has_digit(other.text)
        return are_names or are_numbers or one.text == other.text

    # What the parts share

    def _substituted(self, lead: int, left_end: int) -> Sides | None:
        """The sides if the right one stands for the left one's head: "that of the flat"."""
        owners = [n for n in range(lead, left_end) if self.texts[n].endswith(("'s", "s'"))]
        if owners and self.texts[self.right_end - 1].endswith(("'s", "s'")):
            owned = self.text(owners[-1] + 1, left_end)
            right = self.text(self.right, self.right_end)
            return self._of(lead, left_end, self.text(lead, left_end), _spaced(right, owned))

        at = self.right + (self.texts[self.right] in ARTICLES)
        is_standing = at + 1 < self.right_end and self.texts[at] in _STANDS_FOR
        if not is_standing or self.texts[at + 1] not in _PLACES:
            return None
        place = self.texts[at + 1]
        rest = self.text(at + 1, self.right_end)
        same = [n for n in range(lead, left_end) if self.texts[n] == place]
        if same and self.texts[same[0] - 1] not in _STANDS_FOR:
            head, one = self.text(lead, same[0]), self.text(lead, left_end)
        elif owners:
            head, one = f"the {self.text(owners[-1] + 1, left_end)}", self.text(lead, left_end)
        elif same and (head := self._asked_noun()):
            one = _spaced(head, self.text(same[0], left_end))
        else:
            return None
        return self._of(lead, left_end, one, _spaced(head, rest))

    def _of(self, lead: int, left_end: int, one: str, other: str) -> Sides:
        """The sides of these names, which both take the place of the left one."""
        before = self.question[: self.words[lead].start]
        between = self.text(left_end, self.end)
        after = self.question[self._at(self.right_end) :]
        questions = (_spaced(before, one, between, after), _spaced(before, other, between, after))
        return Sides((one, other), questions)

    def _asked_noun(self) -> str:
        """The noun in "which excess is higher"."""
        verbs = [at for at, text in enumerate(self.texts) if text in VERBS]
        asks = bool(self.texts) and self.texts[0] in ("which", "what", "whose")
        return self.text(1, verbs[0]) if asks and verbs else ""

    def _at(self, index: int) -> int:
        """The offset at which a word begins, or the question's end."""
        return self.words[index].start if index < len(self.words) else len(self.question)

    def _head(self, lead: int, end: int, start: int) -> str:
        """What both sides are of, before the left one: "the rent of", "exit status"."""
        texts = self.texts[lead:end]
        is_bound = bool(texts) and (texts[-1] in _PLACES or self.texts[start] in _PLACES)
        is_numbered = bool(texts) and _has_digit(self.texts[start])
        says = AUXILIARIES | SPEAKERS | PRONOUNS | _COMPARATIVES
        is_clause = lead > 0 and self.texts[lead - 1] in AUXILIARIES - BE
        if is_clause and "differ" not in self.joint and _COMPARES.isdisjoint(self.texts):
            return ""
        is_asked = lead > 0 and self.texts[lead - 1] in QUESTION_WORDS
        if is_asked or not (is_bound or is_numbered) or not says.isdisjoint(texts):
            return ""
        return self.text(lead, end)

    def _tail(self, start: int, left_end: int, right_end: int) -> int:
        """Where the words of the right side begin that the left one lacks: "the 2022 and the 2023
        report"; `right_end` without such words.
        """
        left, right = self.words[start:left_end], self.words[self.right : right_end]
        is_shorter = len(left) < len(right) and left[-1].text != right[-1].text
        is_standing = right[-1].text in _STANDS_FOR
        if self.joint not in _SHARE_A_TAIL or is_standing or not is_shorter:
            return right_end
        first = right[0].text
        is_repeated = first == left[0].text and first not in _DETERMINERS | _PLACES
        is_of_place = first in _PLACES and not left[-1].is_name
        if is_repeated or is_of_place or any(word.text in _PLACES for word in right[1:]):
            return right_end
        is_own = [word.is_name or _has_digit(word.text) for word in right]
        is_one_word = not is_own[-1] and (len(right) - len(left) == 1 or is_own[-2])
        return right_end - 1 if is_one_word else right_end

    def _with_noun(self, right: int, right_end: int, left_end: int) -> str:
        """The right side with the left one's last word for its "one": "the new one"."""
        if right_end - right > 1 and self.texts[right_end - 1] in ("one", "ones"):
            return _spaced(self.text(right, right_end - 1), self.text(left_end - 1, left_end))
        return self.text(right, right_end)

    def _questions(self, start: int, left_end: int, tail: int, right_end: int) -> tuple[str, str]:
        before = self.question[: self.words[start].start]
        between = self.text(left_end, self.end)
        after = self.question[self._at(right_end) :]
        one = _spaced(self.text(start, left_end), self.text(tail, right_end))
        other = self._with_noun(self.right, right_end, left_end)
        return _spaced(before, one, between, after), _spaced(before, other, between, after)


def _spaced(*parts: str) -> str:
    """The parts with spaces between them, but not before a mark."""
    joined = " ".join(part.strip() for part in parts if part.strip())
    return re.sub(r" (?=[,:;?!])", "", joined)


def _has_digit(text: str) -> bool:
    return any(letter.isdigit() for letter in text)


# Two questions in one

_BARE = frozenset("when where why".split())
"""Words that ask alone."""
_OF_KIND = frozenset("which what whose".split())
_NO_NOUNS = VERBS | SPEAKERS | PRONOUNS | ARTICLES | _PLACES
_LONGEST_PHRASE = 5
"""Most words that ask: "at what time of the day"."""
_STANDING = frozenset("it they them he him she her".split())
"""Pronouns that stand for what the first question is about."""


def halves(question: str) -> tuple[str, ...]:
    """The two questions in "When and where is the fair?"; () if it is not such a question."""
    if len(question) > LONGEST_QUESTION:
        return ()
    question = " ".join(question.split())
    words = _words(question)
    while words and words[-1].text in _BREAKS:
        words.pop()
    for at, word in enumerate(words):
        if word.text == "and":
            parts = _Two(question, words, at).parts()
            if parts:
                end = "?" if question.endswith("?") else ""
                return parts[0] + end, parts[1] + end
    return ()


class _Two:
    """A question read as two with "and" between them."""

    def __init__(self, question: str, words: Sequence[Word], joint: int) -> None:
        self.question = question
        self.words = words
        self.texts = [word.text for word in words]
        self.end = joint - (joint > 0 and self.texts[joint - 1] == ",")
        self.right = joint + 1
        self.right_end = len(words)
        if self.right < len(words) and self.texts[-1:] != [","]:
            commas = [at for at in range(self.right, len(words)) if self.texts[at] == ","]
            self.aside = commas[0] if commas else len(words)
        else:
            self.aside = len(words)

    def text(self, start: int, end: int) -> str:
        if start >= end:
            return ""
        return self.question[self.words[start].start : self.words[end - 1].end]

    def parts(self) -> tuple[str, str] | None:
        left, right = self._phrase(0, self.end), self._phrase(self.right, self.aside)
        asks_first = bool(left) or (self.end > 0 and self.texts[0] in AUXILIARIES)
        if not right or not asks_first:
            return None
        if left == self.end:
            return self._with_rest_of_right(left, right)
        if right == self.aside == self.right_end:
            return self._with_rest_of_left(left)
        return self._of_clauses(left)

    def _phrase(self, start: int, end: int) -> int:
        """Where the words that ask end, from `start` on: "at what time"; 0 without any."""
        at = start + (start < end and self.texts[start] in _PLACES)
        if at >= end or self.texts[at] not in QUESTION_WORDS:
            return 0
        asks = self.texts[at]
        at += 1
        if asks == "how" and at < end and self.texts[at] not in AUXILIARIES:
            at += 1
        if asks in _OF_KIND or self.texts[at - 1] in ("many", "much"):
            most = min(end, start + _LONGEST_PHRASE)
            while at < most and self.texts[at] not in _NO_NOUNS:
                at += 1
        return at

    def _with_rest_of_right(self, left: int, right: int) -> tuple[str, str] | None:
        """ "When and where is it?": both ask for the rest."""
        rest = right + (right < self.right_end and self.texts[right] == ",")
        is_bare = self.texts[left - 1] in ("who", "whom", "what", "which")
        if is_bare or rest >= self.right_end or self.texts[rest] not in VERBS:
            return None
        first = f"{self.text(0, left)} {self.text(rest, self.right_end)}"
        return first, f"{self.text(self.right, right)} {self.text(rest, self.right_end)}"

    def _with_rest_of_left(self, left: int) -> tuple[str, str] | None:
        """ "Where do I go, and when?": both ask for what follows the first words that ask."""
        is_bare = self.texts[self.right_end - 1] in ("who", "whom", "what", "which")
        if is_bare or not left or left >= self.end or self.texts[left] not in VERBS:
            return None
        rest = self.text(left, self.end)
        return self.text(0, self.end), f"{self.text(self.right, self.right_end)} {rest}"

    def _of_clauses(self, left: int) -> tuple[str, str] | None:
        """Two whole questions, the second with what its pronoun stands for."""
        is_repeated = self.texts[0] == self.texts[self.right]
        says = VERBS.intersection(self.texts[self.right : self.right_end])
        if is_repeated and not says:
            return None
        first, other = self.text(0, self.end), self.text(self.right, self.right_end)
        pronouns = [at for at in range(self.right, self.right_end) if self.texts[at] in _STANDING]
        subject = self._subject(left) if pronouns else ""
        if subject:
            at = pronouns[0]
            other = _spaced(self.text(self.right, at), subject, self.text(at + 1, self.right_end))
        return first, other

    def _subject(self, left: int) -> str:
        """What the first question is about: the words after its verb, or for "do I" the object."""
        at = left
        while at < self.end and self.texts[at] not in AUXILIARIES:
            at += 1
        if at >= self.end:
            return self._object(left + 1)
        is_be = self.texts[at] in BE
        start, end = at + 1, self.end
        if start < end and self.texts[start] in SPEAKERS:
            return self._object(start + 1)
        verbs = [n for n in range(start + 1, end) if self.texts[n] in VERBS]
        if verbs:
            end = verbs[0]
        elif (not is_be or self.texts[end - 1].endswith("ed")) and end - start > 1:
            end -= 1
        return "" if self.texts[start] in _STANDING else self.text(start, end)

    def _object(self, start: int) -> str:
        """The words from the first determiner on."""
        for at in range(start, self.end):
            if self.texts[at] in _DETERMINERS:
                return self.text(at, self.end)
        return ""
