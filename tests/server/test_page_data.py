"""The page's endpoints besides questions."""

import contextlib
import os
import shutil
import sqlite3
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.packed_blocks import PackedBlocks, WithoutSentences
from rag.server import pdf_pages
from rag.server.routes.page_data import BlockSchema
from rag.server.schemas import Ask
from rag.settings import Settings
from rag.structure import blocks_within
from tests.parsing.pdfs import Put, column, pdf, slow_to_draw
from tests.server.fake_server import (
    add_key,
    connect,
    index_of,
    put_text,
    serving,
    wait_until,
    with_key,
)
from tests.server.test_pdf_pages import assert_lies_on, by_pdfium

pytestmark = pytest.mark.slow


def test_the_caller_and_their_rights(client: httpx.Client, tmp_path: Path) -> None:
    mine = client.get("/v1/me").json()
    assert mine["may_write"] is True
    paths = client.get("/openapi.json").json()["paths"]
    for name in mine["features"]:
        is_route = any(path.startswith(f"/v1/{name}") for path in paths)
        assert is_route or name in Ask.model_fields
    with serving(tmp_path, key=add_key(tmp_path)) as reader:
        me = reader.get("/v1/me").json()
        assert (me["key"], me["may_write"]) == ("read", False)


def test_sources_are_counted_and_found_by_name_and_folder(client: httpx.Client) -> None:
    def sources(**parameters: Any) -> tuple[list[Any], list[str], int]:
        listed = client.get("/v1/sources", params=parameters).json()
        assert listed["types"] == [{"name": "md", "count": 1}, {"name": "txt", "count": 1}]
        assert listed["total"] == 2
        return listed["folders"], [row["id"] for row in listed["documents"]], listed["matching"]

    uploads, lease, oman = {"name": "uploads", "count": 2}, "uploads/lease.md", "uploads/oman.txt"
    assert sources() == ([uploads], [lease, oman], 2)
    assert sources(name="LEASE uploads") == ([uploads], [lease], 1)
    assert sources(offset=1, limit=1) == ([uploads], [oman], 2)
    assert sources(folder="") == ([uploads], [], 0)
    assert sources(folder="uploads", limit=1) == ([], [lease], 2)


def test_the_structure_of_a_part_of_a_document(client: httpx.Client) -> None:
    text = "# Stock\n\n| Item | EUR |\n|---|---|\n| M4 \\| M5: steel | 7 |\n"
    form = {"file": ("stock.md", text.encode())}
    client.post("/v1/documents", files=form).raise_for_status()
    place: dict[str, str | int] = {"document": "uploads/stock.md", "start": 20}
    blocks = client.get("/v1/blocks", params=place).json()["blocks"]
    kinds = [(block["kind"], block["parent"]) for block in blocks]
    assert kinds == [("heading", -1), ("table", 0), ("row", 1)]
    assert blocks[1]["columns"] == ["Item", "EUR"]
    stored = client.get("/v1/documents/uploads/stock.md/text").text
    assert [stored[a:b] for _, a, b in blocks[2]["cells"]] == ["M4 | M5: steel", "7"]
    assert client.get("/v1/blocks", params={"document": "none"}).status_code == 404
    client.delete("/v1/documents/uploads/stock.md").raise_for_status()


def test_the_structure_of_a_long_document_comes_in_pages(tmp_path: Path) -> None:
    """All blocks at once took 1.1 GB."""
    text = "# Stock\n\n" + "".join(f"- item {n}\n  - below {n}\n" for n in range(6000))
    with serving(tmp_path) as client:
        put_text(client, "stock.md", text)
        place: dict[str, Any] = {"document": "uploads/stock.md", "start": 3, "end": 10**7}
        blocks, sizes, page_start = list[Any](), list[int](), 0
        while page_start is not None:
            page = client.get("/v1/blocks", params={**place, "after": page_start}).json()
            sizes.append(len(page["blocks"]))
            blocks += page["blocks"]
            page_start = page["next"]
        stored = client.app_state.service.existing("uploads/stock.md")
    without_sentences = WithoutSentences(PackedBlocks.of(stored.blocks))
    expected = [
        BlockSchema(**block._asdict()) for block in blocks_within(without_sentences, 3, 10**7)
    ]
    assert [BlockSchema(**block) for block in blocks] == expected
    assert max(sizes) <= 4000
    assert len(sizes) > 2


def test_large_responses_wait_for_a_share_of_the_memory(tmp_path: Path) -> None:
    """Ninety readers that read nothing held 31 MB each."""
    keys = [add_key(tmp_path, scope) for scope in ("write", "read")]
    content = pdf([column(["Sardines swim."], 72)]) + b"\n%" + bytes(14_000_000)
    with serving(tmp_path, key=keys[0], max_upload_mb=16) as client, ExitStack() as stack:
        client.post("/v1/documents", files=[("file", ("a.pdf", content))]).raise_for_status()
        path = "/v1/original?document=uploads/a.pdf"
        assert client.get(path).content == content
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {keys[0]}\r\n\r\n"
        readers = [connect(client, stack, head.encode()) for _ in range(12)]
        beginnings = [reader.recv(12) for reader in readers]
        assert beginnings.count(b"HTTP/1.1 200") == 1
        assert beginnings.count(b"HTTP/1.1 503") == 11
        reading_client = stack.enter_context(with_key(client, keys[1]))
        assert reading_client.get(path).status_code == 200  # nobody takes more than half


