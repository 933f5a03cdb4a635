"""Closed classes of English words, and the names of months, weekdays and years, each once."""

from __future__ import annotations

ARTICLES = frozenset("a an the".split())
DEMONSTRATIVES = frozenset("this that these those".split())
QUESTION_WORDS = frozenset("who whom whose what which when where why how".split())
BE = frozenset("is are was were be been".split())
HAVE = frozenset("has have had".split())
MODALS = frozenset("will would can could shall should may might must".split())
AUXILIARIES = (
    BE
    | HAVE
    | MODALS
    | frozenset("am do does did isn't aren't wasn't weren't don't doesn't didn't won't".split())
)
PREPOSITIONS = frozenset(
    "in on at by from with without between of to for about after before during under over into "
    "since until among against near through towards within as because if when where while "
    "than".split()
)
SPEAKERS = frozenset("i me my mine myself you your yours we our ours".split())  # "us" may be the US
"""Speaker and listener."""
PRONOUNS = frozenset("it its he him his she her hers they them their theirs".split())
STOP_WORDS = (
    (QUESTION_WORDS | ARTICLES | DEMONSTRATIVES | BE | HAVE | MODALS | PRONOUNS)
    - {"shall", "must", "him", "hers", "theirs"}
) | frozenset(
    "much long far old often did do does being of in on at to for from by with and or as there "
    "into about after before during than then so not no any some you your me my we our i say said "
    "says give gave tell".split()
)
"""Words that do not tell what a question or sentence is about."""
DENIALS = frozenset(
    "not never no nor neither without cannot nobody nothing denied denies refused failed "
    "lacks".split()
)
MONTHS = tuple(
    "january february march april may june july august september october november december".split()
)
WEEKDAYS = tuple("monday tuesday wednesday thursday friday saturday sunday".split())
SHORT_NAMES = frozenset(name[:3] for name in (*MONTHS, *WEEKDAYS)) - {"may"} | {"sept"}
"""Months and weekdays as they are abbreviated, with a full stop."""
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|"
    r"aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
"""A pattern for the name of a month, without capitals."""
YEAR = r"(?:1\d|20)\d\d"
"""A pattern for a year in figures."""
SMALL_NUMBERS = tuple("one two three four five six seven eight nine ten eleven twelve".split())


def month_number(name: str) -> int:
    """1 to 12 for a month in full or abbreviated."""
    return 1 + [month[:3] for month in MONTHS].index(name[:3].lower())
