"""Sessions in a real terminal with fake models: keys in, the exact screen out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.repl.terminals import folded, history, questions
from rag.settings import Settings
from tests.repl.tmux import Terminal, with_tmux

pytestmark = with_tmux
Open = Callable[..., Terminal]
WELCOME = "Ask a question. /help shows more, Ctrl-D quits."
QUESTION = "When was the deal signed?"


@pytest.fixture
def opened(filled: Settings, tmp_path: Path) -> Open:
    """`rag repl` on docs/deal.md and docs/oman.txt."""

    def start(*arguments: str, width: int = 60, height: int = 24, **environ: str) -> Terminal:
        variables = {
            "RAG_INDEX": str(tmp_path / "index"),
            "RAG_CALIBRATION": str(tmp_path / "calibration.json"),
            "PAGER": "less",
            "XDG_STATE_HOME": str(tmp_path),
        }
        command = [sys.executable, "-m", "tests.repl.faked", *arguments]
        return Terminal(command, variables | environ, width, height)

    return start


def test_a_typed_session(opened: Open, tmp_path: Path) -> None:
    """One session for everything, since each start costs a second."""
    with opened() as terminal:  # `rag` without a command
        terminal.wait("2 documents")
        assert terminal.ask(QUESTION, "also Vienna") == (
            "\n  2015                                             ▰▰▰▰▱ 77%\n\n"
            "  1  The deal\n     The deal was signed in Vienna in 2015.\n     docs/deal.md\n\n"
            "  also Vienna 77% · 2018 50%\n"
        )
        assert "in Vienna in \x1b[1m\x1b[32m2015" in terminal.screen(styled=True)

        terminal.type("/so")
        terminal.wait("/sources  open a source")
        terminal.press("Tab", "Enter")
        terminal.wait("The US left the deal in 2018.", "(END)")
        assert "\x1b[7m2015\x1b" in terminal.screen(styled=True)
        terminal.press("q")
        terminal.wait("2 documents")

        terminal.type("when did the oman")
        terminal.press("Tab")
        terminal.wait("› when did the Oman, the mediator")
        terminal.press("C-c")
        terminal.wait("Oman, the mediator\n›")

        terminal.enter("Slowly, when was the deal signed?")
        terminal.wait("reading")
        terminal.press("C-c")
        terminal.wait("stopped", "2 documents")

        terminal.resize(40, 30)
        assert terminal.ask("and when did the US leave it?", "also 2015") == (
            "  understood as: When did the US leave\n  the deal?\n\n"
            "  2018                         ▰▰▰▱▱ 65%\n\n"
            "  1  The deal › The exit\n     The US left the deal in 2018.\n     docs/deal.md\n\n"
            "  also 2015 50% · Vienna 50%\n"
        )

        terminal.press("C-r")
        terminal.type("signed")
        terminal.wait("(reverse-i-search)`signed'")
        terminal.press("C-g", "C-d")
        assert terminal.ended() == 0
    assert list(history({"XDG_STATE_HOME": str(tmp_path)}).load_history_strings()) == [
        "and when did the US leave it?",
        "Slowly, when was the deal signed?",
        "/sources",
        QUESTION,
    ]


def test_a_source_breaks_lines_between_words() -> None:
    address = "https://example.org/" + "x" * 40
    text = f"The rent is due on the first day of each month.\n\nSee {address} for more."
    wrapped = folded(text, 20)
    assert len(wrapped) == len(text)
    assert wrapped.split() == text.split()
    assert all(len(line) <= 20 or line == address for line in wrapped.split("\n"))


def test_200_pasted_lines_are_200_questions(opened: Open, tmp_path: Path) -> None:
    questions = 200 * "When was the deal signed?\n"
    with opened("repl", "--json", height=30) as terminal:
        terminal.wait("2 documents")
        for count, bracketed in ((200, True), (400, False)):
            terminal.paste(questions, tmp_path / "paste", bracketed)
            terminal.enter("/info")
            terminal.wait(f"asked       {count}, answered {count}")


def test_a_dumb_terminal_gets_plain_text(opened: Open) -> None:
    with opened("repl", TERM="dumb") as terminal:
        terminal.wait(WELCOME, "\n>")
        terminal.enter(QUESTION)
        terminal.wait("Also considered")
        terminal.enter("/delete Oman, the mediator")
        terminal.wait("Type yes or no:")
        terminal.enter("no")
        terminal.wait("kept")
        terminal.press("C-d")
        assert terminal.ended() == 0
        printed = terminal.screen()
    assert "> When was the deal signed?\n" in printed  # a slow machine says that it searches
    assert "\nAnswer: 2015. Confidence 77%.\nSource 1: docs/" in printed
    assert "Also considered: Vienna 77%; 2018 50%\n> /delete Oman, the mediator\n" in printed


def test_the_span_is_marked_without_colour_and_ctrl_c_discards_a_paste(
    opened: Open, tmp_path: Path
) -> None:
    with opened("repl", NO_COLOR="1") as terminal:
        terminal.wait("2 documents")
        terminal.enter(QUESTION)
        terminal.wait("also Vienna", "2 documents")
        styled = terminal.screen(styled=True)
        assert "\x1b[1;4m2015" in styled
        assert not any(f"\x1b[{colour}m" in styled for colour in range(30, 50))
        terminal.paste(f"Slowly, when?\n{QUESTION}\nWhen?\n", tmp_path / "paste")
        terminal.wait("reading")
        terminal.press("C-c")
        printed = terminal.wait("stopped", "2 documents")
        assert "2015" not in printed.partition("stopped")[2]
        terminal.press("C-d")
        assert terminal.ended() == 0


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("When?", ["When?"]),
        ("When was the\nJCPOA signed?", ["When was the JCPOA signed?"]),
        ("When?\n\n  Where?\r\n", ["When?", "Where?"]),
        ("/top-k 3\nWhen?", ["/top-k 3", "When?"]),
        (" \n", []),
    ],
)
def test_pasted_lines_are_one_question_or_several(typed: str, expected: list[str]) -> None:
    assert questions(typed) == expected