def test_files_that_are_sent_piece_by_piece_count_too(tmp_path: Path) -> None:
    content = pdf([column(["Sardines swim."], 72)]) + b"\n%" + bytes(14_000_000)
    index = index_of(tmp_path, "a.pdf", content)
    keys = [add_key(index, scope) for scope in ("write", "read")]
    with serving(index, key=keys[0], max_upload_mb=4) as client, ExitStack() as stack:
        path = "/v1/original?document=docs/a.pdf"
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {keys[0]}\r\n\r\n"
        with ExitStack() as connections:
            readers = [connect(client, connections, head.encode()) for _ in range(8)]
            beginnings = [reader.recv(12) for reader in readers]
            assert beginnings.count(b"HTTP/1.1 200") == 2  # of 4 MB
            assert beginnings.count(b"HTTP/1.1 503") == 6
            reading_client = stack.enter_context(with_key(client, keys[1]))
            assert reading_client.get(path).content == content
        wait_until(lambda: client.get(path).status_code == 200, 20)


@pytest.fixture(scope="module")
def with_pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plan_in(tmp_path_factory.mktemp("pdf"))


def plan_in(folder: Path) -> Path:
    """The folder, with docs/plan.pdf and its index."""
    lines = column(["The lease was signed in Wexcombe", "by William Fairweather."], 72)
    content = pdf([lines, [Put(72, 700, "The end.")]], Title="The plan")
    return index_of(folder, "plan.pdf", content).parent


def test_a_page_is_drawn_and_quoted_words_are_boxed_by_line(with_pdf: Path) -> None:
    file, plan = with_pdf / "docs/plan.pdf", {"document": "docs/plan.pdf"}
    with serving(with_pdf / "index") as client:

        def page(number: int, **places: int) -> Any:
            return client.get("/v1/pages", params={**plan, "page": number, **places}).json()

        drawn = client.get("/v1/pages/picture", params={**plan, "page": 1, "width": 300})
        assert drawn.headers["content-type"] == "image/png"
        assert struct.unpack(">II", drawn.content[16:24])[0] == 300
        text = client.get("/v1/documents/docs/plan.pdf/text").text
        # no answer shows the server's folders
        assert client.get("/v1/documents/docs/plan.pdf").json()["uri"] == "docs/plan.pdf"
        start, end = text.index("signed"), text.index("Fairweather") + len("Fairweather")
        quoted = page(1, start=start, end=end)
        upper_box, lower_box = quoted["boxes"]
        assert (quoted["pages"], quoted["sentence"]) == (2, [])  # none was named
        assert 130 / 595 < upper_box[0] < upper_box[2] < 0.5  # not at "The lease was"
        assert lower_box[0] == pytest.approx(72 / 595, abs=0.01)
        assert upper_box[1] < upper_box[3] <= lower_box[3]
        with_sentence = page(1, start=start, end=end, sentence_start=0, sentence_end=end + 1)
        assert with_sentence["boxes"] == quoted["boxes"]
        assert with_sentence["sentence"][0][0] == pytest.approx(72 / 595, abs=0.01)
        lines = [line["text"] for line in with_sentence["lines"]]
        assert lines == ["The lease was signed in Wexcombe", "by William Fairweather."]
        assert_lies_on(
            [with_sentence["lines"][1]["box"]], by_pdfium(file, "by William Fairweather.")
        )
        assert page(2, start=start, end=end)["boxes"] == []
        form = {"file": ("plan.pdf", file.read_bytes())}  # an uploaded one has them, too
        client.post("/v1/documents", files=form).raise_for_status()
        places: dict[str, str | int] = {**UPLOADED, "start": start, "end": end}
        assert client.get("/v1/pages", params=places).json()["boxes"] == quoted["boxes"]
        assert client.get("/v1/pages/picture", params=UPLOADED).content[1:4] == b"PNG"
        original = client.get("/v1/original", params=plan)
        assert original.content == file.read_bytes()
        assert "plan.pdf" in original.headers["content-disposition"]


