"""The numbers that Word shows before paragraphs, which a DOCX file has only as references to its
definitions of lists.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from docx.oxml.ns import qn

BULLET = "-"
"""The marker of an item without a number."""
_VALUE = qn("w:val")
_LEVEL = qn("w:ilvl")
_STYLE_ID = qn("w:styleId")
_LIST_ID = qn("w:numId")
_DEFINITION_ID = qn("w:abstractNumId")
_REFERENCE = f"{qn('w:pPr')}/{qn('w:numPr')}"
_STYLE_OF_PARAGRAPH = f"{qn('w:pPr')}/{qn('w:pStyle')}"
_NO_LIST = "0"
"""The id of a list that takes a paragraph out of the list of its style."""
_DEEPEST = 8
"""Levels count from 0."""
_LONGEST_CHAIN = 20
"""Number of styles that are looked at, each based on the next one."""
_PLACE = re.compile(r"%([1-9])")
"""The place of a level's number in the text of a marker, such as "%1.%2"."""
_LONGEST_MARKER = 40
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_MOST_ROMAN = 3999
_ORDINAL_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
"""By the last digit of the number; "th" for other digits."""
_LETTERS = 26
_MOST_LETTERS = 30 * _LETTERS
"""Word writes 27 as "aa", 53 as "aaa" and so on."""


class ListLabel(NamedTuple):
    """The level of a paragraph in its list, from 0, and its marker: a number with its signs,
    `BULLET`, or "" if Word shows none.
    """

    depth: int
    marker: str


@dataclass(frozen=True, slots=True)
class _NumberingLevel:
    """The definition of one level. `restart` is the number of the level, from 1, after which the
    level begins anew; 0 for none, and -1 for each outer level.
    """

    start: int = 1
    form: str = "decimal"
    text: str = ""
    restart: int = -1
    is_decimal: bool = False
    style: str = ""


@dataclass(slots=True)
class _Definition:
    """Levels, and how far each was counted in the document so far; lists share a definition."""

    levels: dict[int, _NumberingLevel]
    counts: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _List:
    """A list: its definition, with levels of its own, and the numbers with which levels begin."""

    definition: _Definition
    levels: dict[int, _NumberingLevel]
    starts: dict[int, int]


class Numbering:
    """Counts the numbered paragraphs of a document, which must be asked for in its order."""

    def __init__(self, document: Any) -> None:
        self._styles = _styles(document)
        self._lists: dict[str, _List] = {}
        self._begun: set[tuple[str, int]] = set()
        """list and level of the numbers that have begun"""
        root = _root(document)
        if root is not None:
            self._read(root)

    def label(self, paragraph: Any) -> ListLabel | None:
        """The label of a paragraph, which is counted; None if it is in no list."""
        reference = self._reference(paragraph)
        if reference is None:
            return None
        list_id, depth = reference
        if list_id not in self._lists:
            return ListLabel(depth, BULLET)
        return ListLabel(depth, self._count_paragraph(list_id, depth))

    # Definitions

    def _read(self, root: Any) -> None:
        """Read the definitions and the lists that use them."""
        elements: dict[str, Any] = {}
        for element in root.iterchildren(qn("w:abstractNum")):
            elements[element.get(_DEFINITION_ID, "")] = element

        lists: dict[str, Any] = {}
        for element in root.iterchildren(qn("w:num")):
            lists[element.get(_LIST_ID, "")] = element

        definitions: dict[str, _Definition] = {}
        for list_id, element in lists.items():
            definition_id = self._definition_of(element, elements, lists)
            if definition_id not in elements:
                continue

            if definition_id not in definitions:
                levels = _levels(elements[definition_id])
                definitions[definition_id] = _Definition(levels)
            self._lists[list_id] = _list(element, definitions[definition_id])

    def _definition_of(
        self,
        element: Any,
        elements: Mapping[str, Any],
        lists: Mapping[str, Any],
    ) -> str:
        """The id of a list's definition; one that only names a style has that of the style."""
        definition_id = _text_value(element, qn("w:abstractNumId"))
        definition = elements.get(definition_id)
        style_id = ""
        if definition is not None:
            style_id = _text_value(definition, qn("w:numStyleLink"))

        style = self._styles.get(style_id)
        if style is None:
            return definition_id

        list_id = _text_value(style, f"{_REFERENCE}/{_LIST_ID}")
        if list_id not in lists:
            return definition_id
        return _text_value(lists[list_id], qn("w:abstractNumId"))

    # Paragraphs

    def _reference(self, paragraph: Any) -> tuple[str, int] | None:
        """The id of a paragraph's list and its level in it, by itself or by its style."""
        list_id = _text_value(paragraph, f"{_REFERENCE}/{_LIST_ID}")
        depth = _number_value(paragraph, f"{_REFERENCE}/{_LEVEL}", -1)
        for style_id, style in self._styles_of(paragraph):
            if list_id:
                break
            list_id = _text_value(style, f"{_REFERENCE}/{_LIST_ID}")
            if list_id and depth < 0:
                depth = self._depth_of_style(list_id, style_id, style)

        if not list_id or list_id == _NO_LIST:
            return None

        depth = min(max(depth, 0), _DEEPEST)
        return list_id, depth

    def _styles_of(self, paragraph: Any) -> Iterator[tuple[str, Any]]:
        """The paragraph's style and those that it is based on, each after its id."""
        style_id = _text_value(paragraph, _STYLE_OF_PARAGRAPH)
        for _ in range(_LONGEST_CHAIN):
            style = self._styles.get(style_id)
            if style is None:
                return

            yield style_id, style
            style_id = _text_value(style, qn("w:basedOn"))

    def _depth_of_style(self, list_id: str, style_id: str, style: Any) -> int:
        """The level that names the style, or else the one that the style names."""
        numbered_list = self._lists.get(list_id)
        levels = numbered_list.levels if numbered_list else {}
        for depth, level in levels.items():
            if level.style == style_id:
                return depth
        return _number_value(style, f"{_REFERENCE}/{_LEVEL}", 0)

    # Counting

    def _count_paragraph(self, list_id: str, depth: int) -> str:
        """Count a paragraph of a list, and return its marker."""
        numbered_list = self._lists[list_id]
        levels = numbered_list.levels
        counts = numbered_list.definition.counts
        level = levels.get(depth)
        if level is None:
            return BULLET

        start = level.start
        key = (list_id, depth)
        if depth in numbered_list.starts and key not in self._begun:
            start = numbered_list.starts[depth]
            counts.pop(depth, None)
        self._begun.add(key)

        if depth in counts:
            counts[depth] += 1
        else:
            counts[depth] = start

        for counted_depth in list(counts):
            counted_level = levels.get(counted_depth, _NumberingLevel())
            if counted_depth > depth and _restarts(counted_level, depth):
                del counts[counted_depth]
        return _marker(level, levels, counts)


