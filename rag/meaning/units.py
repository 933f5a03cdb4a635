"""Units: currencies, durations, and physical units with their sizes."""

from __future__ import annotations

import functools

from rag.meaning.words import CODES, singular

CURRENCIES = {
    "$": "USD", "us$": "USD", "dollar": "USD", "us dollar": "USD", "€": "EUR", "euro": "EUR",
    "£": "GBP", "pound sterling": "GBP", "british pound": "GBP", "¥": "JPY", "yen": "JPY",
    "rial": "IRR", "swiss franc": "CHF", "swedish krona": "SEK", "swedish kronor": "SEK",
    "norwegian krone": "NOK", "norwegian kroner": "NOK", "danish krone": "DKK",
    "danish kroner": "DKK", "canadian dollar": "CAD", "australian dollar": "AUD", "yuan": "CNY",
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
_LENGTHS = {"meter": "m", "metre": "m", "kilometer": "km", "kilometre": "km", "mile": "mi"}
_LENGTHS |= {"centimeter": "cm", "centimetre": "cm", "foot": "ft", "feet": "ft", "inch": "in"}
_LENGTHS |= {"yard": "yd"}
"""Lengths that have squares and cubes, with their symbols."""
_NO_SYMBOL = frozenset(("Tm", "Gm", "Mm", "hm", "Tg", "Gg", "kt", "Mt", "mt", "nt", "ct", "ht"))
"""Prefixed symbols that usually mean something else."""
_OFFSETS = {"degree_Celsius": 273.15, "degree_Fahrenheit": 459.67 * 5 / 9}


def _table() -> tuple[dict[str, tuple[str, float]], dict[str, str]]:
    """((dimension, factor) by unit, unit by name)."""
    sizes: dict[str, tuple[str, float]] = {}
    names = {"kilo": "kilogram", "kcal": "kilocalorie"}
    names |= dict.fromkeys(("metric ton", "metric tonne"), "metric_ton")
    for unit, (dimension, factor, others) in _MEASURES.items():
        called = [unit.replace("_", " "), *others.split()]
        sizes[unit] = dimension, factor
        names |= dict.fromkeys(called, unit)
        for prefix, (times, letter) in _PREFIXES.items() if unit in _PREFIXED else ():
            sizes[prefix + unit] = dimension, factor * times
            for name in called:
                short = (len(name) <= 2 and not name.islower()) or name in ("m", "g", "l", "t")
                made = letter + name if short else prefix + name
                if (letter or not short) and made not in _NO_SYMBOL:
                    names.setdefault(made, prefix + unit)
    for unit, power, words in (("square", 2, ("²", "2")), ("cubic", 3, ("³", "3"))):
        for length, letters in _LENGTHS.items():
            named = names[length]
            made = f"{named} ** {power}"
            dimension = "area" if power == 2 else "volume"
            sizes[made] = dimension, sizes[named][1] ** power
            names |= dict.fromkeys([f"{unit} {length}", *(letters + w for w in words)], made)
    return sizes, names


_SIZES, _NAMES = _table()


@functools.lru_cache(1024)
def named_unit(name: str) -> tuple[str, str] | None:
    """(kind, unit) of a currency, a duration or a physical unit; None if `name` is not a unit."""
    single = singular(name.lower())
    single = _SHORT_TIMES.get(single.rstrip("."), single)
    if single in CURRENCIES:
        return "money", CURRENCIES[single]
    if single in _TIMES:
        return "duration", single
    unit = _physical(name)
    return ("quantity", unit) if unit else None


def _physical(name: str) -> str | None:
    """The unit with this name, as a symbol or written out."""
    if name in _NAMES:
        return _NAMES[name]
    lowered = name.lower()
    for spoken in (lowered, lowered.removesuffix("s"), lowered.replace("inches", "inch")):
        if len(spoken) > 2 and spoken in _NAMES:
            return _NAMES[spoken]
    return None


def base(number: float, unit: str | None, kind: str) -> tuple[float, str | None]:
    """(number, unit) in the base unit of its dimension, so that tonnes compare with kilograms;
    other units are unchanged."""
    if kind == "duration" and unit:
        return number * _TIMES[unit], "day"
    if kind == "quantity" and unit:
        dimension, factor = _SIZES[unit]
        return number * factor + _OFFSETS.get(unit, 0.0), dimension
    return number, unit
