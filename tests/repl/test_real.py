"""The prompt with the real models on seeds/, in a real terminal and in a pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rag.types import LEAST_SHOWN
from tests.repl.tmux import Terminal, with_tmux
from tests.store.helpers import ROOT

pytestmark = with_tmux
RAG = [sys.executable, "-m", "rag"]
QUESTIONS = (
    "When was the JCPOA signed?",
    "and where?",
    "When did the United States leave the JCPOA?",
    "Who is the king of Norway?",
)


def rag(*arguments: str, index: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [*RAG, *arguments, "--index", str(index)]
    return subprocess.run(
        command, cwd=ROOT, input=text, capture_output=True, text=True, check=arguments[0] != "repl"
    )


def test_a_session_and_the_same_answers_in_a_pipe(tmp_path: Path) -> None:
    """Typed while the models load; Ctrl-C, a smaller window, and another process that changes the
    index.
    """
    index = tmp_path / "index"
    rag("ingest", "seeds/jcpoa.md", "seeds/what-people-ask-about-the-deal.md", index=index)
    piped = rag("repl", index=index, text="".join(f"{line}\n" for line in QUESTIONS))
    lines = [line.split("\t") for line in piped.stdout.splitlines()]
    assert (piped.returncode, len(lines)) == (1, len(QUESTIONS))
    assert "2015" in lines[0][0]
    environ = {"RAG_INDEX": str(index), "XDG_STATE_HOME": "/dev/null"}
    with Terminal(RAG, environ, 100, 60) as terminal:
        terminal.wait("Ctrl-D quits")

        def say(line: str, *words: str) -> str:
            """What a line shows, once it contains one of the words and the prompt is back."""
            terminal.clear()
            return terminal.ask(line, *words)

        for question, (text, confidence, _) in zip(QUESTIONS, lines, strict=True):
            printed = say(question, "%", "Not found")
            if text == "not found":
                probability = float(confidence)
                why = (
                    f"({probability:.0%}, needs "
                    if probability >= LEAST_SHOWN
                    else "no passage answers it"
                )
                assert why in " ".join(printed.split())
            else:
                assert f"  {text} " in printed
                assert f"{float(confidence):.0%}" in printed

        say("/info", "documents   2")
        say("/top-k 200", "200 passages")
        pasted = (f"When did Iran sign the deal of {year}?\n" for year in range(1900, 2100))
        terminal.paste("".join(pasted), tmp_path / "paste")
        terminal.wait("> When did Iran sign the deal of ")
        terminal.press("C-c")
        assert "> When did Iran sign the deal of 2099?" not in terminal.wait("stopped")
        say("/top-k 8", "8 passages")
        assert "2015" in say(QUESTIONS[0], "%")

        terminal.resize(60, 60)
        note = tmp_path / "norway.md"
        note.write_text("# Norway\n\nThe king of Norway is Harald V, since 17 January 1991.\n")
        (norway,) = json.loads(rag("ingest", "--json", str(note), index=index).stdout)["added"]
        assert "Harald V" in say("Who is the king of Norway?", "%")
        assert max(map(len, terminal.screen(unbroken=True).splitlines())) <= 60
        rag("delete", norway, index=index)
        assert "Harald" not in say("Who is the king of Norway?", "%", "Not found")
        terminal.press("C-d")
        assert terminal.ended() == 0