def _restarts(level: _NumberingLevel, depth: int) -> bool:
    """Whether a level begins anew after a paragraph of an outer level."""
    return level.restart < 0 or depth < level.restart


def _marker(
    level: _NumberingLevel, levels: Mapping[int, _NumberingLevel], counts: Mapping[int, int]
) -> str:
    """The marker of a paragraph, with the numbers of the outer levels in it."""
    if level.form == "bullet":
        return BULLET

    def number(place: re.Match[str]) -> str:
        depth = int(place[1]) - 1
        counted_level = levels.get(depth, _NumberingLevel())
        count = counts.get(depth, counted_level.start)
        form = "decimal" if level.is_decimal else counted_level.form
        return _number_in_form(count, form)

    marker = _PLACE.sub(number, level.text)
    return " ".join(marker.split())[:_LONGEST_MARKER]


def _number_in_form(number: int, form: str) -> str:
    """A number in one of Word's forms; as digits in forms that are rare."""
    if form == "none":
        return ""
    if form == "decimalZero":
        return f"{number:02}"
    if form == "ordinal":
        return f"{number}{_ordinal_ending(number)}"

    numeral = str(number)
    if form.endswith("Letter") and 0 < number <= _MOST_LETTERS:
        repetitions, place = divmod(number - 1, _LETTERS)
        letter = chr(ord("a") + place)
        numeral = letter * (repetitions + 1)
    elif form.endswith("Roman") and 0 < number <= _MOST_ROMAN:
        numeral = _roman(number)
    return numeral.upper() if form.startswith("upper") else numeral


def _roman(number: int) -> str:
    """A number from 1 in Roman numerals."""
    numeral = ""
    for value, letters in _ROMAN:
        repetitions, number = divmod(number, value)
        numeral += letters * repetitions
    return numeral


def _ordinal_ending(number: int) -> str:
    """What follows the digits of an ordinal number."""
    is_teen = 10 < number % 100 < 20
    if is_teen:
        return "th"

    last_digit = number % 10
    return _ORDINAL_ENDINGS.get(last_digit, "th")


# The file's XML


def _styles(document: Any) -> dict[str, Any]:
    """The elements of the styles, by id."""
    styles: dict[str, Any] = {}
    for style in document.styles.element.iterchildren(qn("w:style")):
        styles[style.get(_STYLE_ID, "")] = style
    return styles


def _root(document: Any) -> Any:
    """The element that holds the definitions of lists; None in a file without lists."""
    for relation in document.part.rels.values():
        is_numbering = relation.reltype.endswith("/numbering")
        if is_numbering and not relation.is_external:
            return relation.target_part.element
    return None


def _levels(element: Any) -> dict[int, _NumberingLevel]:
    """The levels below an element, by depth."""
    levels: dict[int, _NumberingLevel] = {}
    for child in element.iterchildren(qn("w:lvl")):
        depth = _number(child.get(_LEVEL, ""), 0)
        levels[depth] = _NumberingLevel(
            start=_number_value(child, qn("w:start"), 0),
            form=_text_value(child, qn("w:numFmt")) or "decimal",
            text=_text_value(child, qn("w:lvlText")),
            restart=_number_value(child, qn("w:lvlRestart"), -1),
            is_decimal=child.find(qn("w:isLgl")) is not None,
            style=_text_value(child, qn("w:pStyle")),
        )
    return levels


def _list(element: Any, definition: _Definition) -> _List:
    """A list with its definition; it may define or begin levels in its own way."""
    levels = dict(definition.levels)
    starts: dict[int, int] = {}
    for override in element.iterchildren(qn("w:lvlOverride")):
        levels |= _levels(override)

        depth = _number(override.get(_LEVEL, ""), 0)
        start = _number_value(override, qn("w:startOverride"), -1)
        if start >= 0:
            starts[depth] = start
            levels[depth] = replace(levels.get(depth, _NumberingLevel()), start=start)
    return _List(definition, levels, starts)


def _text_value(element: Any, path: str) -> str:
    """The value of an element's descendant; "" without one."""
    descendant = element.find(path)
    return "" if descendant is None else descendant.get(_VALUE, "")


def _number_value(element: Any, path: str, default: int) -> int:
    """The value of an element's descendant as a number."""
    return _number(_text_value(element, path), default)


def _number(text: str, default: int) -> int:
    """A number of a few digits; the default for other texts."""
    is_number = re.fullmatch(r"\d{1,6}", text, re.ASCII)
    return int(text) if is_number else default
