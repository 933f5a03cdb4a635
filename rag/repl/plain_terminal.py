"""Line-based input and output, for terminals that cannot move the cursor and for screen readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from prompt_toolkit.history import History

from rag.repl.complete import Suggestion, suggest
from rag.repl.screen import Screen
from rag.repl.session import ShownPlace
from rag.types import Document

AROUND = 300
"""Characters shown on either side of a source."""


def read(documents: Callable[[], Sequence[Document]], history: History) -> Iterator[list[str]]:
    """Yield typed lines until the end of input; Ctrl-C discards the line."""
    with suppress(ImportError):
        _readline(documents, history)
    while True:
        try:
            line = input("> ")
        except KeyboardInterrupt:
            print()
            continue
        except EOFError:
            print()
            return
        history.store_string(line)
        yield [line]


def show(screen: Screen, document: Document, place: ShownPlace) -> None:
    """Show the quote with its surroundings."""
    first, last = max(0, place.start - AROUND), min(len(document.text), place.end + AROUND)
    screen.line(f"{document.id}, characters {place.start} to {place.end} of {len(document.text)}:")
    before, after = document.text[first : place.start], document.text[place.end : last]
    screen.paragraph(
        f"{'...' if first else ''}{before}",
        place.quote,
        f"{after}{'...' if last < len(document.text) else ''}",
    )


def confirm(question: str) -> bool:
    """Whether the user typed yes."""
    return input(f"{question} Type yes or no: ").strip().lower() in ("y", "yes")


def _readline(documents: Callable[[], Sequence[Document]], history: History) -> None:
    import readline

    for line in reversed(list(history.load_history_strings())):
        readline.add_history(line)
    suggestions: list[Suggestion] = []

    def complete(text: str, state: int) -> str | None:
        if state == 0:
            suggestions[:] = suggest(text, documents)
        if state >= len(suggestions):
            return None
        return text[: len(text) - suggestions[state].back] + suggestions[state].text

    readline.set_completer_delims("\n")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
