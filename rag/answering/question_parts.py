"""Takes a question for two things apart: the sides that it compares, or its two questions.

Both are read alike: two like parts with a joint between them ("or", "than", "and"), and what they
share on the left and on the right. "Is the rent of the flat higher than that of the studio?"
compares "the rent of the flat" and "the rent of the studio".
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
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
"""Characters; a longer question is not taken apart, nor searched for codes."""
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
"""Words that replace the noun of the left side: "that of the flat", "the one in Oslo"."""
_SHARE_A_TAIL = frozenset("or and vs versus /".split())
"""Joints of sides that may share their last word: "the 2022 and the 2023 report"."""
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
    if adjective in ("big", "hot", "thin"):
        return f"{adjective}{adjective[-1]}er"
    return f"{adjective}er"


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
_POSSESSIVE = ("'s", "s'")
_LONGEST_REPETITION = 6
"""Most words of the right clause that are looked for in the left one, to find where its side
begins.
"""
_LONGEST_ALIKE = 6
"""Most words of a side that "and" joins to another one."""


@dataclass(frozen=True, slots=True)
class QuestionWord:
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


def compared_sides(question: str) -> Sides | None:
    """The two sides that a question compares; None if they are unclear or the question is long."""
    question = " ".join(question.split())
    if len(question) > LONGEST_QUESTION:
        return None

    words = _words(question)
    for joint_start, joint_end in _joints(words):
        sides = _Joined(question, words, joint_start, joint_end).sides()
        if sides is None:
            continue

        left_words, right_words = (singular_words(name) for name in sides.names)
        if left_words and right_words and left_words != right_words:
            return _asked_plainly(sides, question, words)

    return None


def _asked_plainly(sides: Sides, question: str, words: Sequence[QuestionWord]) -> Sides:
    """The sides with the questions that a person would ask of one: "How heavy is the X200?" for
    "Which is heavier", and "What is a lease?" for what differs.
    """
    texts = [word.text for word in words]
    if not _TELLS_APART.isdisjoint(texts):
        return _asked_sides(sides, "What is {}?")

    verbs = _word_indices(texts, BE)
    comparatives = _word_indices(texts, _BY_COMPARATIVE)
    if not verbs or not comparatives:
        return sides

    verb, comparative = verbs[0], comparatives[0]
    if comparative < verb:
        return sides

    adjective = _BY_COMPARATIVE[texts[comparative]]
    pattern = f"How {adjective} {texts[verb]} {{}}"
    if verb == 0 and "than" in texts[comparative:]:
        return _asked_sides(sides, f"{pattern}?")

    # "Which is heavier in water, oak or ash?"
    breaks = _word_indices(texts, _BREAKS, comparative)
    has_sides_after_break = bool(breaks) and breaks[0] + 1 < len(words)
    if texts[0] in QUESTION_WORDS and has_sides_after_break:
        adjunct = question[words[comparative].end : words[breaks[0]].start].strip()
        return _asked_sides(sides, f"{pattern} {adjunct}?".replace(" ?", "?"))

    return sides


def _asked_sides(sides: Sides, pattern: str) -> Sides:
    left_name, right_name = sides.names
    left_question = pattern.replace("{}", left_name)
    right_question = pattern.replace("{}", right_name)
    return Sides(sides.names, (left_question, right_question))


def _words(question: str) -> list[QuestionWord]:
    words = []
    for match in _WORD.finditer(question):
        text = match[0].lower().replace("\u2019", "'").strip('"\u201c\u201d()')
        text = text.removesuffix(".") or text
        is_name = match[0][:1].isupper()
        words.append(QuestionWord(text, match.start(), match.end(), is_name))
    return words


def _word_indices(
    texts: Sequence[str], vocabulary: Container[str], start: int = 0, end: int | None = None
) -> list[int]:
    """The indices, from `start` to before `end`, of the words that are in the vocabulary."""
    stop = len(texts) if end is None else end
    return [index for index in range(start, stop) if texts[index] in vocabulary]


def _joints(words: Sequence[QuestionWord]) -> Iterator[tuple[int, int]]:
    """The words that may join two sides, as the index of their first word and the one after their
    last, the surest joints first.
    """
    texts = [word.text for word in words]

    for start in range(len(texts)):
        for end in (start + 2, start + 3):
            if " ".join(texts[start:end]) in _PHRASES:
                yield start, end
                break

    for start in _word_indices(texts, _ALTERNATIVES):
        yield start, start + 1

    cues = _word_indices(texts, _COMPARES)
    if cues:
        for joint in _AGAINST:
            for start in _word_indices(texts, (joint,), cues[0] + 1):
                yield start, start + 1

    for start in _word_indices(texts, ("and",)):
        yield start, start + 1


class _Joined:
    """A question read as two clauses with a joint between them.

    All places are indices of words, and an end is the index after the last word. In "Is the rent of
    the flat higher than that of the studio?" the joint is "than", and `lead` is where "the rent"
    begins, after the words that ask. `side_start` and `side_end` are those of the left side.
    """

    def __init__(
        self, question: str, words: Sequence[QuestionWord], joint_start: int, joint_end: int
    ) -> None:
        self.question = question
        self.words = words
        self.texts = [word.text for word in words]
        self.joint = " ".join(self.texts[joint_start:joint_end])

        is_after_break = joint_start > 0 and self.texts[joint_start - 1] in _BREAKS
        self.left_end = joint_start - 1 if is_after_break else joint_start
        self.left_start = self._clause_start()

        self.right_start = joint_end
        self.right_end = self._clause_end()

    def _clause_start(self) -> int:
        breaks = _word_indices(self.texts, _BREAKS, 0, self.left_end)
        return breaks[-1] + 1 if breaks else 0

    def _clause_end(self) -> int:
        breaks = _word_indices(self.texts, _BREAKS, self.right_start)
        return breaks[0] if breaks else len(self.texts)

    def text(self, start: int, end: int) -> str:
        """The words from `start` to `end` as they were typed, without marks around them."""
        return _words_as_typed(self.question, self.words[start:end]).strip(" .'\"")

    def sides(self) -> Sides | None:
        """What the two clauses compare; None if the joint joins nothing that can be compared."""
        if self.left_start >= self.left_end or self.right_start >= self.right_end:
            return None

        self._skip_repeated_question_words()
        if self.right_start >= self.right_end:
            return None

        lead = self._lead()
        side_end = self.left_end
        comparative = None
        if self.joint == "than":
            comparative = self._comparative(lead)
            if comparative is None or self.texts[lead] in PRONOUNS:
                return None
            side_end = self._subject_end(lead, comparative)

        substituted = self._substituted(lead, side_end)
        if substituted is not None:
            return substituted

        side_start = self._side_start(lead, side_end)
        if comparative is not None and self.texts[self.right_start] in _PLACES:
            place = self._last_place(comparative + 1, self.left_end)
            if place is not None:
                side_start, side_end = place, self.left_end

        if side_start is None or side_start >= side_end:
            return None
        return self._sides_at(lead, comparative, side_start, side_end)

    def _sides_at(
        self, lead: int, comparative: int | None, side_start: int, side_end: int
    ) -> Sides | None:
        """The sides, if the left one is between these places; None if "and" joins no two sides."""
        right_side_end = self._right_side_end(side_start, side_end)
        if self.joint == "and" and not self._are_alike(side_start, side_end, right_side_end):
            return None

        head_end = side_start if comparative is None else min(side_start, comparative)
        head = self._head(lead, head_end, side_start)
        tail_start = self._tail_start(side_start, side_end, right_side_end)
        tail = self.text(tail_start, right_side_end)
        left_side = self.text(side_start, side_end)
        right_side = self._with_noun(right_side_end, side_end)

        names = (_spaced(head, left_side, tail), _spaced(head, right_side))
        questions = self._questions(
            side_start,
            side_end,
            right_side_end,
            (_spaced(left_side, tail), right_side),
        )
        return Sides(names, questions)

    # Where the parts begin and end

    def _skip_repeated_question_words(self) -> None:
        """Of "how long … and how long …" the second part begins after these words."""
        texts = self.texts
        opening = texts[self.right_start : self.right_start + 2]
        if QUESTION_WORDS.isdisjoint(opening):
            return

        left_words = texts[self.left_start : self.left_end]
        right_words = texts[self.right_start : self.right_end]
        count = 0
        for left_word, right_word in zip(left_words, right_words, strict=False):
            if left_word != right_word:
                break
            count += 1

        self.left_start += count
        self.right_start += count
        has_more_words = self.right_start < self.right_end
        if count and has_more_words and texts[self.right_start] in AUXILIARIES:
            self.right_start += 1

    def _lead(self) -> int:
        """Where the left clause begins after the words that ask: "how does", "compare"."""
        texts = self.texts[self.left_start : self.left_end]

        cues = _word_indices(texts, _COMPARES)
        if cues:
            count = cues[-1] + 1
            is_of = texts[count : count + 1] == ["of"]
            return self.left_start + (count + 1 if is_of else count)

        if not texts:
            return self.left_start

        may_ask = texts[0] in QUESTION_WORDS or texts[0] in _PLACES
        if may_ask and not QUESTION_WORDS.isdisjoint(texts[:2]):
            verbs = _word_indices(texts, VERBS)
            return self.left_start + (verbs[0] + 1 if verbs else 1)

        is_verb_first = texts[0] in AUXILIARIES
        return self.left_start + 1 if is_verb_first else self.left_start

    def _comparative(self, lead: int) -> int | None:
        """The last "longer" or "more" of the left clause."""
        comparatives = _word_indices(self.texts, _COMPARATIVES, lead + 1, self.left_end)
        return comparatives[-1] if comparatives else None

    def _subject_end(self, lead: int, comparative: int) -> int:
        """Where what is compared ends: before the verb, or the comparative after "is"."""
        verbs = _word_indices(self.texts, VERBS, lead + 1, comparative)
        if verbs:
            return verbs[0]

        end = comparative
        while end > lead + 1 and self.texts[end - 1] in _DETERMINERS:
            end -= 1

        is_be = lead > 0 and self.texts[lead - 1] in BE
        is_one_word = end <= lead + 1
        return end if is_be or is_one_word else end - 1

    def _side_start(self, lead: int, side_end: int) -> int | None:
        """Where the left side begins: where it is like the beginning of the right one."""
        repetition = self._repetition(lead, side_end)
        if repetition is not None:
            return repetition

        texts = self.texts
        opening = texts[self.right_start]
        if opening in _PLACES:
            return self._last_place(lead, side_end)

        if _has_digit(opening):
            numbers = [index for index in range(lead, side_end) if _has_digit(texts[index])]
            if numbers:
                return numbers[-1]

        if opening in _DETERMINERS:
            determiners = _word_indices(texts, _DETERMINERS, lead, side_end)
            return determiners[-1] if determiners else lead

        if lead == self.left_start > 0 or self.joint == "than":
            return lead

        leading_words = _word_indices(texts, _PLACES | VERBS | SPEAKERS, lead, side_end - 1)
        return leading_words[-1] + 1 if leading_words else lead

    def _repetition(self, lead: int, side_end: int) -> int | None:
        """Where the left clause has the words that the right one begins with: as many as possible,
        as late as possible, and a word after them.
        """
        longest = min(_LONGEST_REPETITION, self.right_end - self.right_start)
        for count in range(longest, 0, -1):
            opening = self.texts[self.right_start : self.right_start + count]
            for start in range(side_end - count - 1, lead - 1, -1):
                if self.texts[start : start + count] == opening:
                    return start
        return None

    def _last_place(self, start: int, end: int) -> int | None:
        """The last preposition like the right side's, or else any, with words after it."""
        places = _word_indices(self.texts, _PLACES, start, end)
        if not places:
            return None

        opening = self.texts[self.right_start]
        places_alike = [index for index in places if self.texts[index] == opening]
        return (places_alike or places)[-1]

    def _right_side_end(self, side_start: int, side_end: int) -> int:
        """Where the right side ends: before a verb, a comparative, or an aspect that the left one
        has not.
        """
        left_words = set(self.texts[side_start:side_end])
        has_determiner = self.texts[self.right_start] in _DETERMINERS
        noun = self.right_start + 1 if has_determiner else self.right_start

        for index in range(noun + 1, self.right_end):
            text = self.texts[index]
            if text in VERBS or text in _COMPARATIVES:
                return index
            is_new_aspect = text in _ASPECTS and text not in left_words
            if is_new_aspect and self.joint != "than":
                return index

        return self.right_end

    def _are_alike(self, side_start: int, side_end: int, right_side_end: int) -> bool:
        """Whether "and" joins two sides: the question compares, or both are short and of a kind."""
        is_comparing = not _COMPARES.isdisjoint(self.texts)
        is_clause = not (VERBS | QUESTION_WORDS).isdisjoint(self.texts)
        if is_comparing or not is_clause:
            return True

        asking_words = QUESTION_WORDS | {"many", "much"}
        if self.left_start and self.texts[self.left_start - 1] in asking_words:
            return True

        longest = max(side_end - side_start, right_side_end - self.right_start)
        if longest > _LONGEST_ALIKE:
            return False

        left_word, right_word = self.words[side_start], self.words[self.right_start]
        if left_word.is_name and right_word.is_name and side_start > 0:
            return True
        if _has_digit(left_word.text) and _has_digit(right_word.text):
            return True
        return left_word.text == right_word.text

    # What the parts share

    def _substituted(self, lead: int, side_end: int) -> Sides | None:
        """The sides if the right one says "that" for a noun of the left one: "that of the flat"."""
        left_side = self.text(lead, side_end)
        owners = [
            index for index in range(lead, side_end) if self.texts[index].endswith(_POSSESSIVE)
        ]
        owned = self.text(owners[-1] + 1, side_end) if owners else ""

        if owners and self.texts[self.right_end - 1].endswith(_POSSESSIVE):
            owner = self.text(self.right_start, self.right_end)
            names = left_side, _spaced(owner, owned)
            return Sides(names, self._questions(lead, side_end, self.right_end, names))

        place = self._place_after_pronoun()
        if place is None:
            return None

        places_alike = _word_indices(self.texts, (self.texts[place],), lead, side_end)
        if places_alike and self.texts[places_alike[0] - 1] not in _STANDS_FOR:
            head = self.text(lead, places_alike[0])
        elif owners:
            head = f"the {owned}"
        else:
            head = self._asked_noun() if places_alike else ""
            if not head:
                return None
            left_side = _spaced(head, self.text(places_alike[0], side_end))

        names = left_side, _spaced(head, self.text(place, self.right_end))
        return Sides(names, self._questions(lead, side_end, self.right_end, names))

    def _place_after_pronoun(self) -> int | None:
        """The preposition of a right clause that begins with "that of" or "the one in"."""
        has_article = self.texts[self.right_start] in ARTICLES
        pronoun = self.right_start + 1 if has_article else self.right_start
        place = pronoun + 1
        if place >= self.right_end or self.texts[pronoun] not in _STANDS_FOR:
            return None
        return place if self.texts[place] in _PLACES else None

    def _asked_noun(self) -> str:
        """The noun in "which excess is higher"."""
        if not self.texts or self.texts[0] not in ("which", "what", "whose"):
            return ""
        verbs = _word_indices(self.texts, VERBS)
        return self.text(1, verbs[0]) if verbs else ""

    def _head(self, lead: int, end: int, side_start: int) -> str:
        """What both sides are of, before the left one: "the rent of", "exit status"."""
        word_before_lead = self.texts[lead - 1] if lead > 0 else ""
        is_clause = word_before_lead in AUXILIARIES - BE
        is_comparing = "differ" in self.joint or not _COMPARES.isdisjoint(self.texts)
        if is_clause and not is_comparing:
            return ""
        if word_before_lead in QUESTION_WORDS:
            return ""

        texts = self.texts[lead:end]
        if not texts:
            return ""

        is_bound = texts[-1] in _PLACES or self.texts[side_start] in _PLACES
        is_numbered = _has_digit(self.texts[side_start])
        if not is_bound and not is_numbered:
            return ""

        predicate_words = AUXILIARIES | SPEAKERS | PRONOUNS | _COMPARATIVES
        return self.text(lead, end) if predicate_words.isdisjoint(texts) else ""

    def _tail_start(self, side_start: int, side_end: int, right_side_end: int) -> int:
        """Where the words of the right side begin that the left one lacks: "the 2022 and the 2023
        report"; `right_side_end` without such words.
        """
        if self.joint not in _SHARE_A_TAIL:
            return right_side_end

        left_words = self.words[side_start:side_end]
        right_words = self.words[self.right_start : right_side_end]
        is_shorter = len(left_words) < len(right_words)
        last_word = right_words[-1].text
        has_last_word = left_words[-1].text.split("-")[-1] == last_word  # "an e-bike"
        if not is_shorter or has_last_word:
            return right_side_end
        if last_word in _STANDS_FOR:
            return right_side_end

        opening = right_words[0].text
        is_repeated = opening == left_words[0].text and opening not in _DETERMINERS | _PLACES
        is_of_place = opening in _PLACES and not left_words[-1].is_name
        has_place_within = any(word.text in _PLACES for word in right_words[1:])
        if is_repeated or is_of_place or has_place_within:
            return right_side_end

        is_distinct = [word.is_name or _has_digit(word.text) for word in right_words]
        is_longer_by_one = len(right_words) - len(left_words) == 1
        is_shared = not is_distinct[-1] and (is_longer_by_one or is_distinct[-2])
        return right_side_end - 1 if is_shared else right_side_end

    def _with_noun(self, right_side_end: int, side_end: int) -> str:
        """The right side with the left one's last word for its "one": "the new one"."""
        has_pronoun = self.texts[right_side_end - 1] in ("one", "ones")
        if not has_pronoun or right_side_end - self.right_start <= 1:
            return self.text(self.right_start, right_side_end)

        adjective = self.text(self.right_start, right_side_end - 1)
        noun = self.text(side_end - 1, side_end)
        return _spaced(adjective, noun)

    def _questions(
        self, side_start: int, side_end: int, right_side_end: int, sides: tuple[str, str]
    ) -> tuple[str, str]:
        """The question with either of these sides in the place of the left one, and without the
        right one.
        """
        opening = self.question[: self.words[side_start].start]
        rest_of_left = self.text(side_end, self.left_end)
        ending = self.question[self._offset(right_side_end) :]

        left_side, right_side = sides
        left_question = _spaced(opening, left_side, rest_of_left, ending)
        right_question = _spaced(opening, right_side, rest_of_left, ending)
        return left_question, right_question

    def _offset(self, index: int) -> int:
        """Where a word begins in the question, in characters, or where the question ends."""
        return self.words[index].start if index < len(self.words) else len(self.question)


