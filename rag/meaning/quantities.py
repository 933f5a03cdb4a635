"""Reads numbers in words or digits, ranges, and their units: currencies, durations, and physical
units with their sizes. `rag.meaning.compare` converts and compares them.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from itertools import takewhile

from rag.meaning.words import (
    CODE,
    CODES,
    LONGEST_TEXT,
    NUMBER,
    NUMERIC_LETTERS,
    SIGN,
    digits,
    singular,
    word_set,
)

CURRENCIES = {
    "$": "USD",
    "us$": "USD",
    "dollar": "USD",
    "us dollar": "USD",
    "€": "EUR",
    "euro": "EUR",
    "£": "GBP",
    "pound sterling": "GBP",
    "british pound": "GBP",
    "¥": "JPY",
    "yen": "JPY",
    "rial": "IRR",
    "swiss franc": "CHF",
    "swedish krona": "SEK",
    "swedish kronor": "SEK",
    "norwegian krone": "NOK",
    "norwegian kroner": "NOK",
    "danish krone": "DKK",
    "danish kroner": "DKK",
    "canadian dollar": "CAD",
    "australian dollar": "AUD",
    "yuan": "CNY",
    "rupee": "INR",
    "zloty": "PLN",
    **{code.lower(): code for code in CODES},
}
_SPOKEN = [name for name in CURRENCIES if name.isascii() and (len(name) > 3 or name == "yen")]
CURRENCY_NAMES = "|".join(sorted(_SPOKEN, key=len, reverse=True))
"""A pattern for the names of currencies in the singular, without codes and signs."""
_TIMES = {
    "second": 1 / 86400,
    "minute": 1 / 1440,
    "hour": 1 / 24,
    "day": 1.0,
    "week": 7.0,
    "month": 365.25 / 12,
    "year": 365.25,
    "decade": 3652.5,
    "century": 36525.0,
}
"""Durations in days."""
_SHORT_TIMES = {"sec": "second", "min": "minute", "hr": "hour", "yr": "year"}
_MEASURES: dict[str, tuple[str, float, str]] = {
    "meter": ("length", 1.0, "m metre"),
    "mile": ("length", 1609.344, "mi"),
    "nautical_mile": ("length", 1852.0, "nmi"),
    "yard": ("length", 0.9144, "yd"),
    "foot": ("length", 0.3048, "ft feet"),
    "inch": ("length", 0.0254, "in."),
    "light_year": ("length", 9.4607304725808e15, "lightyear light-year"),
    "parsec": ("length", 3.0856775814913673e16, ""),
    "gram": ("mass", 0.001, "g gramme"),
    "metric_ton": ("mass", 1000.0, "t tonne metric_tonne"),
    "ton": ("mass", 907.18474, ""),
    "pound": ("mass", 0.45359237, "lb lbs"),
    "ounce": ("mass", 0.028349523125, "oz"),
    "liter": ("volume", 0.001, "l L litre"),
    "gallon": ("volume", 0.003785411784, ""),
    "barrel": ("volume", 0.158987294928, ""),
    "bushel": ("volume", 0.03523907016688, ""),
    "hectare": ("area", 10000.0, "ha"),
    "acre": ("area", 4046.8564224, ""),
    "watt": ("power", 1.0, "W"),
    "horsepower": ("power", 745.6998715822702, "hp"),
    "joule": ("energy", 1.0, "J"),
    "watt_hour": ("energy", 3600.0, "Wh watt-hour"),
    "calorie": ("energy", 4.184, ""),
    "volt": ("voltage", 1.0, "V"),
    "ampere": ("current", 1.0, "A amp"),
    "ohm": ("resistance", 1.0, ""),
    "hertz": ("frequency", 1.0, "Hz"),
    "pascal": ("pressure", 1.0, "Pa"),
    "bar": ("pressure", 100000.0, ""),
    "psi": ("pressure", 6894.757293168361, ""),
    "newton": ("force", 1.0, "N"),
    "kelvin": ("temperature", 1.0, "K"),
    "degree_Celsius": ("temperature", 1.0, "°C celsius"),
    "degree_Fahrenheit": ("temperature", 5 / 9, "°F fahrenheit"),
    "degree": ("angle", 1.0, ""),
    "byte": ("data", 8.0, "B"),
    "bit": ("data", 1.0, ""),
    "knot": ("speed", 1852 / 3600, ""),
    "mile_per_hour": ("speed", 0.44704, "mph"),
    "kilometer_per_hour": ("speed", 1 / 3.6, "km/h kph"),
    "meter_per_second": ("speed", 1.0, "m/s"),
    "becquerel": ("activity", 1.0, "Bq"),
    "curie": ("activity", 3.7e10, ""),
    "sievert": ("dose", 1.0, "Sv"),
    "decibel": ("level", 1.0, "dB"),
    "lumen": ("light", 1.0, ""),
    "tesla": ("field", 1.0, ""),
}
"""By name: dimension, factor to the base unit, and other names."""
_PREFIXES = {
    "tera": (1e12, "T"),
    "giga": (1e9, "G"),
    "mega": (1e6, "M"),
    "kilo": (1e3, "k"),
    "hecto": (1e2, "h"),
    "deca": (1e1, ""),
    "deci": (1e-1, ""),
    "centi": (1e-2, "c"),
    "milli": (1e-3, "m"),
    "micro": (1e-6, "µ"),
    "nano": (1e-9, "n"),
    "pico": (1e-12, ""),
}
_PREFIXED = frozenset(
    "meter gram liter watt joule watt_hour calorie volt ampere ohm hertz pascal newton byte bit "
    "becquerel sievert tesla metric_ton".split()
)
_LENGTHS = {
    "meter": "m",
    "metre": "m",
    "kilometer": "km",
    "kilometre": "km",
    "mile": "mi",
    "centimeter": "cm",
    "centimetre": "cm",
    "foot": "ft",
    "feet": "ft",
    "inch": "in",
    "yard": "yd",
}
"""Lengths that have squares and cubes, with their symbols."""
_NO_SYMBOL = frozenset(("Tm", "Gm", "Mm", "hm", "Tg", "Gg", "kt", "Mt", "mt", "nt", "ct", "ht"))
"""Prefixed symbols that usually mean something else."""
_OFFSETS = {"degree_Celsius": 273.15, "degree_Fahrenheit": 459.67 * 5 / 9}


def _table() -> tuple[dict[str, tuple[str, float]], dict[str, str]]:
    """((dimension, factor) by unit, unit by name)."""
    sizes: dict[str, tuple[str, float]] = {}
    names = {"kilo": "kilogram", "kcal": "kilocalorie"}
    names |= dict.fromkeys(("metric ton", "metric tonne"), "metric_ton")

    for unit, (dimension, factor, alternatives) in _MEASURES.items():
        called = [unit.replace("_", " "), *alternatives.split()]
        sizes[unit] = dimension, factor
        names |= dict.fromkeys(called, unit)

        for prefix, (times, letter) in _PREFIXES.items() if unit in _PREFIXED else ():
            sizes[prefix + unit] = dimension, factor * times
            for name in called:
                is_symbol = (len(name) <= 2 and not name.islower()) or name in ("m", "g", "l", "t")
                symbol = letter + name if is_symbol else prefix + name
                if (letter or not is_symbol) and symbol not in _NO_SYMBOL:
                    names.setdefault(symbol, prefix + unit)

    for unit, power, words in (("square", 2, ("²", "2")), ("cubic", 3, ("³", "3"))):
        for length, letters in _LENGTHS.items():
            base_name = names[length]
            symbol = f"{base_name} ** {power}"

            dimension = "area" if power == 2 else "volume"
            sizes[symbol] = dimension, sizes[base_name][1] ** power
            names |= dict.fromkeys([f"{unit} {length}", *(letters + w for w in words)], symbol)

    return sizes, names


_SIZES, _NAMES = _table()


@functools.lru_cache(1024)
def named_unit(name: str) -> tuple[str, str] | None:
    """(kind, unit) of a currency, a duration or a physical unit; None if `name` is not a unit."""
    lowered = name.lower()
    single = singular(lowered)
    single = _SHORT_TIMES.get(single.rstrip("."), single)
    if single in CURRENCIES:
        return "money", CURRENCIES[single]
    if single in _TIMES:
        return "duration", single
    if name in _NAMES:  # a symbol
        return "quantity", _NAMES[name]
    for spoken in (lowered, lowered.removesuffix("s"), lowered.replace("inches", "inch")):
        if len(spoken) > 2 and spoken in _NAMES:
            return "quantity", _NAMES[spoken]
    return None


def base(number: float, unit: str | None, kind: str) -> tuple[float, str | None]:
    """(number, unit) in the base unit of its dimension, so that tonnes compare with kilograms;
    other units are unchanged.
    """
    if kind == "duration" and unit:
        return number * _TIMES[unit], "day"
    if kind == "frequency" and unit:
        return number / _TIMES[unit.removeprefix("per ")], "daily"
    if kind == "quantity" and unit:
        dimension, factor = _SIZES[unit]
        return number * factor + _OFFSETS.get(unit, 0.0), dimension
    return number, unit


_ONE = re.compile(
    rf"(?i)(?<![\w.,])(?P<minus>(?<![^\s(])(?:[-\u2212](?=[\d$€£¥])|minus ))?"
    rf"(?P<sign>{CODE} ?|{SIGN})?(?P<number>{NUMBER})"
)
_NONE = re.compile(
    r"(?i)\b(?:hundreds|thousands|millions|billions|dozens|tens) of\b"
    r"|^\W*(?:hundreds|thousands|millions|billions|dozens)\b"
    r"|\b(?:few|several|many|some|couple) (?:dozen|hundred|thousand|million|billion)"
    r"|\d\s?(?:[ap]\.?m\b|(?:BC|BCE|AD|CE)\b|B\.C\.)|\bAD \d"
)
"""Vague numbers, times of day, and years of an era."""
_LABEL = re.compile(
    r"(?:\b(?!(?:Between|From|The|Only|Exactly|Total|Nearly|Almost|Just|And|Or|Some|All|A|An|In|Of"
    r"|For|To)\b)[A-Z][\w.]*\s|[A-Za-z]-|\b(?:version|room|section|article|chapter|page|model|gate"
    r"|platform|flight|suite|flat|apartment|building|port)\s)$"
)
"""Words before a number that is a name, as in "Windows 8", "E-500", "room 12"."""
_PART = re.compile(
    r"[\s-](?:halves|(?:third|3rd|quarter|fifth|5th|sixth|6th|eighth|8th|tenth|10th)s?)\b"
)
_MILLIONS = re.compile(
    r"\s?m (?!(?:long|high|tall|deep|wide|thick|across|apart|x|by|square|cubic)\b)(?P<noun>[a-z]+)"
)
""""m" as a million before a noun, "5m people", except before a noun that is measured, "5m of rope";
"5m deep" is metres."""
_LARGEST = 1e18
"""Longer numbers are not quantities."""
_TO = re.compile(r"(?i)\s*(?:to|or|and|[-–—])\s*")
_BOUND = re.compile(
    r"(?i)(?:(?P<about>\b(?:about|around|approximately|approx\.?|some|nearly|almost|roughly|circa|"
    r"(?:an? )?estimated|close to|just under))"
    r"|(?P<at_least>\b(?:at least|(?:no|not|never) (?:less|fewer|lower) than|not (?:under|below)|"
    r"a minimum of)|≥)"
    r"|(?P<at_most>\b(?:at most|up to|(?:no|not|never) (?:more|greater|higher) than|"
    r"not (?:over|above|exceed(?:ing)?)|a maximum of|as (?:many|much) as)|≤)"
    r"|(?P<more_than>\b(?:more than|over|above|exceed(?:ing|s|ed)?|upwards of|greater than|"
    r"in excess of)|>)"
    r"|(?P<less_than>\b(?:less than|under|below|fewer than)|<))\s*$"
)
"""Words before a number that bound it; the longest of those that end there counts."""
_BOUND_AFTER = re.compile(
    r"(?i)\s*(?:(?P<at_least>\+(?!\w)|(?:or|and) (?:more|above|over|older|upwards)\b"
    r"|at (?:the )?least\b)"
    r"|(?P<at_most>(?:or|and) (?:less|fewer|under|below|younger)\b|at (?:the )?most\b))"
)
_RATE = re.compile(
    r"\s*(?:(?:per\b|/|an?\b|each\b|every\b)\s*(?:calendar )?(?P<unit>[a-z]+)"
    r"|(?P<short>p\.a\.|p\.?c\.?m\.?(?!\w)|pa\b|pw\b))"
)
_SHORT_RATES = {"pa": "year", "pcm": "month", "pw": "week"}
_RATED = frozenset(
    "second minute hour day night week month quarter year person head capita annum".split()
)
_COINS = frozenset(("penny", "pence", "cent"))
_ISO = {
    "second": "PT{}S",
    "minute": "PT{}M",
    "hour": "PT{}H",
    "day": "P{}D",
    "week": "P{}W",
    "month": "P{}M",
    "year": "P{}Y",
}
_UNIT = re.compile(
    r"(?:\s*(?:(?P<points>percentage points?\b)|(?P<percent>%|per\s?cent\b))"
    r"|[\s-](?P<words>[A-Za-z°][\w°/-]*(?: [a-z][\w-]*){0,2})"
    r"|(?P<glued>[A-Za-zµ°]+[²³]?(?:/[a-z]+)?)(?!\w))"
)
_STOP = frozenset(
    "of in on at by for from to with and or per as than a an the is are was were be been had has "
    "have that which who while when after before since until during about more less each every "
    "into over under between via within but not if because so ago later earlier old long away "
    "abroad altogether".split()
)
_DOLLARS = (" US dollars", " US dollar", " dollars", " dollar", " USD")
"""After a sum with a currency sign."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number or, with `upper`, a range, with a unit. `kind`, `unit` and `bound` as in `Value`."""

    kind: str
    number: float
    upper: float | None
    unit: str | None
    bound: str
    rest: str
    """The other words of the text."""
    per: str = ""
    """The denominator of a rate: "hour", "year", "person"."""

    @property
    def iso(self) -> str | None:
        is_single = self.kind == "duration" and self.upper is None and self.number.is_integer()
        shape = _ISO.get(self.unit or "") if is_single else None
        return shape.format(int(self.number)) if shape else None


