"""The client against a real service, a proxy's errors, and a dead address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.client import AsyncClient, Client, ServiceProblem, Unreachable
from rag.errors import RagError
from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.http_server import Handler, at_free_port, listening
from tests.server.fake_server import serving

OMAN = "Oman hosted the secret talks. The talks were led by William Burns \U0001f54a in Muscat."
LEADER = {"name": "Leader", "question": "Who led the talks?"}
GRID = {"name": "talks", "columns": [LEADER], "filter": ["document=uploads/oman.txt"]}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("served")) as served:
        yield str(served.base_url)


def client(url: str, **values: Any) -> Client:
    return Client(url, http=httpx.Client(trust_env=False, timeout=30), **values)


def test_all_methods(url: str, tmp_path: Path) -> None:
    with client(url) as rag:
        assert rag.put("oman.txt", OMAN).files[0].outcome == "added"
        (tmp_path / "lease.md").write_text("# Lease\n\nThe lease ends in May 2027.")
        assert rag.put_file(tmp_path / "lease.md").state == "done"
        answer = rag.ask("Who led the talks?", filters=["type=txt"], top_k=3, deadline_ms=20_000)
        assert answer.answer == "William Burns"
        (citation,) = answer.citations
        place = citation.highlight
        text = rag.text(citation.document_id)
        assert text == OMAN
        assert text[place.start_char_index : place.end_char_index] == place.text == "William Burns"
        assert rag.verify(citation).status == "ok"
        report = rag.check(OMAN, filters=["type=txt"], sources={1: "uploads/oman.txt"})
        assert [sentence.verdict for sentence in report.sentences] == ["supported", "supported"]
        answers = rag.ask_many(["Who led the talks?", "zebra okapi"])
        assert [reply.answer for reply in answers] == ["William Burns", None]
        assert rag.search("secret talks", top_k=1)[0].document_id == "uploads/oman.txt"
        assert [document.id for document in rag.documents()] == [
            "uploads/lease.md",
            "uploads/oman.txt",
        ]
        assert rag.document("uploads/oman.txt").characters == len(OMAN)
        names = [event.name for event in rag.stream("Who led the talks?")]
        assert names == ["search_results", "citation", "final_answer", "done"]
        assert rag.delete("uploads/lease.md").deleted


def test_all_methods_awaited(url: str) -> None:
    async def use() -> None:
        http = httpx.AsyncClient(trust_env=False, timeout=30)
        async with AsyncClient(url, http=http) as rag:
            assert (await rag.put("oman.txt", OMAN)).state == "done"
            replies = await asyncio.gather(rag.ask("Who led the talks?"), rag.search("talks"))
            assert replies[0].answer == "William Burns"
            assert (await rag.verify(replies[0].citations[0])).status == "ok"
            assert "uploads/oman.txt" in [document.id async for document in rag.documents()]
            assert await rag.text("uploads/oman.txt") == OMAN
            assert [event.name async for event in rag.stream("Who led the talks?")][-1] == "done"
            with pytest.raises(ServiceProblem, match="no document nothing"):
                await rag.document("nothing")
            grid = await rag.run_grid(GRID)
            assert grid.cells[0].cells[0]["value"] == "William Burns"
            assert (await rag.grid("talks")).cells == grid.cells
            await rag.delete_grid("talks")
            assert await rag.grids() == []

    asyncio.run(use())


def test_a_grid_is_asked_listed_and_deleted(url: str) -> None:
    with client(url) as rag:
        rag.put("oman.txt", OMAN)
        grid = rag.run_grid(GRID)
        (row,) = grid.cells
        (cell,) = row.cells
        assert (row.row, cell["value"]) == ("uploads/oman.txt", "William Burns")
        assert [listed.name for listed in rag.grids()] == ["talks"]
        assert rag.grid("talks").cells == grid.cells
        rag.delete_grid("talks")
        assert rag.grids() == []
        with pytest.raises(ServiceProblem, match="no grid 'talks'"):
            rag.grid("talks")
        with pytest.raises(ServiceProblem, match="colour"):
            rag.run_grid({**GRID, "colour": "red"})


def test_a_problem_is_an_error_with_its_hint(url: str) -> None:
    with client(url) as rag:
        with pytest.raises(ServiceProblem) as caught:
            rag.ask(" ")
        assert (caught.value.status, caught.value.type) == (422, "urn:rag:input")
        assert caught.value.hint
        assert caught.value.request_id
        with pytest.raises(ServiceProblem, match="empty"):
            list(rag.stream(" "))


def test_a_key_is_sent(tmp_path: Path) -> None:
    _, token = keys_of(Settings(index=tmp_path)).add("reader", "read")
    with serving(tmp_path, key=token) as served:
        url = str(served.base_url)
        with client(url) as rag, pytest.raises(ServiceProblem, match="needs an API key"):
            rag.search("talks")
        with client(url, key=token) as rag:
            assert list(rag.documents()) == []


def test_an_unreachable_service_is_an_error() -> None:
    with client("http://127.0.0.1:9", retries=0) as rag:
        with pytest.raises(Unreachable, match="rag serve"):
            rag.search("talks")
        with pytest.raises(RagError, match=r"127\.0\.0\.1:9"):
            list(rag.stream("talks"))


class _Busy(Handler):
    """Refuses twice, then answers."""

    request_count = 0

    def do_GET(self) -> None:
        type(self).request_count += 1
        if self.request_count <= 2:
            self.answer(503, b"<h1>busy</h1>", Retry_After="0")
        else:
            self.answer(200, b"the text")


def test_temporary_refusals_are_retried() -> None:
    with listening(at_free_port(_Busy)) as server:
        url, refused = f"http://127.0.0.1:{server.server_port}", "HTTP 503: <h1>busy"
        with client(url, retries=1) as rag, pytest.raises(ServiceProblem, match=refused):
            rag.text("a")
        _Busy.request_count = 0
        with client(url, retries=2) as rag:
            assert rag.text("a") == "the text"
