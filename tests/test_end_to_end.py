"""The service as a new user sees it: shipped models, shipped corpus, real processes."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag import build
from rag.engine import Engine
from rag.settings import Settings

ROOT = Path(__file__).parent.parent
SEED_ARTICLE = ROOT.parent / "shared" / "seeds"
pytestmark = pytest.mark.slow
ASKED = "When was the JCPOA signed?"


def rag(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in its own process, in the project's folder."""
    return subprocess.run(
        [sys.executable, "-m", "rag", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=600,
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of seeds/, made on the command line."""
    folder = tmp_path_factory.mktemp("seeds") / "index"
    process = rag("ingest", "seeds", "--index", str(folder))
    assert process.returncode == 0, process.stderr
    assert process.stdout == f"{folder}: 60 added\n"
    return folder


@pytest.fixture(scope="module")
def engine(index: Path) -> Engine:
    return build.engine(Settings.load(index=index))


def gold() -> Iterator[dict[str, Any]]:
    yield from map(json.loads, (ROOT / "eval/gold/seeds.jsonl").read_text().splitlines())


def check_citations(engine: Engine, answer: Any) -> None:
    assert (answer.text is None) == (not answer.citations) == (answer.abstention_reason is not None)
    of_alternatives = (
        citation for alternative in answer.alternatives for citation in alternative.citations
    )
    for citation in (*answer.citations, *of_alternatives):
        document = engine.store.document(citation.document_id)
        assert document is not None
        assert document.sha256 == citation.sha256
        assert document.text[citation.start : citation.end] == citation.quote
        assert document.text[citation.sentence_start : citation.sentence_end] == citation.sentence
        assert citation.sentence_start <= citation.start < citation.end <= citation.sentence_end


def test_ingesting_again_changes_nothing(index: Path, engine: Engine) -> None:
    generation = engine.store.stats().generation
    process = rag("ingest", "seeds", "--index", str(index))
    assert process.stdout == f"{index}: 60 unchanged; the index has not changed\n"
    assert engine.store.stats().generation == generation


def test_every_citation_is_exact(engine: Engine) -> None:
    """One gold question in sixteen; `make gate` checks the citations of 250."""
    answered = {True: 0, False: 0}
    questions = {True: 0, False: 0}
    for question in itertools.islice(gold(), 0, None, 16):
        answer = engine.ask(question["question"])
        check_citations(engine, answer)
        questions[bool(question["answers"])] += 1
        answered[bool(question["answers"])] += answer.text is not None
    assert answered[True] / questions[True] > 0.6
    assert answered[False] / questions[False] < 0.5


def test_a_users_own_article(tmp_path: Path) -> None:
    if not SEED_ARTICLE.exists():
        pytest.skip("the user's seed article is not here")
    assert rag("ingest", str(SEED_ARTICLE), "--index", str(tmp_path)).returncode == 0
    engine = build.engine(Settings.load(index=tmp_path))
    expected = {
        "Who leads the Supreme National Security Council?": "Ali Larijani",
        "Who is Oman's foreign minister?": "Badr bin Hamad al-Busaidi",
        "When did the US leave the JCPOA?": "2018",
        "Where were the talks held?": "Muscat",
        "Which agency reported the visit?": "IRNA",
        "How long did the war last?": "12-day",
    }
    answers = {question: engine.ask(question) for question in expected}
    for question, answer in answers.items():
        check_citations(engine, answer)
        if answer.text == expected[question]:
            assert expected[question] in answer.citations[0].sentence
    answered = [
        question
        for question, expected_text in expected.items()
        if answers[question].text == expected_text
    ]
    assert len(answered) >= 5, {question: answer.text for question, answer in answers.items()}
    signed = engine.ask(ASKED)
    assert signed.text == "2015"
    assert all(alternative.confidence < signed.confidence for alternative in signed.alternatives)
    assert engine.ask("What does JCPOA stand for?").text == "Joint Comprehensive Plan of Action"
    for question in (
        "Who won the 12-day war?",
        "What is the capital of Mongolia?",
        "How many centrifuges are installed at Fordow?",
        "How many people live in Tehran?",
        "Who is the president of Brazil?",
        "When was NATO founded?",
        "How much does a nuclear reactor cost?",
        "Who wrote Hamlet?",
    ):
        assert engine.ask(question).text is None, question


NO_SOCKETS = """
import sys
def refuse(event, arguments):
    if event.startswith("socket.") and event.split(".")[1] in (
        "connect", "getaddrinfo", "gethostbyname", "sendto", "bind"
    ):
        sys.stderr.write(f"NETWORK {event} {arguments}\\n")
        raise OSError("no network")
sys.addaudithook(refuse)
from rag.cli.main import main
main()
"""


def test_a_question_is_answered_without_a_connection(index: Path) -> None:
    command = [sys.executable, "-c", NO_SOCKETS, "ask", ASKED, "--index", str(index)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert (process.returncode, process.stderr) == (0, "")
    assert "2015" in process.stdout.splitlines()[0]
    assert process.stdout.splitlines()[2].startswith("  [1] seeds/")


def test_no_socket_is_created_after_startup(engine: Engine) -> None:
    events: list[str] = []
    is_asking = True
    sys.addaudithook(
        lambda event, _: events.append(event) if is_asking and event.startswith("socket.") else None
    )
    assert engine.ask(ASKED).text is not None
    is_asking = False
    assert events == []


def test_it_runs_with_the_network_cut_off(index: Path) -> None:
    unshare = shutil.which("unshare")
    probe = [unshare or "", "-rn", "true"]
    if unshare is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("this system lets no one cut off the network")
    command = [unshare, "-rn", sys.executable, "-m", "rag", "ask", ASKED, "--index", str(index)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert (process.returncode, process.stderr) == (0, "")
    assert "2015" in process.stdout.splitlines()[0]


def test_doctor_finds_nothing_wrong(index: Path) -> None:
    process = rag("index", "doctor", "--index", str(index))
    assert process.returncode == 0, process.stdout
    assert all(line.startswith("ok ") for line in process.stdout.splitlines())


def test_concurrent_ingests_leave_a_consistent_index(tmp_path: Path) -> None:
    folder, seeds = str(tmp_path / "index"), tmp_path / "seeds"
    seeds.mkdir()
    for path in sorted((ROOT / "seeds").iterdir())[:8]:
        shutil.copy(path, seeds)
    command = [sys.executable, "-m", "rag", "ingest", str(seeds), "--index", folder]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    results = [(process.communicate(timeout=600), process.returncode) for process in processes]
    codes = sorted(code for _, code in results)
    assert codes in ([0, 0], [0, 5])
    for (_, err), code in results:
        assert code == 0 or "is being written by process" in err
    info = json.loads(rag("index", "info", "--json", "--index", folder).stdout)
    assert info["documents"] == 8


def test_an_altered_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rag.errors import ModelError
    from rag.models import registry

    shutil.copytree(registry.SHIPPED / "accurate", tmp_path / "accurate")
    with (tmp_path / "accurate/model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    monkeypatch.setattr(registry, "SHIPPED", tmp_path)
    with pytest.raises(ModelError, match="sha256"):
        registry.reader_path("accurate")