@functools.lru_cache(4096)
def quantity(text: str, after: str = "") -> Quantity | None:
    """The only number or range in a text; `after` is the text behind it, which may contain the
    unit.

    None if there are several numbers, if the number is ambiguous ("hundreds of", "two thirds",
    "1,5", "1 284,50", "9 am", "2015-18", "5m people"), or if it does not count anything ("room 12",
    "C 010").
    """
    after = after[:80]
    if len(text) > LONGEST_TEXT or _NONE.search(f"{text}{after[:12]}"):
        return None
    text = digits(text)
    ends = _ends(text)
    if ends is None:
        return None
    lower_end, upper_end = ends
    tail = text[upper_end.end() :]
    has_tail = bool(tail.strip())
    follows = f"{tail}{digits(after)}"
    millions = _MILLIONS.match(follows)
    unclear = _PART.match(follows) or (millions and millions["noun"] not in _STOP)
    unit = None if unclear else _unit(lower_end["sign"], tail if has_tail else follows)
    if unit is None:
        return None
    kind, name, length = unit
    bound_before = _BOUND.search(text, 0, lower_end.start())
    head = text[: bound_before.start() if bound_before else lower_end.start()]
    has_leading_zero = lower_end["number"][0] == "0" and lower_end["number"][1:2].isdecimal()
    is_longer = follows[:1] in (" ", ",") and follows[1:2].isdecimal()
    if has_leading_zero or is_longer or (name is None and not bound_before and _LABEL.search(head)):
        return None
    number, upper_value = _value(lower_end), None if upper_end is lower_end else _value(upper_end)
    if (upper_value is not None and upper_value < number) or max(
        abs(number), abs(upper_value or 0)
    ) > _LARGEST:
        return None
    later = _BOUND_AFTER.match(follows, length)
    end = later.end() if later else length
    rate = _RATE.match(follows, end)
    is_price = kind == "money" or name in _COINS
    per = _per(rate, is_price) if rate else ""
    head_words = [word for word in head.split() if word.lower() != "between"]
    other_words = f"{' '.join(head_words)} {tail[end:] if has_tail else ''}".strip()
    bound = _bound_name(bound_before) or _bound_name(later)
    return Quantity(kind, number, upper_value, name, bound, other_words, per)


