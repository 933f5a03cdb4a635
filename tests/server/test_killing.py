"""The service in its own process, when it is stopped or killed."""

import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from rag.server.app import create_app
from rag.server.state import DefaultService
from rag.settings import Settings
from tests.parsing.pdfs import column, pdf
from tests.server.fake_server import ROOT, finished_job, open_engine, process, put_text, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.soak]
PLACES = ("/v1", "/v1/collections/other")
TALKS, WHO = "The talks were led by William Burns.", {"question": "Who led the talks?"}


def story(number: int) -> str:
    """The same number in every sentence, over several passages, so that a partial or mixed document
    is recognised.
    """
    return " ".join(f"Sentence {i} of story {number} names Code{number}." for i in range(200))


def test_killed_during_uploads_it_loses_nothing_that_it_accepted(tmp_path: Path) -> None:
    chance = random.Random(0)
    accepted: dict[tuple[str, str], int] = {}
    sent: dict[tuple[str, str], set[int]] = {}
    jobs: list[str] = []
    number = 0
    for turn in range(6):
        with process(tmp_path) as (server, client):
            if not turn:
                client.post("/v1/collections", json={"name": "other"}).raise_for_status()
            killer = threading.Timer(chance.uniform(0.1, 1.2), server.kill)
            killer.start()
            while server.poll() is None:
                number += 1
                place, name = PLACES[number % 2], f"story{number % 5}.txt"
                sent.setdefault((place, name), set()).add(number)
                body = {"name": name, "text": story(number)}
                try:
                    response = client.post(f"{place}/documents", json=body)
                except httpx.TransportError:
                    break
                assert response.status_code in (201, 202)
                accepted[place, name] = number
                jobs.append(f"{place}/jobs/{response.json()['id']}")
            killer.join()
    with process(tmp_path) as (_, client):
        for job in jobs:
            finished_job(client, job)
        for (place, name), version in accepted.items():
            text = client.get(f"{place}/documents/uploads/{name}/text").text
            (stored_version,) = {int(n) for n in re.findall(r"Code(\d+)", text)}
            assert stored_version >= version
            assert stored_version in sent[place, name]
            assert text == story(stored_version)
            filters = [f"document=uploads/{name}"]
            question = {"question": "Which code is in the story?", "filters": filters}
            passages = client.post(f"{place}/ask", json=question).json()["nearest"]
            assert passages
            assert all(f"Code{stored_version}" in hit["text"] for hit in passages)
    assert accepted


def test_a_file_that_kills_the_service_twice_is_given_up(tmp_path: Path) -> None:
    job = ""
    for _ in range(2):
        with process(tmp_path) as (server, client):
            if not job:
                files = [
                    ("file", ("slow.html", b"<p>x" * 1_200_000)),
                    ("file", ("a.txt", b"Minka.")),
                ]
                job = client.post("/v1/documents", files=files).json()["id"]
            time.sleep(3)
            server.kill()
    with process(tmp_path) as (_, client):
        deadly, following = finished_job(client, f"/v1/jobs/{job}")["files"]
        assert (deadly["outcome"], following["outcome"]) == ("rejected", "added")
        assert "killed twice while it worked on this file" in deadly["detail"]


def test_a_stopped_service_answers_pending_questions(tmp_path: Path) -> None:
    with process(tmp_path, TEST_SLOW="0.7") as (server, client), ThreadPoolExecutor(4) as pool:
        put_text(client, "oman.txt", TALKS)
        replies = [pool.submit(client.post, "/v1/ask", json=WHO) for _ in range(4)]
        time.sleep(0.3)
        server.send_signal(signal.SIGTERM)
        assert [reply.result().json()["answer"] for reply in replies] == ["William Burns"] * 4
        assert server.wait(20) == 0
        with pytest.raises(httpx.TransportError):
            client.get("/health")


MOST_SECONDS = 30
"""How long after a signal the service ends, whatever it does; on a busy machine."""


def long_pdf(pages: int) -> bytes:
    """A PDF that takes some 10 ms a page to read."""
    lines = [[f"Row {row} of page {page}" for row in range(60)] for page in range(pages)]
    return pdf([column(rows, 50, 800, 12) for rows in lines])


def running_children(server: subprocess.Popen[str]) -> list[Path]:
    lists = Path(f"/proc/{server.pid}/task").glob("*/children")
    return [Path("/proc", child) for file in lists for child in file.read_text().split()]


