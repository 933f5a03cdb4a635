"""Connections that send nothing, or too little, do not delay others."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from rag.server.connections import limits
from tests.server.fake_server import ROOT, serving, wait_until_ready

HALF = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-"


def connect(client: httpx.Client, stack: ExitStack, sent: bytes) -> socket.socket:
    made = stack.enter_context(
        socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20)
    )
    made.sendall(sent)
    return made


def test_missing_headers_end_the_connection(tmp_path: Path) -> None:
    whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(tmp_path, header_seconds=1) as client, ExitStack() as stack:
        connections = [connect(client, stack, sent) for sent in (b"", HALF, whole + HALF)]
        begun = time.monotonic()
        for connection in connections:
            while connection.recv(10_000):
                pass
        assert time.monotonic() - begun < 10


def test_a_flood_of_half_open_connections_blocks_nobody(tmp_path: Path) -> None:
    with serving(tmp_path, connections=20) as client, ExitStack() as stack:
        held = [connect(client, stack, HALF) for _ in range(60)]
        with httpx.Client(base_url=client.base_url, trust_env=False) as fresh:
            assert fresh.get("/health").status_code == 200
        closed = 0
        for connection in held:
            connection.settimeout(0.05)
            try:
                closed += connection.recv(1) == b""
            except ConnectionResetError:
                closed += 1
            except TimeoutError:
                pass
        assert closed >= 35  # the oldest one, closed to make room


@pytest.mark.parametrize("files", [64, 256, 1024, 65_536])
def test_connections_and_backlog_fit_the_file_handles(files: int) -> None:
    connections, backlog = limits(files)
    assert connections + backlog <= max(files, 64)
    assert connections >= 8


@pytest.mark.slow
def test_few_file_handles_are_enough_for_many_half_open_connections(tmp_path: Path) -> None:
    code = "import resource, runpy, sys\nresource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
    code += (
        f"sys.argv = ['fake_server', "
        f"{str(tmp_path)!r}]\nrunpy.run_module('tests.server.fake_server', "
        f"run_name='__main__')"
    )
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        started = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stderr=stderr,
            env={**os.environ, "RAG_PORT": "0"},
        )
    try:
        until = time.monotonic() + 240
        while (
            not (found := re.search(r"http://[\d.]+:\d+", log.read_text()))
            and time.monotonic() < until
        ):
            time.sleep(0.1)
        assert found
        with (
            httpx.Client(base_url=found.group(), trust_env=False, timeout=20) as client,
            ExitStack() as stack,
        ):
            wait_until_ready(client, 240)
            for _ in range(300):
                connect(client, stack, HALF)
            begun = time.monotonic()
            for _ in range(5):
                assert (
                    httpx.get(f"{client.base_url}/health", trust_env=False, timeout=20).status_code
                    == 200
                )
            assert time.monotonic() - begun < 10
    finally:
        started.kill()
        started.wait()
    assert log.stat().st_size < 100_000
    assert "Traceback" not in log.read_text()