def _per(rate: re.Match[str], is_price: bool) -> str:
    """The denominator of a rate, or ""; that of a price may be a physical unit."""
    if rate["short"]:
        return _SHORT_RATES[rate["short"].replace(".", "")]
    unit = singular(rate["unit"])
    if unit in _RATED:
        return {"annum": "year"}.get(unit, unit)
    named = named_unit(rate["unit"]) if is_price else None
    return named[1] if named and named[0] == "quantity" else ""


def _ends(text: str) -> tuple[re.Match[str], re.Match[str]] | None:
    """Both ends of the only range in the text, or its only number twice."""
    matches = list(_ONE.finditer(text))
    if not matches or len(matches) > 2:
        return None
    lower_end, upper_end = matches[0], matches[-1]
    is_range = lower_end is upper_end or _TO.fullmatch(text[lower_end.end() : upper_end.start()])
    return (lower_end, upper_end) if is_range else None


def _value(match: re.Match[str]) -> float:
    return float(match["number"].replace(",", "")) * (-1 if match["minus"] else 1)


def bound_before(text: str) -> str:
    """The bound that words end in, such as "more than", or ""."""
    return _bound_name(_BOUND.search(text))


def _bound_name(match: re.Match[str] | None) -> str:
    return str(match.lastgroup).replace("_", " ") if match else ""


