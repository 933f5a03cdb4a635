"""Builds HTML from values; attributes and the argument of `text` are escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def tag(name: str, *content: str, **attributes: object) -> str:
    """An element around markup. `class_` becomes class, `data_x` becomes data-x; attributes that
    are None are omitted."""
    given = (
        (key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(f' {key}="{escape(str(value))}"' for key, value in given)
    return f"<{name}{inside}>{''.join(content)}</{name}>"


def text(value: str) -> str:
    """Text from a question or a document, escaped, with its writing direction isolated."""
    return tag("bdi", escape(value))


def table(head: Iterable[str], rows: Iterable[str], kind: str = "", name: str | None = None) -> str:
    """`head` contains header cells, `rows` whole rows. A `wide` table scrolls by itself."""
    made = tag(
        "table", tag("thead", tag("tr", *head)), tag("tbody", *rows), class_=kind or None, id=name
    )
    return tag("div", made, class_="scroll")


def cell(content: str, kind: str | None = None, **attributes: object) -> str:
    return tag("td", content, class_=kind, **attributes)


def heads(*names: str, numbers: Iterable[str] = ()) -> list[str]:
    """Header cells; those in `numbers` are aligned right."""
    return [tag("th", name, class_="n" if name in set(numbers) else None) for name in names]