@pytest.mark.parametrize(
    "change", ["another file", "a link", "a link to the same", "another source"]
)
def test_only_the_file_that_was_read_is_handed_out(
    change: str, with_pdf: Path, tmp_path: Path
) -> None:
    secret, plan = tmp_path / "secret.txt", {"document": "docs/plan.pdf"}
    secret.write_text("The key is Wexcombe.")
    index = tmp_path / "copied"
    shutil.copytree(with_pdf, index)
    file = index / "docs/plan.pdf"
    content = file.read_bytes()
    with serving(index / "index") as client:
        assert client.get("/v1/original", params=plan).content == content
        if change == "another file":
            file.write_bytes(content + b"%")
        elif change == "another source":
            with closing(sqlite3.connect(index / "index/rag.sqlite")) as connection, connection:
                connection.execute("UPDATE documents SET source = ?", (str(secret),))
        else:
            file.rename(index / "kept.pdf")
            file.symlink_to(secret if change == "a link" else index / "kept.pdf")
        for path in ("/v1/original", "/v1/pages?page=1", "/v1/pages/picture?page=1"):
            answer = client.get(path, params=plan)
            assert answer.status_code in (404, 422)
            assert b"Wexcombe" not in answer.content
            assert content not in answer.content


UPLOADED: dict[str, str | int] = {"document": "uploads/plan.pdf", "page": 1}


def test_pages_leave_the_service_to_questions(
    with_pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page is drawn by a process of its own, which may take seconds and much memory."""
    monkeypatch.setattr(pdf_pages, "_MOST_PAGES", 6)
    picture: dict[str, str | int] = {"document": "docs/plan.pdf", "page": 1, "width": 100}
    with serving(with_pdf / "index") as client, ThreadPoolExecutor(16) as pool:
        drawings = [
            pool.submit(client.get, "/v1/pages/picture", params=picture, timeout=120)
            for _ in range(16)
        ]
        at_once = 0
        while not all(drawing.done() for drawing in drawings):
            at_once = max(at_once, len(children("rag.server.pdf_pages")))
            time.sleep(0.02)
        answers = [drawing.result() for drawing in drawings]
    assert 1 <= at_once <= 2
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert all("Retry-After" in answer.headers for answer in refused)
    assert {answer.status_code for answer in answers} == {200, 503}


def children(module: str) -> list[str]:
    """Command lines of this process's children that run the module."""
    pids = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    command_lines = []
    for pid in {pid for path in pids for pid in path.read_text().split()}:
        with contextlib.suppress(OSError):
            command_lines.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode())
    return [line for line in command_lines if module in line.split("\0")]


def test_a_pdf_above_the_limit_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "keep_pdf_mb", 1)
    below_limit = pdf([[Put(72, 700, "The lease was signed.")]])
    above_limit = below_limit + b"%" * (1 << 20)
    with serving(tmp_path) as client:
        for content, status in ((above_limit, 404), (below_limit, 200), (above_limit, 404)):
            client.post("/v1/documents", files={"file": ("plan.pdf", content)}).raise_for_status()
            assert client.get("/v1/pages/picture", params=UPLOADED).status_code == status


def test_an_undrawable_page_is_a_problem(with_pdf: Path) -> None:
    with serving(with_pdf / "index") as client:
        for name, number, status in (("docs/none.pdf", 1, 404), ("docs/plan.pdf", 3, 422)):
            page = {"document": name, "page": str(number)}
            assert client.get("/v1/pages", params=page).status_code == status
        (with_pdf / "docs/plan.pdf").write_bytes(b"%PDF-1.4 another")
        changed = client.get("/v1/pages/picture", params={"document": "docs/plan.pdf", "page": 1})
        assert (changed.status_code, "changed on disk" in changed.json()["detail"]) == (404, True)


@pytest.mark.soak
def test_no_key_takes_the_places_of_another_one_s_pages(tmp_path: Path) -> None:
    index = plan_in(tmp_path) / "index"
    loud, calm = add_key(index, "write"), add_key(index, "read")
    slow_page = slow_to_draw()
    with (
        serving(index, key=loud) as client,
        with_key(client, calm) as calm_client,
        ThreadPoolExecutor(32) as pool,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(pdf_pages, "_SECONDS", 6)
        patch.setattr(pdf_pages, "_MOST_OF_ONE_KEY", 4)
        files = [("file", (f"slow{n}.pdf", slow_page + b"%" * n)) for n in range(4)]
        for file in files:
            client.post("/v1/documents", files=[file]).raise_for_status()
        plan: dict[str, str | int] = {"document": "docs/plan.pdf", "page": 1, "width": 2400}
        slow_pages = [{**plan, "document": f"uploads/slow{n % 4}.pdf"} for n in range(32)]
        flood = [
            pool.submit(client.get, "/v1/pages/picture", params=slow_page, timeout=120)
            for slow_page in slow_pages
        ]
        wait_until(lambda: children("rag.server.pdf_pages"), 20)
        for number in range(3):
            drawn = calm_client.get("/v1/pages/picture", params=plan)
            assert drawn.status_code == 200, drawn.text
            if number == 0:
                assert not all(future.done() for future in flood)
        statuses = [future.result().status_code for future in flood]
        assert statuses.count(503) >= 16
        late_page = slow_pages[statuses.index(422)]
        started = time.monotonic()
        response = client.get("/v1/pages/picture", params=late_page)  # it is not tried again
        assert (response.status_code, "took longer than" in response.text) == (422, True)
        assert time.monotonic() - started < pdf_pages._SECONDS
