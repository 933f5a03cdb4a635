"""The prompt with the real models on seeds/, in a real terminal and in a pipe."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.types import LEAST_SHOWN
from tests.repl.tmux import ROOT, Terminal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("tmux"), reason="tmux is not installed: apt-get install tmux"
    ),
]
RAG = [sys.executable, "-m", "rag"]
ASKED = (
    "When was the JCPOA signed?",
    "and where?",
    "When did the United States leave the JCPOA?",
    "Who is the king of Norway?",
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "index"
    rag("ingest", "seeds/jcpoa.md", "seeds/what-people-ask-about-the-deal.md", index=folder)
    return folder


def rag(*arguments: str, index: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [*RAG, *arguments, "--index", str(index)]
    return subprocess.run(
        command, cwd=ROOT, input=given, capture_output=True, text=True, check=arguments[0] != "repl"
    )


@pytest.fixture(scope="module")
def terminal(index: Path) -> Iterator[Terminal]:
    with Terminal(RAG, {"RAG_INDEX": str(index), "XDG_STATE_HOME": "/dev/null"}, 100, 60) as opened:
        opened.wait("Ctrl-D quits")
        yield opened


@pytest.fixture
def say(terminal: Terminal) -> Callable[..., str]:
    """Type a line and return its output, once it contains one of the words and the prompt
    is back.
    """

    def type_it(line: str, *words: str) -> str:
        terminal.press("C-l")
        terminal.type(line)
        terminal.press("Enter")
        return terminal.wait_for(line, *words)

    return type_it


def test_typing_while_models_load_and_the_same_answers_in_a_pipe(
    index: Path, say: Callable[..., str]
) -> None:
    done = rag("repl", index=index, given="".join(f"{line}\n" for line in ASKED))
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert (done.returncode, len(lines)) == (1, len(ASKED))
    assert "2015" in lines[0][0]
    for asked, (text, confidence, _) in zip(ASKED, lines, strict=True):
        shown = say(asked, "%", "Not found")
        if text == "not found":
            sure = float(confidence)
            why = f"({sure:.0%}, needs " if sure >= LEAST_SHOWN else "no passage answers it"
            assert why in " ".join(shown.split())
        else:
            assert f"  {text} " in shown
            assert f"{float(confidence):.0%}" in shown


def test_completion_of_a_title_and_a_command(terminal: Terminal) -> None:
    terminal.type("what is the joint compr")
    terminal.press("Tab")
    terminal.wait("› what is The Joint Comprehensive Plan of Action")
    terminal.press("C-u")
    terminal.type("/inf")
    terminal.wait(
        "› /inf\n", "/info  show the size of the index"
    )  # completion runs in a thread: a Tab during it is lost, an Enter overtakes it
    terminal.press("Tab")
    terminal.wait("› /info\n")
    terminal.press("Enter")
    terminal.wait_for("/info", "documents   2")


def test_ctrl_c_stops_a_slow_question(
    terminal: Terminal, say: Callable[..., str], tmp_path: Path
) -> None:
    say("/top-k 200", "200 passages")
    terminal.paste(
        "".join(f"When did Iran sign the deal of {year}?\n" for year in range(1900, 2100)),
        tmp_path / "paste",
    )
    terminal.wait("of 2099?")
    terminal.press("Enter")
    terminal.wait("> When did Iran sign the deal of ")
    terminal.press("C-c")
    assert "> When did Iran sign the deal of 2099?" not in terminal.wait("stopped")
    say("/top-k 8", "8 passages")
    assert "2015" in say(ASKED[0], "%")


def test_the_window_is_resized_and_another_process_changes_the_index(
    index: Path, terminal: Terminal, say: Callable[..., str], tmp_path: Path
) -> None:
    terminal.resize(60, 60)
    note = tmp_path / "norway.md"
    note.write_text(
        "# Norway\n\nThe king of Norway is Harald V, who came to the throne on 17 January 1991.\n"
    )
    rag("ingest", str(note), index=index)
    shown = say("Who is the king of Norway?", "%")
    assert "Harald V" in shown
    assert max(map(len, terminal.screen(unbroken=True).splitlines())) <= 60
    (known,) = [
        line for line in rag("list", index=index).stdout.splitlines() if "norway.md" in line
    ]
    rag("delete", known.split()[0], index=index)
    assert "Harald" not in say("Who is the king of Norway?", "%", "Not found")


def test_ctrl_d_quits(terminal: Terminal) -> None:
    terminal.press("C-d")
    assert terminal.ended() == 0
