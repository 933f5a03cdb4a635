"""What is counted or measured: sums of money, times, and physical units, which pint converts."""

from __future__ import annotations

import functools
import re
from typing import Any

from rag.english.number_words import CODES

CURRENCIES = {
    "$": "USD", "us$": "USD", "dollar": "USD", "us dollar": "USD", "€": "EUR", "euro": "EUR",
    "£": "GBP", "pound sterling": "GBP", "british pound": "GBP", "¥": "JPY", "yen": "JPY", "rial": "IRR",  # noqa: E501
    "swiss franc": "CHF", "swedish krona": "SEK", "swedish kronor": "SEK", "norwegian krone": "NOK", ("norwegian "  # noqa: E501
                                                                                                      "kroner"): "NOK",  # noqa: E501
    "danish krone": "DKK", "danish kroner": "DKK", "canadian dollar": "CAD", "australian dollar": "AUD", "yuan": "CNY",  # noqa: E501
    "rupee": "INR", "zloty": "PLN",
}  # fmt: skip
CURRENCIES |= {code.lower(): code for code in CODES}
_TIMES = {
    "second": 1 / 86400,
    "minute": 1 / 1440,
    "hour": 1 / 24,
    "day": 1.0,
    "week": 7.0,
    "month": 365.25 / 12,
    "year": 365.25,
}
_TIMES |= {"decade": 3652.5, "century": 36525.0}
"""Times in days."""
_SHORT_TIMES = {"sec": "second", "min": "minute", "hr": "hour", "yr": "year"}
_WORDS = (
    "met(?:re|er)|mile|yard|inch|foot|feet|gram(?:me)?|tonne|ton|pound|ounce|lit(?:re|er)|gallon|barrel|bushel|hectare|acre|"
    "watt(?:[ -]hour)?|joule|calorie|volt|ampere|ohm|hertz|pascal|newton|kelvin|degree|celsius|fahrenheit|byte|bit|knot|"  # noqa: E501
    "horsepower|becquerel|sievert|curie|decibel|lumen|tesla|parsec|lightyear"
)
_PREFIXES = "kilo|mega|giga|tera|peta|hecto|deca|deci|centi|milli|micro|nano|pico"
_WORD_UNIT = re.compile(rf"(?:(?:square|cubic|nautical) )?(?:{_PREFIXES})?(?:{_WORDS})(?:e?s)?")
_SYMBOLS = frozenset(
    "km m cm mm µm nm kg g mg µg t lb lbs oz l L ml mL cl ha km² m² cm² km2 m2 m³ m3 kW MW GW TW "
    "W kWh MWh GWh TWh Wh J kJ MJ "
    "kcal V kV A mA Hz kHz MHz GHz Pa kPa MPa hPa bar N kN K °C °F mph km/h kph m/s kB MB GB TB "
    "dB Bq kBq MBq Sv mSv µSv psi "
    "ft yd".split()
)
_SPOKEN = {
    "kilo": "kilogram",
    "amp": "ampere",
    "metric ton": "tonne",
    "metric tonne": "tonne",
    "feet": "foot",
    "lbs": "lb",
    "kph": "km/h",
    "light year": "lightyear",
    "light-year": "lightyear",
}


@functools.lru_cache(1024)
def named_unit(name: str) -> tuple[str, str] | None:
    """(kind, unit) of a currency, a time or a physical unit; None if `name` is none."""
    single = singular(name.lower())
    single = _SHORT_TIMES.get(single.rstrip("."), single)
    if single in CURRENCIES:
        return "money", CURRENCIES[single]
    if single in _TIMES:
        return "duration", single
    unit = _physical(name)
    return ("quantity", unit) if unit else None


def singular(noun: str) -> str:
    """A noun without its plural ending, well enough to compare."""
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def _physical(name: str) -> str | None:
    """pint's name of a unit. Only of those written out or as symbols here: pint reads "cats" as
    hundredths of an atmosphere.
    """
    spoken = _SPOKEN.get(singular(name.lower()), name)
    if spoken not in _SYMBOLS and not _WORD_UNIT.fullmatch(spoken.lower()):
        return None
    plain = spoken if spoken in _SYMBOLS else spoken.lower().replace("nautical ", "nautical_")
    try:
        unit = _registry().parse_units(plain)
        _registry().Quantity(1.0, unit).to_base_units()
        return str(unit)
    except (
        Exception
    ):  # pint parses arithmetic too: whatever it raises says only that these words are no unit
        return None


@functools.cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(on_redefinition="ignore")


def base(number: float, unit: str | None, kind: str) -> tuple[float, str | None]:
    """The number in the base unit of its dimension, so that tonnes compare with kilograms; others
    as they are.
    """
    if kind == "duration" and unit:
        return number * _TIMES[unit], "day"
    if kind == "quantity" and unit:
        amount = _registry().Quantity(number, unit).to_base_units()
        return float(amount.magnitude), str(amount.units)
    return number, unit
