"""Completes follow-up questions: "and when did it end?" after "When was the JCPOA signed?" means
"When did the JCPOA end?".

A follow-up has several possible completions. Its pronoun means a part of the last question or the
last answer, it replaces a part of the last question, it continues it, or the last question is only
its topic. All are made from the words alone. A fitted model says how likely each is meant, how
likely the question is complete as typed, and how likely it is no question at all but talk, such as
"thanks". `eval/experiments/conversations.py` fits it.

A completion has one subject: a name takes the place of a name, never of a part of one
(`_cuts_a_name`), and nothing is added to a question with a name of its own (`has_own_subject`).
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import NamedTuple

from rapidfuzz.distance import Postfix, Prefix

from rag.meaning.words import (
    ARTICLES,
    AUXILIARIES,
    BE,
    FUNCTION_WORDS,
    PREPOSITIONS,
    QUESTION_WORDS,
    SPEAKERS,
    STOP_WORDS,
    content_words,
)

MODEL = Path(__file__).with_name("followups.json")
UNSURE = 0.8
"""Probability of referring to the last turn from which on a question is completed."""
UNSURE_FRAGMENT = 0.6
"""That of a fragment of a question, such as "and in May?"."""
TALK = 0.7
"""Probability of talk from which on no document is asked."""
LIKELY = 0.65
"""Probability of referring to the last turn from which on the last answer's documents are
preferred."""
UNCLEAR = 0.4
"""That from which on a pronoun that is not completed is noted."""
_OTHER_MEANINGS = 2
"""Number of other meanings to ask."""
_LEAST_CHANCE = 0.05
"""The least probability of another meaning."""
_SMOOTHING = 0.02
"""What is added to two probabilities that are compared, so that small ones differ less."""
_TOPIC_WEIGHT = 0.4
"""Weight of a completion with the topic in brackets, when one is chosen."""
_TOPIC_RUNS = 2
"""Runs of content words that are a topic; all of them find other passages than the question's."""
_GROUPS = {
    "it": "it its",
    "she": "he him his she her hers",
    "that": "this that",
    "one": "one ones",
    "they": "they them their theirs these those",
    "there": "there",
    "then": "then",
}
_POINTERS = {word: group for group, words in _GROUPS.items() for word in words.split()}
"""Words that stand for something said before, in groups that stand for the same kinds of things."""
_OWNING = frozenset("its his her their theirs hers".split())
_LINKS = frozenset("and or but so also ok okay well then".split())
_EMPTY_WORDS = frozenset("many there us please exactly too instead either".split()).union(
    STOP_WORDS, AUXILIARIES, FUNCTION_WORDS, QUESTION_WORDS, SPEAKERS, _LINKS
)
_BACKWARD = frozenset(
    "another both each either else first last more other otherwise same too".split()
)
"""Words that compare with something said before."""
_TOKEN = re.compile(r"[^\s?!,;:()\"\u201c\u201d]+")
_LONGEST_ANSWER = 6
"""Number of words up to which an answer can stand for a pronoun."""
_DO = frozenset({"do", "does", "did"})
_BEFORE_A_VERB = _DO | frozenset("can could may might must shall should will would".split())
_TRAILING = frozenset("then too also instead either as well".split())
"""Words at the end of a follow-up that replace nothing."""
_LEADS = (["what", "about"], ["how", "about"])
"""Words that lead to a fragment, and ask nothing by themselves."""
_OPENING = frozenset("same hm hmm oh sorry wait meant mean now instead question".split())
"""Words before a fragment that do not belong to it."""
_SAME_QUESTION = re.compile(
    r"^(?:(?:and|or|but|so) )?(?:(?:is|does|would|will) (?:it|that|this) (?:also |then )?"
    r"(?:be )?(?:the same|apply|hold|go|true) (?:also )?(?:for|to)\b|what if (?:it is|it's)\b)",
    re.IGNORECASE,
)
"""What asks the last question again of something else, as in "does that also apply to Alder?"."""
_JOINS = frozenset("when if because while before until".split())
"""Words that join a clause to the one before."""
_CONDITIONS = frozenset({"when", "where"})
"""Question words that also begin a condition, "where it rains"."""
_LONGEST_PART = 3
"""Number of words up to which a part of a run of content words can be replaced."""
_MOST_COMPLETIONS = 60
"""Maximum number of completions that are compared."""
_LONGEST_QUESTIONS = 600
"""Characters of both questions up to which they are compared: follow-ups are short, and the time
grows with the square of the length."""


