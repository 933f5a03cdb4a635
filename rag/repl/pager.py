"""A document on the whole screen, opened where an answer stands."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document as Shown
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    FormattedTextControl,
    HSplit,
    Layout,
    ScrollOffsets,
    Window,
)
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth
from prompt_toolkit.widgets import SearchToolbar

from rag.render.sanitize import clean
from rag.repl.screen import WIDEST
from rag.repl.session import Place
from rag.types import Document

MOST_CHARACTERS = 200_000
"""On either side of the place; a longer document would be slow to move in."""
_KEYS = " q leaves  up/down, space/b move  / searches, n next"


class _Mark(Lexer):
    """Shows the characters from `start` to `end` as marked."""

    def __init__(self, start: int, end: int) -> None:
        self._start, self._end = start, end

    def lex_document(self, document: Shown) -> Callable[[int], StyleAndTextTuples]:
        first = document.translate_index_to_position(self._start)
        last = document.translate_index_to_position(self._end)

        def line(row: int) -> StyleAndTextTuples:
            text = document.lines[row] if row < len(document.lines) else ""
            if not first[0] <= row <= last[0]:
                return [("", text)]
            start = first[1] if row == first[0] else 0
            end = last[1] if row == last[0] else len(text)
            return [("", text[:start]), ("class:span", text[start:end]), ("", text[end:])]

        return line


def show(
    document: Document,
    place: Place,
    colour: bool = True,
    input: Input | None = None,
    output: Output | None = None,
) -> None:
    """Until it is left. `input` and `output` are the terminal's unless they are given."""
    first = max(0, place.start - MOST_CHARACTERS)
    text = broken(
        clean(document.text[first : place.end + MOST_CHARACTERS]),
        min(shutil.get_terminal_size().columns, WIDEST),
    )
    start, end = place.start - first, place.end - first
    search = SearchToolbar()
    buffer = Buffer(document=Shown(text, start), read_only=True)
    control = BufferControl(
        buffer, lexer=_Mark(start, end), search_buffer_control=search.control, focusable=True
    )
    window = Window(control, wrap_lines=True, scroll_offsets=ScrollOffsets(top=6, bottom=6))
    title = f" {clean(document.title)}  {clean(document.id)}"
    header = Window(FormattedTextControl([("class:bar", title)]), height=1, style="class:bar")
    footer = Window(FormattedTextControl([("class:bar", _KEYS)]), height=1, style="class:bar")
    span = "bold reverse" if not colour else "bold bg:ansigreen fg:ansiblack"
    style = Style.from_dict({"span": span, "bar": "reverse"})
    layout = Layout(HSplit([header, window, search, footer]), focused_element=window)
    Application(
        layout, style=style, key_bindings=_keys(), full_screen=True, input=input, output=output
    ).run()


def broken(text: str, width: int) -> str:
    """Lines no wider than `width` where spaces allow: some spaces become line breaks, and every
    offset stays what it was.
    """
    return "\n".join(_line(line, width) for line in text.split("\n"))


def _line(line: str, width: int) -> str:
    done, room = "", width
    for word in re.split("( )", line):
        wide = get_cwidth(word)
        if word == " " and done:
            done, room = done + word, room - 1
        elif wide > room and done.endswith(" "):
            done, room = f"{done[:-1]}\n{word}", width - wide
        else:
            done, room = done + word, room - wide
    return done


def _keys() -> KeyBindings:
    from prompt_toolkit.application.current import get_app
    from prompt_toolkit.filters import Condition, is_searching
    from prompt_toolkit.key_binding.bindings import scroll
    from prompt_toolkit.key_binding.bindings.search import start_forward_incremental_search

    keys = KeyBindings()
    reading = ~is_searching & Condition(lambda: True)

    @keys.add("q", filter=reading)
    @keys.add("c-c")
    @keys.add("c-d")
    @keys.add("escape", eager=True, filter=reading)
    def _leave(event: KeyPressEvent) -> None:
        event.app.exit()

    keys.add("space", filter=reading)(scroll.scroll_page_down)
    keys.add("b", filter=reading)(scroll.scroll_page_up)
    keys.add("/", filter=reading)(start_forward_incremental_search)

    @keys.add("n", filter=reading)
    def _next(event: KeyPressEvent) -> None:
        buffer = get_app().current_buffer
        buffer.apply_search(get_app().current_search_state, include_current_position=False)

    return keys
