"""The clock of a running service jumps by years, forwards and back."""

from pathlib import Path

import httpx
import pytest

from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.fake_server import add_key, process

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LIBRARY.exists(), reason="needs Debian's libfaketime"),
]


def test_only_the_expiry_of_keys_follows_the_clock(tmp_path: Path) -> None:
    """Rates, deadlines, queues, idle collections and jobs use a clock that does not jump."""
    index, clock = tmp_path / "index", tmp_path / "clock"
    lasting = add_key(index, "write")
    _, month = keys_of(Settings(index=index)).add("month", "read", days=30)
    _set(clock, "+0d")
    environment = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "RAG_RATE": "60",
    }
    with process(index, True, False, **environment) as (_, client):
        client.headers["Authorization"] = f"Bearer {lasting}"
        client.post("/v1/collections", json={"name": "other"}).raise_for_status()
        _work(client, "now")
        for jump, is_valid in {"+3650d": False, "-3650d": True, "+0d": True}.items():
            _set(clock, jump)
            _work(client, jump)
            bearer = {"Authorization": f"Bearer {month}"}
            assert (client.get("/v1/documents", headers=bearer).status_code == 200) is is_valid


def _set(clock: Path, offset: str) -> None:
    """In one step: libfaketime ends a process that reads the file while it is empty."""
    written = clock.with_suffix(".new")
    written.write_text(f"{offset}\n")
    written.replace(clock)


def _work(client: httpx.Client, jump: str) -> None:
    """Put, ask and delete in two collections; the key's rate is neither empty nor unlimited."""
    for place in ("/v1", "/v1/collections/other"):
        body = {"name": "talks.txt", "text": "The talks were led by Ada Brandt."}
        client.post(f"{place}/documents", json=body).raise_for_status()
        answer = client.post(f"{place}/ask", json={"question": "Who led the talks?"})
        assert answer.json()["answer"] == "Ada Brandt", jump
        receipt = client.delete(f"{place}/documents/uploads/talks.txt")
        assert receipt.json()["complete"], jump
        assert 20 < int(receipt.headers["X-RateLimit-Remaining"]) <= 60, jump
