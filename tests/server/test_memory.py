"""What the requests that once filled the memory of the service cost it now."""

import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.parsing.pdfs import column, pdf
from tests.server.fake_server import Process, connect, finished_job, process

pytestmark = [pytest.mark.slow, pytest.mark.soak]
MOST = 1000
"""Megabytes at the peak; the service alone takes a fifth of it, with real models half as much
again. Each of these requests took between 1,000 and 7,900.
"""
LONG = "A b c d. " * 180_000
BODY = "\n\n".join(f"Sardine number {number} swims." for number in range(1000))


def peak(server: Process) -> int:
    """Megabytes of memory that the service has had at most."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) >> 10


def uploaded(client: httpx.Client, name: str, content: bytes) -> None:
    response = client.post("/v1/documents", files=[("file", (name, content))], timeout=120)
    assert response.status_code in (201, 202)
    finished_job(client, f"/v1/jobs/{response.json()['id']}", 300)


def test_no_request_fills_the_memory(tmp_path: Path) -> None:
    with process(tmp_path) as (server, client), ExitStack() as stack:
        client.timeout = httpx.Timeout(120)
        mail = f"From: a@example.org\nSubject: {LONG}\n\n{BODY}"
        uploaded(client, "heading.md", f"# {LONG}\n\n{BODY}".encode())
        uploaded(client, "mail.eml", mail.encode())
        assert peak(server) < MOST

        uploaded(client, "letters.txt", b"a b c " * 50_000)
        mark = {"text": "a", "start_char_index": 0, "end_char_index": 1}
        claim: dict[str, Any] = {"document_id": "uploads/letters.txt", "highlight": mark}
        for sentence in ("a b c " * 16_000, "b c", "a"):
            sent = client.post("/v1/verify", json={**claim, "cited_text": sentence})
            assert sent.status_code in (200, 422)
        assert peak(server) < MOST

        rows = "".join(f"- item {n}\n  - below {n}\n" for n in range(20_000))
        uploaded(client, "list.md", f"# Stock\n\n{rows}".encode())
        blocks: dict[str, str | int] = {"document": "uploads/list.md", "end": 10**9}
        assert client.get("/v1/blocks", params=blocks).json()["next"]
        assert peak(server) < MOST

        paper = pdf([column(["Sardines swim."], 72)]) + b"\n%" + bytes(20_000_000)
        uploaded(client, "a.pdf", paper)
        token = client.headers.get("authorization", "")
        head = "GET /v1/original?document=uploads/a.pdf HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Authorization: {token}\r\n\r\n" if token else "\r\n"
        for _ in range(60):
            connect(client, stack, head.encode())
        time.sleep(6)
        assert peak(server) < MOST