def _unit(sign: str | None, tail: str) -> tuple[str, str | None, int] | None:
    """(kind, unit, length of the unit's name in `tail`); None if the characters directly after the
    number have no known meaning, as in "5G".
    """
    if sign:
        if tail[:1] in NUMERIC_LETTERS:
            return None
        length = next((len(word) for word in _DOLLARS if tail.startswith(word)), 0)
        return "money", CURRENCIES[sign.strip().lower()], length
    match = _UNIT.match(tail)
    if not match:
        return None if tail[:1] in NUMERIC_LETTERS else ("number", None, 0)
    if match["points"] or match["percent"]:
        return "percentage", "percentage point" if match["points"] else "percent", match.end()
    if match["glued"]:
        known = named_unit(match["glued"])
        return (*known, match.end()) if known else None
    kind, unit, length = _named(match["words"])
    return kind, unit, match.start("words") + length if unit else 0


def _named(words: str) -> tuple[str, str | None, int]:
    """(kind, unit, length of its name) of the longest start of `words` that is a currency, a
    duration, a physical unit, or a noun.
    """
    name_words = list(takewhile(lambda word: word.lower() not in _STOP, words.split()))
    for count in range(len(name_words), 0, -1):
        name = " ".join(name_words[:count])
        if unit := named_unit(name):
            return *unit, len(name)
    noun = " ".join(name_words)
    return "number", singular(noun.lower()) or None, len(noun)


