"""HTML from values: attributes are escaped, and so is what `text` is given."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def tag(name: str, *content: str, **attributes: object) -> str:
    """An element around markup. `class_` is class, `data_x` data-x; an attribute that is None is
    left out.
    """
    given = (
        (key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(f' {key}="{escape(str(value))}"' for key, value in given)
    return f"<{name}{inside}>{''.join(content)}</{name}>"


def text(value: str) -> str:
    """What a question or a document says: no markup, and its direction turns nothing beside it."""
    return tag("bdi", escape(value))


def table(head: Iterable[str], rows: Iterable[str], kind: str = "", name: str | None = None) -> str:
    """`head` are header cells, `rows` whole rows. A wide one scrolls by itself."""
    made = tag(
        "table", tag("thead", tag("tr", *head)), tag("tbody", *rows), class_=kind or None, id=name
    )
    return tag("div", made, class_="scroll")


def cell(content: str, kind: str | None = None, **attributes: object) -> str:
    return tag("td", content, class_=kind, **attributes)


def heads(*names: str, numbers: Iterable[str] = ()) -> list[str]:
    """Header cells; those of `numbers` stand on the right."""
    return [tag("th", name, class_="n" if name in set(numbers) else None) for name in names]
