"""`/v1/proofs` and the proofs of grids: certificates, bundles, and checks of both."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx

from tests.server.conftest import OMAN
from tests.server.fake_server import add_key, finished_job, put_text, serving, with_key

BURNS = {"question": "Who led the talks?"}
NOTHING = {"question": "Zebra crossings painted?"}
GRID = {"name": "talks", "columns": [{"name": "Led", "question": "Who led the talks?"}]}


def checked(client: httpx.Client, content: bytes | str, query: str = "") -> Any:
    sent = client.post(f"/v1/proofs/verify{query}", files={"file": ("proof", content)})
    assert sent.status_code == 200, sent.text
    return sent.json()


def opened(content: bytes, folder: Path) -> None:
    """Unpack a bundle, which passes its own check without rag."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    command = [sys.executable, "-I", "verify.py"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_refusal_gets_a_certificate_that_can_be_checked(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "oman.txt", OMAN)
        page = client.post("/v1/proofs/certificate", json=NOTHING)
        assert (page.status_code, "Not found: Zebra crossings" in page.text) == (200, True)
        assert page.headers["content-disposition"] == 'attachment; filename="absence.html"'
        data = client.post("/v1/proofs/certificate?format=json", json=NOTHING)
        assert data.json()["documents"].keys() == {"uploads/oman.txt"}
        for written in (page.content, data.content):
            check = checked(client, written)
            assert (check["kind"], check["holds"], check["faults"]) == ("certificate", True, [])
            (fault,) = checked(client, written.replace(b"Zebra", b"Quagga"))["faults"]
            assert "not as rag wrote it" in fault
        replay = checked(client, data.content, "?replay=true")["replay"]
        assert (replay["same"], replay["changed"], replay["answer"]["answer"]) == (True, [], None)
        put_text(client, "zebra.txt", "Zebra crossings are painted in May.")
        check = checked(client, page.content)
        assert (check["holds"], check["added"]) == (False, ["uploads/zebra.txt"])
        answered = client.post("/v1/proofs/certificate", json=BURNS)
        assert (answered.status_code, answered.json()["type"]) == (409, "urn:rag:answered")


def test_an_answer_gets_a_bundle_that_can_be_checked(tmp_path: Path) -> None:
    with serving(tmp_path / "index") as client:
        put_text(client, "oman.txt", OMAN)
        answer = client.post("/v1/ask", json=BURNS).json()
        bundle = client.post("/v1/proofs/bundle", json=answer)
        assert bundle.headers["content-type"] == "application/zip"
        opened(bundle.content, tmp_path / "opened")
        index_page = (tmp_path / "opened/index.html").read_text()
        assert "William Burns" in index_page
        for proof in (bundle.content, json.dumps(answer)):
            check = checked(client, proof)
            assert (check["holds"], check["checked"], check["faults"]) == (True, 1, [])
        assert checked(client, json.dumps(answer), "?replay=true")["replay"]["same"]
        edited = client.post("/v1/proofs/bundle", json={**answer, "answer": "Nobody"})
        assert (edited.status_code, "was edited" in edited.text) == (422, True)

        put_text(client, "oman.txt", "Nobody led the talks.")
        stale = client.post("/v1/proofs/bundle", json=answer)
        assert (stale.status_code, "has changed since" in stale.text) == (422, True)
        for proof in (bundle.content, json.dumps(answer)):
            check = checked(client, proof)
            statuses = [cited["status"] for cited in check["citations"]]
            assert (check["holds"], statuses) == (False, ["changed"])
        with zipfile.ZipFile(forged := io.BytesIO(bundle.content), "a") as archive:
            archive.writestr("originals/2-lease.pdf", b"forged")
        assert "2-lease.pdf" in checked(client, forged.getvalue())["faults"][0]


def test_a_grid_is_bundled_and_its_quotes_are_checked(tmp_path: Path) -> None:
    with serving(tmp_path / "index") as client:
        put_text(client, "oman.txt", OMAN)
        finished_job(client, client.post("/v1/grids", json=GRID).headers["Location"])
        bundle = client.get("/v1/grids/talks/file?format=zip")
        assert bundle.headers["content-type"] == "application/zip"
        opened(bundle.content, tmp_path / "opened")
        assert "William Burns" in (tmp_path / "opened/index.html").read_text()
        check = client.get("/v1/grids/talks/verify").json()
        assert (check["kind"], check["holds"], check["checked"]) == ("grid", True, 1)
        put_text(client, "oman.txt", f"News.\n\n{OMAN}")
        check = client.get("/v1/grids/talks/verify").json()
        assert (check["holds"], check["citations"][0]["status"]) == (True, "moved")
        put_text(client, "oman.txt", "Nobody led the talks.")
        check = client.get("/v1/grids/talks/verify").json()
        assert (check["holds"], check["citations"][0]["status"]) == (False, "changed")
        assert client.get("/v1/grids/none/verify").status_code == 404


def test_what_is_no_proof_is_refused_with_its_reason(client: httpx.Client) -> None:
    refusal = client.post("/v1/ask", json=NOTHING).json()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zip_file:
        zip_file.writestr("notes.txt", "notes")
    for content, reason in (
        (b"", "no proof"),
        (b"\xff", "no proof"),
        (json.dumps(refusal).encode(), "no citations"),
        (archive.getvalue(), "it has no SHA256SUMS"),
        (b"PK not an archive", "cannot be read"),
        (b"[" * 100_000, "no proof"),
    ):
        sent = client.post("/v1/proofs/verify", files={"file": ("proof", content)})
        assert (sent.status_code, reason in sent.text) == (422, True), sent.text
    bodies: tuple[dict[str, Any], ...] = ({}, {"answer": 1, "citations": []}, refusal)
    for body in bodies:
        assert client.post("/v1/proofs/bundle", json=body).status_code == 422
    citation = client.post("/v1/ask", json=BURNS).json()["citations"][0]
    receipt = client.post("/v1/ask", json=BURNS).json()["receipt"]
    too_many = {"answer": "x", "citations": [citation], "receipt": {**receipt, "read": 101}}
    sent = client.post("/v1/proofs/verify?replay=true", files={"file": json.dumps(too_many)})
    assert (sent.status_code, "101 passages" in sent.text) == (422, True)


def test_proofs_need_a_key_that_may_read(tmp_path: Path) -> None:
    key = add_key(tmp_path)
    with serving(tmp_path, key=add_key(tmp_path, "write")) as client:
        put_text(client, "oman.txt", OMAN)
        answer = client.post("/v1/ask", json=BURNS).json()
        finished_job(client, client.post("/v1/grids", json=GRID).headers["Location"])
        for token, expected in ((key, 200), ("", 401)):
            with with_key(client, token) as reader:
                sent = [
                    reader.post("/v1/proofs/certificate", json=NOTHING),
                    reader.post("/v1/proofs/bundle", json=answer),
                    reader.post("/v1/proofs/verify", files={"file": json.dumps(answer)}),
                    reader.get("/v1/grids/talks/verify"),
                    reader.get("/v1/grids/talks/file?format=zip"),
                ]
                assert [response.status_code for response in sent] == 5 * [expected]