def _words_as_typed(question: str, words: Sequence[QuestionWord]) -> str:
    """The words and what is between them as they were typed; "" without words."""
    return question[words[0].start : words[-1].end] if words else ""


def _spaced(*parts: str) -> str:
    """The parts with spaces between them, but not before a mark."""
    joined = " ".join(part.strip() for part in parts if part.strip())
    return re.sub(r" (?=[,:;?!])", "", joined)


def _has_digit(text: str) -> bool:
    return any(letter.isdigit() for letter in text)


# Two questions in one

_OF_KIND = frozenset("which what whose".split())
_WANTS_A_CLAUSE = frozenset("who whom what which".split())
"""Words that ask for a noun of their clause, so that no other question word can share it."""
_NO_NOUNS = VERBS | SPEAKERS | PRONOUNS | ARTICLES | _PLACES
_LONGEST_PHRASE = 5
"""Most words that ask: "at what time of the day"."""
_STANDING = frozenset("it they them he him she her".split())
"""Pronouns of the second question that mean the subject of the first."""


def halves(question: str) -> tuple[str, ...]:
    """The two questions in "When and where is the fair?"; () if it is not such a question."""
    if len(question) > LONGEST_QUESTION:
        return ()

    question = " ".join(question.split())
    words = _words(question)
    while words and words[-1].text in _BREAKS:
        words.pop()

    mark = "?" if question.endswith("?") else ""
    for index, word in enumerate(words):
        if word.text != "and":
            continue
        parts = _Two(question, words, index).parts()
        if parts is not None:
            left_part, right_part = parts
            return left_part + mark, right_part + mark

    return ()


