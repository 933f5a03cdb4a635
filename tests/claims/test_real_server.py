"""Written answers from a real language model behind a real server. WRITER_MODEL names the
model's folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import rag
from eval.experiments.lying_writer import has_quote
from rag.claims.chat_client import ChatServer
from rag.claims.checker import Checker
from rag.claims.writer import Writer
from rag.engine import Engine
from tests.claims.parts import TEXTS
from tests.postgres import free_port

MODEL = os.environ.get("WRITER_MODEL", "")
QUESTIONS = ("When was the JCPOA signed in Vienna?", "Where was the JCPOA signed?")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MODEL, reason="WRITER_MODEL names no model's folder"),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", MODEL]
    command += ["--port", str(port), "--device", "cpu"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    server = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(30)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"transformers serve did not start; exit status {server.poll()}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("writer")
    (folder / "docs").mkdir()
    for name, text in TEXTS.items():
        (folder / "docs" / name).write_text(text, encoding="utf-8")
    with rag.open(folder / "index") as index:
        index.ingest(folder / "docs")
        yield index.engine


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_a_real_model_writes_is_shown_only_with_a_quote(
    made: Engine, address: str, question: str
) -> None:
    answer = made.ask(question)
    assert answer.text is not None
    writer = Writer(ChatServer(address, model=MODEL, tokens=120, seconds=300), Checker(made))
    written = writer.write(answer)
    assert written.sentences
    shown = [one for one in written.sentences if not one.struck]
    assert all(has_quote(one, made) for one in shown)
    assert written.text == (" ".join(one.text for one in shown) or None)
    assert bool(written.reason) == (not shown)