# Figures of tables

_SCALE = re.compile(
    r"(?:\bin |\()(?:[$\u20ac\u00a3] ?|U\.?S\.? dollars |euros )?(thousand|million|billion)s\b",
    re.IGNORECASE,
)
_SCALE_OF = re.compile(
    r"\b(thousand|million|billion)s of (?:U\.?S\.? )?(?:dollars|euros|pounds|kron[ae]r?|yen)\b",
    re.IGNORECASE,
)
_SHORT_SCALE = re.compile(
    rf"(?:{SIGN}|\b{CODE}) ?(?P<scale>m|mn|millions?|bn|billions?|k|['’]?000s?|thousands?)\b"
    r"|\((?:in )?(?P<zeros>['’]?000s?)\)",
    re.IGNORECASE,
)
"""A scale in short, as in the name of a column: "£m", "$000", "EUR million", "(000s)"."""
_SHORT_FACTORS = {"m": 10**6, "b": 10**9, "k": 10**3, "t": 10**3, "0": 10**3}
"""By the first letter."""
_PER_SHARE = re.compile(r"\bper[- ](?:\w+ )?share\b|\bEPS\b", re.IGNORECASE)
"""Matches the label of a row to which the unit in a heading does not apply."""
_OWN_UNIT = re.compile(r"%|\d ?(?:bn?|k|m|thousand|million|billion)\b", re.IGNORECASE)
"""Matches a figure that has its own unit."""
_FACTORS = {
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
}
"""The units in which tables state figures."""
_NEGATIVE = re.compile(
    r"(?:US)?[$\u20ac\u00a3]? ?"
    r"(?:[-\u2013\u2212] ?[$\u20ac\u00a3]? ?\d.*|\([$\u20ac\u00a3]? ?\d[\d,.]* ?%?\) ?%?)"
)
"""A figure with a minus sign or in brackets."""


def figure_factor(text: str, kind: str, heading: str, label: str) -> int:
    """The factor for a figure in a row with this label: the unit is in the heading, as in "(In
    millions, except per-share amounts)", and figures in brackets are negative.
    """
    text = text.strip()
    sign = -1 if _NEGATIVE.fullmatch(text) else 1
    if kind == "percentage" or _OWN_UNIT.search(text):
        return sign
    return sign * _unit_factor(heading, label)


def _unit_factor(heading: str, label: str) -> int:
    """The unit in a heading. It does not apply to amounts per share, and may not apply to numbers
    of shares.
    """
    unit = _SCALE.search(heading) or _SCALE_OF.search(heading)
    abbreviated = None if unit else _SHORT_SCALE.search(heading)
    if not (unit or abbreviated) or _PER_SHARE.search(label):
        return 1
    if "shares" in word_set(label) and "except" in heading.lower():
        return 1
    if abbreviated:
        return _SHORT_FACTORS[
            (abbreviated["scale"] or abbreviated["zeros"]).lower().lstrip("'’")[0]
        ]
    return _FACTORS[unit[1].lower()] if unit else 1