class _Two:
    """A question read as two with "and" between them.

    All places are indices of words, and an end is the index after the last word. `comma` is the
    first one of the right clause, or its end.
    """

    def __init__(self, question: str, words: Sequence[QuestionWord], joint: int) -> None:
        self.question = question
        self.words = words
        self.texts = [word.text for word in words]

        is_after_comma = joint > 0 and self.texts[joint - 1] == ","
        self.left_end = joint - 1 if is_after_comma else joint
        self.right_start = joint + 1
        self.right_end = len(words)

        commas = _word_indices(self.texts, (",",), self.right_start)
        self.comma = commas[0] if commas else self.right_end

    def text(self, start: int, end: int) -> str:
        """The words from `start` to `end` as they were typed."""
        return _words_as_typed(self.question, self.words[start:end])

    def parts(self) -> tuple[str, str] | None:
        """The two questions; None if one of the clauses does not ask."""
        left_phrase_end = self._phrase_end(0, self.left_end)
        right_phrase_end = self._phrase_end(self.right_start, self.comma)
        if not right_phrase_end:
            return None

        begins_with_verb = self.left_end > 0 and self.texts[0] in AUXILIARIES
        if not left_phrase_end and not begins_with_verb:
            return None

        if left_phrase_end == self.left_end:
            return self._with_rest_of_right(left_phrase_end, right_phrase_end)
        if right_phrase_end == self.comma == self.right_end:
            return self._with_rest_of_left(left_phrase_end)
        return self._of_clauses(left_phrase_end)

    def _phrase_end(self, start: int, end: int) -> int:
        """Where the words that ask end, from `start` on: "at what time"; 0 without any."""
        has_place = start < end and self.texts[start] in _PLACES
        index = start + 1 if has_place else start
        if index >= end or self.texts[index] not in QUESTION_WORDS:
            return 0

        question_word = self.texts[index]
        index += 1
        if question_word == "how" and index < end and self.texts[index] not in AUXILIARIES:
            index += 1

        has_noun = question_word in _OF_KIND or self.texts[index - 1] in ("many", "much")
        if not has_noun:
            return index

        limit = min(end, start + _LONGEST_PHRASE)
        while index < limit and self.texts[index] not in _NO_NOUNS:
            index += 1
        return index

    def _with_rest_of_right(
        self, left_phrase_end: int, right_phrase_end: int
    ) -> tuple[str, str] | None:
        """ "When and where is it?": both ask for the rest."""
        if self.texts[left_phrase_end - 1] in _WANTS_A_CLAUSE:
            return None

        is_before_comma = right_phrase_end == self.comma < self.right_end
        verb = right_phrase_end + 1 if is_before_comma else right_phrase_end
        if verb >= self.right_end or self.texts[verb] not in VERBS:
            return None

        clause = self.text(verb, self.right_end)
        left_part = f"{self.text(0, left_phrase_end)} {clause}"
        right_part = f"{self.text(self.right_start, right_phrase_end)} {clause}"
        return left_part, right_part

    def _with_rest_of_left(self, left_phrase_end: int) -> tuple[str, str] | None:
        """ "Where do I go, and when?": both ask for what follows the first words that ask."""
        if self.texts[self.right_end - 1] in _WANTS_A_CLAUSE:
            return None

        verb = left_phrase_end
        if not verb or verb >= self.left_end or self.texts[verb] not in VERBS:
            return None

        clause = self.text(verb, self.left_end)
        left_part = self.text(0, self.left_end)
        right_part = f"{self.text(self.right_start, self.right_end)} {clause}"
        return left_part, right_part

    def _of_clauses(self, left_phrase_end: int) -> tuple[str, str] | None:
        """Two whole questions, the second with the noun that its pronoun means."""
        right_words = self.texts[self.right_start : self.right_end]
        is_repeated = self.texts[0] == right_words[0]
        if is_repeated and VERBS.isdisjoint(right_words):
            return None

        left_part = self.text(0, self.left_end)
        right_part = self.text(self.right_start, self.right_end)

        pronouns = _word_indices(self.texts, _STANDING, self.right_start, self.right_end)
        subject = self._subject(left_phrase_end) if pronouns else ""
        if subject:
            text_before_pronoun = self.text(self.right_start, pronouns[0])
            text_after_pronoun = self.text(pronouns[0] + 1, self.right_end)
            right_part = _spaced(text_before_pronoun, subject, text_after_pronoun)

        return left_part, right_part

    def _subject(self, left_phrase_end: int) -> str:
        """What the first question is about: the words after its verb, or for "do I" the object."""
        auxiliaries = _word_indices(self.texts, AUXILIARIES, left_phrase_end, self.left_end)
        if not auxiliaries:
            return self._object(left_phrase_end + 1)

        auxiliary = auxiliaries[0]
        start = auxiliary + 1
        if start < self.left_end and self.texts[start] in SPEAKERS:
            return self._object(start + 1)

        end = self.left_end
        is_be = self.texts[auxiliary] in BE
        has_verb_last = not is_be or self.texts[end - 1].endswith("ed")
        verbs = _word_indices(self.texts, VERBS, start + 1, end)
        if verbs:
            end = verbs[0]
        elif has_verb_last and end - start > 1:
            end -= 1

        return "" if self.texts[start] in _STANDING else self.text(start, end)

    def _object(self, start: int) -> str:
        """The words from the first determiner on."""
        determiners = _word_indices(self.texts, _DETERMINERS, start, self.left_end)
        return self.text(determiners[0], self.left_end) if determiners else ""