@dataclass(frozen=True, slots=True)
class PreviousTurn:
    """The last question as understood, and its answer."""

    question: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The question to ask, and a note if it may refer to the last one but is asked as typed.
    `follows` is the probability that it refers to the last turn. `others` are other meanings, the
    likeliest first, each with the root of how likely it is compared with `question`. `is_talk` says
    whether what was typed is no question to the documents, such as "thanks". `renames` says whether
    a name of the last question was replaced: its documents are about that name. `keeps_subject`
    says whether the subject is that of the last question.
    """

    question: str
    note: str = ""
    follows: float = 0.0
    others: tuple[tuple[str, float], ...] = ()
    is_talk: bool = False
    renames: bool = False
    keeps_subject: bool = False

    @property
    def is_about_the_last(self) -> bool:
        """Whether the documents of the last answer are preferred."""
        return self.follows >= LIKELY and not self.renames


class TaggedWord(NamedTuple):
    """A word of a question, `question[start:end]`, and how it is compared. `is_name` says whether
    it looks like a part of a name, such as "Birch", "B12" or "7", at any place.
    """

    start: int
    end: int
    lower: str
    is_name: bool = False

    @property
    def is_empty(self) -> bool:
        return self.lower in _EMPTY_WORDS


class QuestionPart(NamedTuple):
    """A few content words of the last question, `question[start:start + len(text)]`, in a run of
    them; "the" before them is part of the `name`. `features` are those of an antecedent. `left` and
    `right` are the words beside it in its run. `has_verb` says whether the verb of the question is
    among them.
    """

    text: str
    start: int
    name: str
    word_before: str
    features: dict[str, float]
    left: TaggedWord | None
    right: TaggedWord | None
    has_verb: bool = False

    @property
    def has_name(self) -> bool:
        return any(map(_is_name, self.text.split()))


class Replacement(NamedTuple):
    """Words of a follow-up that may replace a part of the last question, and the word before them,
    without "the". `features` say where they are.
    """

    text: str
    word_before: str
    has_article: bool
    features: dict[str, float]


class Completion(NamedTuple):
    """A possible meaning of a follow-up: `text`, made in the way `kind`. `features`, each about 0
    to 1, say by name what the question looks like in itself, and how the added words fit those
    that they replace, which is `replaced_name` if it has a name.
    """

    text: str
    kind: str
    features: Mapping[str, float] = {}
    replaced_name: str = ""


def understand(question: str, turn: PreviousTurn | None) -> Rewrite:
    """The question, completed from the last turn."""
    question = question.strip()
    if turn is None or not question:
        return Rewrite(question)
    if len(question) + len(turn.question) > _LONGEST_QUESTIONS:
        return Rewrite(question)

    options = completions(question, turn)
    chances = probabilities(options)
    talk = talk_chance(options, chances)
    if talk >= TALK:
        return Rewrite(question, is_talk=True)

    follows = 1 - chances[0] / (1 - talk)
    choice = chosen_index(options, chances)
    if choice == 0:
        return _as_typed(question, follows)

    completion = options[choice]
    replaced_words = completion.replaced_name.split()
    return Rewrite(
        completion.text,
        follows=follows,
        others=_other_meanings(options, chances, choice),
        renames=any(word[0].isupper() for word in replaced_words),
        keeps_subject=completion.kind != "replaced",
    )


def _as_typed(question: str, follows: float) -> Rewrite:
    """The question as it was typed, with a note if it may refer to the last one."""
    note = ""
    if follows >= UNCLEAR and not _stands_alone(question):
        found = pointers(question)
        subject = "the question"
        if found:
            subject = f'"{question[found[0].start : found[0].end]}"'
        note = f"it is not clear whether {subject} refers to the last question; asked as typed"
    is_clause = _is_clause(words(question))
    return Rewrite(question, note, follows, keeps_subject=not is_clause)


def _stands_alone(question: str) -> bool:
    """Whether a question begins like a whole one, and no word of it stands for something said
    before, or compares with it.
    """
    lowercase = [word.lower for word in words(question)]
    if not lowercase:
        return False
    is_whole = lowercase[0] in QUESTION_WORDS | AUXILIARIES
    return is_whole and not pointers(question) and _BACKWARD.isdisjoint(lowercase)


def _other_meanings(
    options: Sequence[Completion], chances: Sequence[float], choice: int
) -> tuple[tuple[str, float], ...]:
    """Other meanings to ask, the likeliest first, each with the root of how likely it is compared
    with the choice.
    """
    rows = []
    for row, chance in enumerate(chances):
        if row in (0, choice) or chance < _LEAST_CHANCE:
            continue
        if _is_beside(options[row], options[choice]):
            rows.append(row)
    rows.sort(key=lambda row: -chances[row])

    meanings = []
    for row in rows[:_OTHER_MEANINGS]:
        compared = (chances[row] + _SMOOTHING) / (chances[choice] + _SMOOTHING)
        meanings.append((options[row].text, math.sqrt(compared)))
    return tuple(meanings)


def _is_beside(meaning: Completion, likeliest_meaning: Completion) -> bool:
    """Whether it may be asked where the likeliest meaning has no answer: never about a name that
    the likeliest meaning replaces.
    """
    if meaning.kind == "talk":
        return False
    old_name = _lowercase(words(likeliest_meaning.replaced_name))
    dropped_words = old_name - _lowercase(words(likeliest_meaning.text))
    return dropped_words.isdisjoint(_lowercase(words(meaning.text)))


def words(text: str) -> list[TaggedWord]:
    """The words of a text that have a letter or a digit."""
    tagged = []
    for match in _TOKEN.finditer(text):
        word = match[0].rstrip(".")
        if not any(map(str.isalnum, word)):
            continue
        start = match.start()
        is_letter = start > 0 and word == "A"  # the "A" of "Class A" is no article
        lowercase_word = "A" if is_letter else _lower(word)
        tagged.append(TaggedWord(start, start + len(word), lowercase_word, _is_name(word)))
    return tagged


def _lowercase(tagged: Iterable[TaggedWord]) -> set[str]:
    return {word.lower for word in tagged}


def _lower(word: str) -> str:
    return word.lower().replace("\u2019", "'").strip("'`*")


def _is_name(word: str) -> bool:
    """Whether a word, at any place, begins with a capital or has a digit."""
    return word[:1].isupper() or any(map(str.isdigit, word))


def _names(tagged: Sequence[TaggedWord]) -> frozenset[str]:
    """The words that look like names, without "I" and other words that say nothing."""
    return frozenset(word.lower for word in tagged if word.is_name and not word.is_empty)


def pointers(text: str) -> list[TaggedWord]:
    """The words that stand for something said before; not "there" in "is there a lift"."""
    tagged = words(text)
    found = []
    for row, word in enumerate(tagged):
        if word.lower not in _POINTERS:
            continue
        is_introduction = word.lower == "there" and row > 0 and tagged[row - 1].lower in BE
        if not is_introduction:
            found.append(word)

    things = [word for word in found if word.lower != "then"]  # "when is it deleted then?"
    if things:
        return things
    content = _after_links(tagged)
    if not content:
        return []
    return [word for word in found if word.start > content[0].start]


def _after_links(tagged: Iterable[TaggedWord]) -> list[TaggedWord]:
    """The words without those that only link a question to the last one, such as "and"."""
    return [word for word in tagged if word.lower not in _LINKS]


def runs(text: str) -> list[list[TaggedWord]]:
    """Runs of words that are not function words, in order; a bracket or a comma ends a run."""
    groups: list[list[TaggedWord]] = [[]]
    end = 0
    for word in words(text):
        if word.is_empty or not {"(", ")", ","}.isdisjoint(text[end : word.start]):
            groups.append([])
        if not word.is_empty:
            groups[-1].append(word)
        end = word.end
    return [run for run in groups if run]


def names_something(question: str) -> bool:
    """Whether a question has a content word, so that the next one can refer to it."""
    return bool(runs(question))


def has_own_subject(question: str, turn: PreviousTurn) -> bool:
    """Whether a question asks by itself, points to nothing, and has a name that the last one has
    not: nothing is added to it.
    """
    tagged = words(question)
    new_names = _names(tagged[1:]) - _names(words(turn.question))
    if not new_names:
        return False
    asks_more = any(not word.is_empty and not word.is_name for word in tagged)
    return asks_more and _is_clause(tagged) and not pointers(question)


def completions(
    question: str, turn: PreviousTurn, known_words: Set[str] | None = None
) -> list[Completion]:
    """The possible meanings of the question, first as typed; each text once, but talk, too, has
    that of the question. Talk has no word that is not among `known_words`, by default those of the
    model: "thanks" is talk, "heating?" is a topic.
    """
    tagged = words(question)
    said = {f"says {word.lower}": 1.0 for word in tagged}
    options = [Completion(question, "typed", said)]
    if not has_own_subject(question, turn):
        repeated = _sentence(turn.question).lower()
        for option in _completions(question, turn):
            if option.text.lower() != repeated:
                options.append(option)
    options = _distinct(options)[:_MOST_COMPLETIONS]

    said_in_talk = _talk_words() if known_words is None else known_words
    if all(word.is_empty or word.lower in said_in_talk for word in tagged):
        options.insert(1, Completion(question, "talk", said))

    typed_features = _typed_features(question, turn)
    return [_with_features(option, typed_features) for option in options]


def _distinct(options: Sequence[Completion]) -> list[Completion]:
    """The first option of each text, in any case."""
    seen = set()
    distinct = []
    for option in options:
        text = option.text.lower()
        if text not in seen:
            seen.add(text)
            distinct.append(option)
    return distinct


def _with_features(option: Completion, typed_features: Mapping[str, float]) -> Completion:
    """The option with the features of the question as typed beside those of its fit, all under the
    name of its kind.
    """
    features = {}
    for name, value in typed_features.items():
        features[f"{option.kind} {name}".strip()] = value
    for name, value in option.features.items():
        features[f"{option.kind}: {name}"] = value
    return option._replace(features=features)


def _completions(question: str, turn: PreviousTurn) -> Iterator[Completion]:
    """The completions of a question, in the order of their kinds."""
    base = turn.question.strip().rstrip("?.! ")
    typed = _SAME_QUESTION.sub("", question.rstrip("?.! ")).strip()
    tagged = words(typed)
    parts = list(_parts(base))

    if pointers(typed):
        yield from _with_names(base, typed, parts, _short_answer(turn.answer))

    for replacement in _replacements(typed, tagged):
        yield from _with_replacement(base, replacement, parts)

    is_clause = _is_clause(tagged)
    if not is_clause:
        lead = _lead(tagged)
        yield from _with_continuation(base, typed, tagged[: lead + 1])
        is_lead_only = lead == len(tagged)
        if tagged and is_lead_only:
            yield from _asked_again(base, typed, tagged)

    topic = _topic(base, tagged[1:] if is_clause else tagged)
    if topic and _after_links(tagged):
        is_sole = float(len(runs(base)) == 1)
        fit = {
            "sole": is_sole,
            "words": min(8, len(topic.split())) / 8,
            "sole, points": is_sole * bool(pointers(question)),
        }
        yield Completion(_sentence(f"{typed} ({topic})"), "topic", fit)


def _with_names(
    base: str, typed: str, parts: Sequence[QuestionPart], answer: str
) -> Iterator[Completion]:
    """The question with a part of the last one, or with its answer, in the place of a pronoun."""
    for part in parts:
        if _ends_in_a_verb(part, base) or part.has_verb:
            continue
        name = part.name.removesuffix("'s").removesuffix("\u2019s")
        fit = _name_features(name, typed, base) | part.features
        yield Completion(_sentence(_put_names(typed, name)), "named", fit)

    is_for_a_place = pointers(typed)[0].lower == "there"
    is_figure = answer[:1].isdigit()
    if answer and not (is_for_a_place and is_figure):
        fit = _name_features(answer, typed, base) | {"sole": 1.0}
        yield Completion(_sentence(_put_names(typed, answer)), "answered", fit)


def _ends_in_a_verb(part: QuestionPart, base: str) -> bool:
    """Whether the part is a name and the verb after "did" ("What did Ann Ray lead?"), which is no
    one's name.
    """
    part_words = part.text.split()
    is_mixed = _is_name(part_words[0]) and not _is_name(part_words[-1])
    is_last = part.start + len(part.text) == len(base)
    return is_mixed and is_last and part.word_before in _DO


def _lead(tagged: Sequence[TaggedWord]) -> int:
    """The row of the first content word."""
    for row, word in enumerate(tagged):
        if not word.is_empty:
            return row
    return len(tagged)


def _replacements(typed: str, tagged: Sequence[TaggedWord]) -> Iterator[Replacement]:
    """What may replace a part of the last question: all from the first content word on, or the last
    run of content words ("no sorry, Plum Lane"), without "one" at the end. In a clause only what
    may be all that follows its auxiliary ("does the Tuna too?").
    """
    content = runs(typed)
    if not content:
        return
    if _is_clause(tagged) and not _is_auxiliary_and_part(tagged, content):
        return

    last_run = content[-1]
    content_end = last_run[-1].end
    ends = [word.end for word in tagged if word.lower not in _TRAILING]
    stretches = [
        (_content_begin(content).start, max([content_end, *ends]), False),
        (last_run[0].start, content_end, True),
    ]

    rows = {word.start: row for row, word in enumerate(tagged)}
    proposed: dict[str, Replacement] = {}
    for start, end, is_tail in stretches:
        text = typed[start:end]
        if "," in text:
            continue
        if is_tail and "," not in typed[:start]:
            continue

        article, word_before = _words_before(tagged, rows[start])
        has_article = bool(article) or word_before in ARTICLES
        for suffix in ("", " one", " ones"):
            if not text.lower().endswith(suffix):
                continue
            shortened = text[: len(text) - len(suffix)]
            features = {"tail": float(is_tail), "one": float(bool(suffix))}
            replacement = Replacement(shortened, word_before, has_article, features)
            proposed.setdefault(shortened, replacement)
    yield from proposed.values()


def _is_auxiliary_and_part(
    tagged: Sequence[TaggedWord], content: Sequence[Sequence[TaggedWord]]
) -> bool:
    """Whether a clause is an auxiliary with one short run of content words, and says nothing after
    it but "too". After "I" or "you" comes a verb, which is no part: "can I vote?".
    """
    opening = _after_links(tagged)[0].lower
    if opening not in AUXILIARIES:
        return False
    if len(content) > 1 or len(content[0]) > _LONGEST_PART:
        return False
    first_word, last_word = content[0][0], content[0][-1]
    if any(word.start < first_word.start and word.lower in SPEAKERS for word in tagged):
        return False
    following = [word.lower for word in tagged if word.start > last_word.start]
    return _TRAILING.issuperset(following)


def _content_begin(content: Sequence[Sequence[TaggedWord]]) -> TaggedWord:
    """The first content word after those that only open a fragment, such as "sorry"."""
    for run in content:
        for word in run:
            if word.lower not in _OPENING:
                return word
    return content[0][0]


def _with_replacement(
    base: str, replacement: Replacement, parts: Sequence[QuestionPart]
) -> Iterator[Completion]:
    """The last question with a replacement in the place of each part, but never with a name in
    part, nor with a name beside another, nor with one word twice, nor with a thing ("the
    fee") for a verb or for a name without "the".
    """
    new_words = replacement.text.lower().split()
    has_new_name = any(map(_is_name, replacement.text.split()))
    is_thing = replacement.has_article and not has_new_name
    has_names = has_new_name and bool(_names(words(base)[1:]))
    for part in parts:
        is_doubled_left = part.left and part.left.lower == new_words[0]
        is_doubled_right = part.right and part.right.lower == new_words[-1]
        if is_doubled_left or is_doubled_right:
            continue

        if part.has_verb and (has_new_name or replacement.has_article):
            continue
        is_plain_name = part.has_name and not part.name.startswith("the ")
        if is_thing and is_plain_name:
            continue
        has_two_names = has_names and not part.has_name
        if has_two_names or _cuts_a_name(part, replacement.text):
            continue

        part_end = part.start + len(part.text)
        text = base[: part.start] + replacement.text + base[part_end:]
        yield Completion(
            text=_sentence(text),
            kind="replaced",
            features=_replaced_features(part, replacement) | part.features | replacement.features,
            replaced_name=part.text if part.has_name else "",
        )


def _cuts_a_name(part: QuestionPart, replacement: str) -> bool:
    """Whether a part of a name would be left beside the replacement, as in "Alder Payroll" for
    "Alder" after "Brightline Payroll", or a name before another. A number or letter may take the
    place of another one: "Form B12". Two things of one kind do not share the words before it:
    "the Ridge trail" after "the south trail".
    """
    old_words = part.text.split()
    new_words = replacement.split()
    is_one_kind = old_words[-1].lower() == new_words[-1].lower()
    if part.left is not None and is_one_kind:
        return True

    has_name_left = part.left is not None and part.left.is_name
    has_name_right = part.right is not None and part.right.is_name
    if _is_code(part.text) and _is_code(replacement):
        has_name_left = False

    begins_with_name = _is_name(old_words[0]) or _is_name(new_words[0])
    ends_with_name = _is_name(old_words[-1]) or _is_name(new_words[-1])
    goes_on_left = has_name_left and begins_with_name
    goes_on_right = has_name_right and ends_with_name
    return goes_on_left or goes_on_right


def _is_code(text: str) -> bool:
    """Whether it is one word with a digit, or one letter."""
    if " " in text:
        return False
    return len(text) == 1 or any(map(str.isdigit, text))


def _topic(base: str, tagged: Sequence[TaggedWord]) -> str:
    """The last two runs of content words of the last question, or of the brackets at its end, so
    that they do not pile up over turns. What a question is about is at its end. Without its names
    if the new question has its own.
    """
    topic = base
    if base.endswith(")"):
        topic = base[base.rfind("(") + 1 : -1]

    has_name = bool(_names(tagged))
    pieces = []
    for run in runs(topic)[-_TOPIC_RUNS:]:
        piece = topic[run[0].start : run[-1].end]
        if has_name:
            unnamed = [word for word in run if not word.is_name]
            piece = " ".join(topic[word.start : word.end] for word in unnamed)
        if piece:
            pieces.append(piece)
    return " ".join(pieces)


def _is_clause(tagged: Sequence[TaggedWord]) -> bool:
    """Whether the words ask by themselves: an auxiliary first, or a question word and an auxiliary
    or a verb ("who decides on it?").
    """
    after_links = _after_links(tagged)
    if not after_links:
        return False
    opening, *following = after_links
    if opening.lower in AUXILIARIES:
        return True

    lowercase = _lowercase(after_links)
    if not AUXILIARIES.isdisjoint(lowercase) and not QUESTION_WORDS.isdisjoint(lowercase):
        return True

    beginning = [word.lower for word in after_links[:2]]
    is_lead = beginning in (*_LEADS, ["what", "if"])
    if opening.lower not in QUESTION_WORDS or is_lead:
        return False
    return any(not word.is_empty for word in following)


def _short_answer(answer: str | None) -> str:
    """The last answer if it is short enough to stand for a pronoun, or ""."""
    answer_words = (answer or "").split()
    text = " ".join(answer_words).rstrip(".")
    count = len(text.split())
    if count == 0 or count > _LONGEST_ANSWER or "," in text:
        return ""
    return text


def _parts(base: str) -> Iterator[QuestionPart]:
    """Runs of content words and short parts of them, before the brackets at the end."""
    asked = base[: base.rfind("(")] if base.endswith(")") else base
    tagged = words(asked)
    all_runs = runs(asked)
    verb = _verb(tagged, all_runs)
    rows = {word.start: row for row, word in enumerate(tagged)}
    verb_group = _verb_group(tagged)
    rivals = len(all_runs) - 1

    for run in all_runs:
        _, word_before_run = _words_before(tagged, rows[run[0].start])
        is_after_auxiliary = word_before_run in AUXILIARIES

        for first_word, last_word in combinations_with_replacement(range(len(run)), 2):
            is_whole_run = last_word - first_word == len(run) - 1
            if last_word - first_word >= _LONGEST_PART and not is_whole_run:
                continue

            start = run[first_word].start
            end = run[last_word].end
            text = base[start:end]
            article, word_before = _words_before(tagged, rows[start])
            words_after = len(run) - 1 - last_word
            is_last_but_one = not first_word and words_after == 1
            asks_for_it = word_before in QUESTION_WORDS | {"many", "much"}

            features = {
                "left before": min(3, first_word) / 3,
                "left after": min(3, words_after) / 3,
                "whole": float(is_whole_run),
                "all after auxiliary": float(is_after_auxiliary and not words_after),
                "before one word after auxiliary": float(is_after_auxiliary and is_last_but_one),
                "after preposition": float(word_before in PREPOSITIONS),
                "place": start / len(base),
                f"after {word_before}": float(asks_for_it),
                f"ends, {verb_group}": float(end == len(base)),
                "sole": float(not rivals),
                "rivals": min(4, rivals) / 4,
            }
            yield QuestionPart(
                text=text,
                start=start,
                name=article + text,
                word_before=word_before,
                features=features,
                left=run[first_word - 1] if first_word else None,
                right=run[last_word + 1] if words_after else None,
                has_verb=verb in run[first_word : last_word + 1],
            )


def _verb(
    tagged: Sequence[TaggedWord], all_runs: Sequence[Sequence[TaggedWord]]
) -> TaggedWord | None:
    """The verb of a question with "do" or "can": the first word after "I" or "it", or the last word
    of the run that goes on after its subject, as in "does the soup keep", "does the contract of
    Alder end"; None for another one.
    """
    auxiliary = next((word for word in tagged if word.lower in _BEFORE_A_VERB), None)
    if auxiliary is None:
        return None

    rows = {word.start: row for row, word in enumerate(tagged)}
    for run in all_runs:
        if run[0].start < auxiliary.start:
            continue
        following_row = rows[run[-1].start] + 1
        following = tagged[following_row].lower if following_row < len(tagged) else ""
        word_before = tagged[rows[run[0].start] - 1].lower
        if word_before in SPEAKERS or word_before in _POINTERS:
            return run[0]
        is_subject_alone = len(run) == 1 and word_before in ARTICLES
        if following == "of" or is_subject_alone:
            continue
        is_at_end = not following or following in PREPOSITIONS
        return run[-1] if is_at_end and not run[-1].is_name else None
    return None


def _verb_group(tagged: Sequence[TaggedWord]) -> str:
    """The first auxiliary of a question; "be" and "do" for their forms, "none" without one."""
    for word in tagged:
        if word.lower in BE:
            return "be"
        if word.lower in _DO:
            return "do"
        if word.lower in AUXILIARIES:
            return word.lower
    return "none"


def _words_before(tagged: Sequence[TaggedWord], row: int) -> tuple[str, str]:
    """("the " if that is before the word in this row, the word before it)"""
    words_before = ["", "", *(word.lower for word in tagged[:row])]
    if words_before[-1] == "the":
        return "the ", words_before[-2]
    return "", words_before[-1]


def _with_continuation(base: str, typed: str, lead: Sequence[TaggedWord]) -> Iterator[Completion]:
    """The last question continued by the new words, from their first preposition on."""
    prepositions = [word for word in lead if word.lower in PREPOSITIONS]
    opening = [word.lower for word in _after_links(lead)[:2]]
    if not prepositions or opening in _LEADS:
        return

    preposition = prepositions[0]
    added = typed[preposition.start :]
    added_words = words(added)
    if added_words and added_words[0].lower in QUESTION_WORDS - _CONDITIONS:
        return

    is_again = preposition.lower in _lowercase(words(base))
    has_two_names = bool(_names(words(base)[1:])) and bool(_names(added_words))
    if has_two_names and is_again:  # two names of one kind
        return
    fit = {
        "again": float(is_again),
        "two names": float(has_two_names),
        f"with {preposition.lower}": 1.0,
    }
    yield Completion(_sentence(f"{base} {added}"), "continued", fit)


def _asked_again(base: str, typed: str, tagged: Sequence[TaggedWord]) -> Iterator[Completion]:
    """ "and where?" asked of the rest of the last question, from its auxiliary on."""
    asking = [word for word in tagged if word.lower in QUESTION_WORDS | PREPOSITIONS]
    auxiliaries = [word for word in words(base) if word.lower in AUXILIARIES]
    if asking and auxiliaries:
        start = asking[0].start
        tail_start = auxiliaries[0].start
        tail = base[tail_start].lower() + base[tail_start + 1 :]
        yield Completion(_sentence(f"{typed[start:]} {tail}"), "again")


def _put_names(text: str, name: str) -> str:
    """The text with a name for each word that points to something."""
    for word in reversed(pointers(text)):
        tagged = words(text)
        words_before = [tagged_word for tagged_word in tagged if tagged_word.end < word.start]
        words_after = [tagged_word for tagged_word in tagged if tagged_word.start > word.start]

        is_after_preposition = bool(words_before) and words_before[-1].lower in PREPOSITIONS
        is_place = word.lower == "there" and not is_after_preposition
        preposition = "in " if is_place else ""

        is_owner = word.lower in _OWNING and bool(words_after) and not words_after[0].is_empty
        ending = ""
        if is_owner:
            ending = "'" if name.endswith("s") else "'s"
        text = text[: word.start] + preposition + name + ending + text[word.end :]
    return text


def _sentence(text: str) -> str:
    """Without a leading "and", with a capital and a question mark."""
    text = " ".join(text.split()).strip(" ?.!,")
    content = _after_links(words(text))
    if content:
        text = text[content[0].start :]
    return f"{text[:1].upper()}{text[1:]}?"


# The model


def _typed_features(question: str, turn: PreviousTurn) -> dict[str, float]:
    """Features of the typed question, the same for all completions."""
    tagged = words(question)
    stems = content_words(question)
    shared_stems = stems & content_words(turn.question)
    content_count = sum(not word.is_empty for word in tagged)
    new_names = _names(tagged[1:]) - _names(words(turn.question))
    is_bare = _is_bare(tagged)
    features = {
        "": 1.0,
        "content": min(6, content_count) / 6,
        "points": float(bool(pointers(question))),
        "linked": float(bool(tagged) and tagged[0].lower in _LINKS),
        "clause": float(any(word.lower in AUXILIARIES for word in tagged)),
        "asks": float(any(word.lower in QUESTION_WORDS for word in tagged)),
        "shared": len(shared_stems) / max(1, len(stems)),
        "number": float(any(char.isdigit() for char in question)),
        "name": float(any(question[word.start].isupper() for word in tagged[1:])),
        "one word": float(len(tagged) == 1),
        "answered": float(bool(_short_answer(turn.answer))),
        "you": float(any(word.lower in ("you", "your") for word in tagged)),
        "own name": float(bool(new_names)),
        "runs": min(3, len(runs(question))) / 3,
        "bare": float(is_bare),
        "bare words": min(6, len(tagged)) / 6 * is_bare,
        "inner": float(_points_inside(question, tagged)),
    }
    for beginning in _beginnings(tagged):
        features[f"begins {beginning}"] = 1.0
    for word in pointers(question):
        features[f"points {_POINTERS[word.lower]}"] = 1.0
    return features


def _is_bare(tagged: Sequence[TaggedWord]) -> bool:
    """Whether it is no sentence and leads to none: "parking fee", not "and the fee?"."""
    if not tagged or tagged[0].is_empty:
        return False
    return AUXILIARIES.isdisjoint(_lowercase(tagged))


def _points_inside(question: str, tagged: Sequence[TaggedWord]) -> bool:
    """Whether a thing is named before the first pronoun: "must guests pay when they leave?"."""
    found = pointers(question)
    if not found:
        return False
    words_before = [word for word in tagged if word.start < found[0].start]
    if len(words_before) < 2 or words_before[-1].lower not in _JOINS:
        return False
    clause = words_before[:-1]
    has_auxiliary = any(word.lower in AUXILIARIES for word in clause)
    names_a_thing = any(not word.is_empty for word in clause)
    return has_auxiliary and names_a_thing


def _beginnings(tagged: Sequence[TaggedWord]) -> list[str]:
    """The first word, and the first two if both are function words."""
    opening = tagged[:2]
    beginnings = [word.lower for word in opening[:1]]
    if len(opening) == 2 and all(word.is_empty for word in opening):
        beginnings.append(" ".join(word.lower for word in opening))
    return beginnings


def _replaced_features(part: QuestionPart, replacement: Replacement) -> dict[str, float]:
    """How a replacement fits the part that it replaces."""
    old_words = part.text.split()
    new_words = replacement.text.split()
    old_shape = _shape(old_words[-1])
    new_shape = _shape(new_words[-1])
    is_first_shape_same = _shape(old_words[0]) == _shape(new_words[0])

    has_name = any(map(_is_name, new_words))
    is_unnamed = part.has_name and not has_name
    word_before = replacement.word_before
    is_same_preposition = word_before in PREPOSITIONS and word_before == part.word_before
    return {
        "alike": _likeness(old_words[-1], new_words[-1]),
        "same shape": float(old_shape == new_shape),
        "same first shape": float(is_first_shape_same),
        "both numbers": float(old_shape == "0" == new_shape),
        "same length": float(len(old_words) == len(new_words)),
        "same preposition": float(is_same_preposition),
        "named": float(part.has_name),
        "named, other": float(is_unnamed and not replacement.has_article),
        "named, a thing": float(is_unnamed and replacement.has_article),
        "a thing": float(not part.has_name and replacement.has_article),
    }


def _shape(word: str) -> str:
    """ "0" for a number, "A" for capitals, "Aa" for a name, "a" for another word."""
    if word[:1].isdigit():
        return "0"
    if word.isupper():
        return "A"
    if word[:1].isupper():
        return "Aa"
    return "a"


def _name_features(name: str, typed: str, base: str) -> dict[str, float]:
    """Features of a name in the place of the pointers of a question after `base`."""
    group = _POINTERS[pointers(typed)[0].lower]
    question_words = [word.lower for word in words(base) if word.lower in QUESTION_WORDS]
    question_word = question_words[0] if question_words else "other"

    parts = name.split()
    is_several = "and" in parts
    is_plural = is_several or parts[-1].endswith("s")
    has_capital = parts[0][:1].isupper()
    return {
        "ends in ed": float(parts[-1].endswith("ed")),
        group: 1.0,
        f"{group} after {question_word}": 1.0,
        "words": min(5, len(parts)) / 5,
        "plural": float((group == "they") == is_plural),
        "several": float(is_several),
        "named": float(has_capital),
        "a name and more": float(has_capital and parts[-1][:1].islower()),
        "number": float(any(char.isdigit() for char in name)),
    }


def _likeness(word: str, replacement: str) -> float:
    """The share of the longer word that two words have in common at both ends, at most 1."""
    greatest_length = max(len(word), len(replacement))
    word, replacement = word.lower(), replacement.lower()
    shared = Prefix.similarity(word, replacement) + Postfix.similarity(word, replacement)
    return min(1.0, shared / greatest_length)


def chosen_index(options: Sequence[Completion], chances: Sequence[float]) -> int:
    """The index of the completion to ask, if the question is no talk: as typed, first of the
    options, unless it probably refers to the last turn. A fragment ("and in May?") is completed
    sooner than what may be a question of its own, and one that reads like a question is preferred
    to one with a topic in brackets.
    """
    completed = [row for row, option in enumerate(options) if option.kind not in ("typed", "talk")]
    follows = sum(chances[row] for row in completed)
    if follows < _limit(options[0].text) * (follows + chances[0]):
        return 0

    def preference(row: int) -> float:
        weight = _TOPIC_WEIGHT if options[row].kind == "topic" else 1.0
        return weight * chances[row]

    return max(completed, key=preference)


def _limit(question: str) -> float:
    """The probability from which on a question is completed."""
    tagged = words(question)
    is_bare_phrase = len(tagged) > 1 and _is_bare(tagged)
    if _is_clause(tagged) or is_bare_phrase:
        return UNSURE
    return UNSURE_FRAGMENT


def talk_chance(options: Sequence[Completion], chances: Sequence[float]) -> float:
    """The probability that the question is talk."""
    return sum(p for option, p in zip(options, chances, strict=True) if option.kind == "talk")


def probabilities(
    options: Sequence[Completion], weights: Mapping[str, float] | None = None
) -> list[float]:
    """How likely each of the options is meant; they sum to 1."""
    model = _weights() if weights is None else weights
    logits = []
    for option in options:
        weighted = [model.get(name, 0.0) * value for name, value in option.features.items()]
        logits.append(sum(weighted))

    highest_logit = max(logits)
    odds = [math.exp(logit - highest_logit) for logit in logits]
    total = sum(odds)
    return [value / total for value in odds]


@functools.cache
def _talk_words() -> Set[str]:
    """The words that the model has seen in talk."""
    said = "talk: says "
    return frozenset(name.removeprefix(said) for name in _weights() if name.startswith(said))


@functools.cache
def _weights() -> Mapping[str, float]:
    weights: dict[str, float] = json.loads(MODEL.read_text(encoding="utf-8"))
    return weights