def runs(process: Path) -> bool:
    with suppress(OSError):
        return ") Z " not in (process / "stat").read_text()
    return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are found in /proc")
def test_a_service_that_reads_and_checks_ends_soon_and_resumes(tmp_path: Path) -> None:
    with process(tmp_path, TEST_STOP="1,6,8") as (server, client), ThreadPoolExecutor(4) as pool:
        put_text(client, "oman.txt", TALKS)
        content = long_pdf(300)
        client.post("/v1/collections", json={"name": "other"}).raise_for_status()
        queued = [
            client.post(f"{path}/documents", files={"file": ("long.pdf", content)}).json()
            for path in PLACES
        ]
        text = " ".join(f"In {year} person {year} led {year} talks." for year in range(4_000))
        checked = pool.submit(client.post, "/v1/check", json={"text": text})
        questions = [f"Who led talk {number}?" for number in range(64)]
        batch = pool.submit(client.post, "/v1/ask/batch", json={"questions": questions})
        # the system resets a connection that the service has not accepted when it closes its port
        wait_until(
            lambda: not re.search(r"rag_batch_questions_count 0\.0", client.get("/metrics").text)
        )
        while not (children := running_children(server)):
            time.sleep(0.05)
        server.send_signal(signal.SIGTERM)
        assert server.wait(MOST_SECONDS) == 0
        assert not any(map(runs, children))
        assert {future.result().status_code for future in (checked, batch)} <= {200, 503}
    with process(tmp_path) as (_, client):
        for path, job in zip(PLACES, queued, strict=True):
            (file,) = finished_job(client, f"{path}/jobs/{job['id']}", 300)["files"]
            assert file["outcome"] == "added"


def asked_and_read(pool: ThreadPoolExecutor, client: httpx.Client) -> Future[httpx.Response]:
    """A question that is being read."""
    put_text(client, "oman.txt", TALKS)
    reply = pool.submit(client.post, "/v1/ask", json=WHO)
    wait_until(lambda: "rag_batch_questions_count 1.0" in client.get("/metrics").text)
    return reply


def test_a_service_whose_reader_does_not_return_ends_soon(tmp_path: Path) -> None:
    variables = {"TEST_SLOW": "120", "TEST_STOP": "1,2,3"}
    with (
        process(tmp_path, True, False, **variables) as (server, client),
        ThreadPoolExecutor(1) as pool,
    ):
        asked_and_read(pool, client)
        server.send_signal(signal.SIGTERM)
        assert server.wait(MOST_SECONDS) == 0


@pytest.mark.parametrize("second_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, second_signal: signal.Signals) -> None:
    with process(tmp_path, TEST_SLOW="20") as (server, client), ThreadPoolExecutor(1) as pool:
        reply = asked_and_read(pool, client)
        server.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert server.poll() is None  # the question is still being read
        server.send_signal(second_signal)
        assert server.wait(5) == 128 + second_signal
        with pytest.raises(httpx.TransportError):
            reply.result()


def test_two_signals_while_closing_end_it(tmp_path: Path) -> None:
    with process(tmp_path) as (server, _):
        server.send_signal(signal.SIGINT)
        time.sleep(0.12)
        with suppress(ProcessLookupError):
            server.send_signal(signal.SIGINT)
        # the last one: it was already ending
        assert server.wait(5) in (0, 128 + signal.SIGINT, -signal.SIGINT)


def test_an_unstarted_service_can_be_closed_twice(tmp_path: Path) -> None:
    service: DefaultService = create_app(Settings(index=tmp_path), open_engine).state.service
    service.close()
    service.close()


def served(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rag", "serve", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_an_index_that_cannot_be_opened_ends_the_service_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "rag.sqlite").write_text("this is no database, nor has it ever been one")
    service = served("--no-key", "--port", "0", "--index", str(tmp_path))
    assert service.returncode == 3
    assert "rag.sqlite" in service.stderr.splitlines()[-2]
    assert "Traceback" not in service.stderr


def test_a_port_in_use_is_named(client: httpx.Client, tmp_path: Path) -> None:
    service = served("--port", str(client.base_url.port), "--index", str(tmp_path))
    assert service.returncode == 2
    assert str(client.base_url.port) in service.stderr
    assert "--port" in service.stderr
