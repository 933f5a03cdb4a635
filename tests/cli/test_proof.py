"""Certificates of absence, and bundles that are checked without rag: real files, real processes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import rag
from rag.answering.candidate import quoted
from rag.answering.judge import Judge
from rag.desk import bundle, verify_bundle
from rag.ingestion.ingest import Ingest
from rag.models.registry import calibration_path
from rag.parsing.files import find
from rag.settings import Settings
from tests.cli.helpers import SHIPPED_JUDGE, Run
from tests.parsing.pdfs import column, pdf
from tests.store.helpers import EMBEDDER, local

QUESTION = "Where were the secret talks?"
HOSTILE = (
    "A strange text\n\nThe talks </script><script>alert(1)</script> <img src=x onerror=alert(2)> "
    "were in Geneva in 2014. \u202eCopenhagen\n"
)


@pytest.fixture
def absent(filled: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`rag` with a threshold that no answer reaches."""
    monkeypatch.setenv("RAG_THRESHOLD", "0.99")
    return filled


def bundled(run: Run, question: str = QUESTION) -> Path:
    """The folder of a bundle with the answer, which passes its own checks."""
    Path("answer.json").write_text(run("ask", "--json", question)[1])
    out = run.out("export", "answer.json", "--bundle", "proof.zip")
    folder = opened("proof.zip")
    digest = hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
    assert f"SHA256SUMS, for the recipient: {digest}" in out
    return folder


def opened(bundle: str) -> Path:
    folder = Path(bundle).with_suffix("")
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    assert _verify(folder)[0] == 0
    return folder


@pytest.mark.parametrize("name", ["absence.json", "absence.html"])
def test_a_certificate_says_what_was_searched_and_what_has_changed_since(
    absent: Run, name: str
) -> None:
    code, out, err = absent("ask", QUESTION, "--certificate", name)
    assert (code, out.startswith("not found")) == (0, True)
    assert err == f"rag: certificate written to {name}; check it with: rag verify {name}\n"
    intact = "intact; the documents, the models and the settings are the same today\n"
    assert absent("verify", name) == (0, intact, "")
    content = Path(name).read_text()
    for words, replacement in (
        ("Muscat", "x"),
        ("Where were", "x"),
        ("99", "98"),
        ("docs/deal.md", "x"),
    ):
        assert words in content
        Path(name).write_text(content.replace(words, replacement, 1))
        assert absent.out("verify", name, code=1).split(":")[0] == "altered"
    Path(name).write_text(content)
    Path("docs/new.txt").write_text("The secret talks began in Salalah.")
    Path("docs/oman.txt").write_text("Oman hosted other talks.")
    Path("docs/deal.md").unlink()
    absent("sync", "docs")
    out = absent.out("verify", name, code=1)
    for line in ("added   docs/new.txt", "changed docs/oman.txt", "removed docs/deal.md"):
        assert f"  {line}\n" in out
    assert "rag verify --replay FILE" in out
    check = absent.json("verify", name, code=1)
    changed = check["added"], check["changed"], check["removed"]
    assert changed == (["docs/new.txt"], ["docs/oman.txt"], ["docs/deal.md"])
    assert {passage["status"] for passage in check["passages"]} == {"changed", "missing"}


@pytest.mark.parametrize(
    "question",
    [
        "Which suppliers renew automatically?",
        "How many deals were signed?",
        "List all the mediators",
    ],
)
def test_no_certificate_of_absence_for_what_needs_all_documents(absent: Run, question: str) -> None:
    message = absent.error("ask", question, "--certificate", "absence.html")
    assert message.startswith("rag: no certificate: this question needs all documents")
    assert "rag grid run FILE.toml" in message
    assert not Path("absence.html").exists()


def test_a_certificate_has_the_nearest_passages_with_their_reasons(absent: Run) -> None:
    code, out, _ = absent("ask", QUESTION, "--json", "--certificate", "absence.json")
    record = json.loads(Path("absence.json").read_text())
    assert (code, len(json.loads(out)["alternatives"]) <= 4) == (0, True)
    assert (record["question"], record["threshold"]) == (QUESTION, 0.99)
    assert set(record["documents"]) == {"docs/deal.md", "docs/oman.txt"}
    assert record["passages_in_index"] == len(record["passages"]) == 3
    for passage in record["passages"]:
        text = absent("show", passage["document_id"])[1]
        place = passage["highlight"]
        quote = text[place["start_char_index"] : place["end_char_index"]]
        assert quote == place["text"] == passage["cited_text"]
        assert (passage["candidate"] or "") in quote
        assert 0 <= (passage["probability"] or 0) < 0.99
    assert record["passages"][0]["candidate"] in ("Oman", "Muscat")
    assert record["wrong_of_answered"] is None, "this threshold was not calibrated"


def test_a_certificate_with_a_filter_concerns_only_its_documents(
    absent: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert absent("ask", QUESTION, "--filter", "type=txt", "--certificate", "a.html")[0] == 0
    page = Path("a.html").read_text()
    assert "only documents with" in page
    assert "1 of 2 in the index" in page
    message = "same answer\n  nothing that affects it has changed\n"
    assert absent("verify", "--replay", "a.html")[:2] == (0, message)
    Path("docs/deal.md").write_text("Another deal.")
    absent("sync", "docs")
    assert absent("verify", "a.html")[0] == 0
    monkeypatch.setenv("RAG_THRESHOLD", "0.1")
    assert "setting threshold: 0.99 then, 0.1 now" in absent.out("verify", "a.html", code=1)
    assert absent.out("verify", "--replay", "a.html", code=1).startswith("the answer has changed")


def test_an_answered_question_or_a_wrong_path_gets_no_certificate(filled: Run) -> None:
    code, out, err = filled("ask", QUESTION, "--certificate", "absence.html")
    assert (code, "Muscat" in out) == (1, True)
    assert err == "rag: the question was answered, so no certificate was written\n"
    assert not Path("absence.html").exists()
    for name, reason in (("a.pdf", ".json, .html"), ("none/a.html", "does not exist")):
        assert reason in filled.error("ask", QUESTION, "--certificate", name)


def test_the_measured_risk_is_that_of_the_calibration() -> None:
    judge = SHIPPED_JUDGE(Settings())
    assert isinstance(judge, Judge)
    counts = json.loads(calibration_path("default", "accurate").read_text())["report"]["all"]
    assert judge.missed == counts["refused"] / counts["answerable"]


def test_the_library_certifies_and_exports(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with rag.open("index") as index:
        answer = index.certify(QUESTION, "absence.html")
        assert answer.text
        assert not Path("absence.html").exists()
        assert index.export(answer, "proof.zip").quotes >= 1
    monkeypatch.setenv("RAG_THRESHOLD", "0.99")
    with rag.open("index") as index:
        assert index.certify(QUESTION, "absence.html").text is None
    assert filled("verify", "absence.html")[0] == 0


def _verify(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and the output of the bundle's own program, without any library."""
    command = [sys.executable, "-I", "verify.py", *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


@pytest.fixture
def unpacked(filled: Run) -> Path:
    """The folder of a bundle with an answer from a text, which may be changed."""
    return bundled(filled)


def test_a_bundle_is_checked_without_rag(unpacked: Path) -> None:
    assert _verify(unpacked) == (0, "10 checks, 0 failed\n")
    docs = str(Path("docs").resolve())
    assert _verify(unpacked, docs)[0] == 0
    Path("docs/oman.txt").write_text("Something else.")
    assert _verify(unpacked, docs) == (1, f"{OTHER_DIGEST}\n10 checks, 1 failed\n")
    content = json.loads((unpacked / "answers.json").read_text())
    (document,), (answer,) = content["documents"], content["answers"]
    text, original = ((unpacked / name).read_text() for name in document["files"])
    assert text == original
    (citation, *_), place = answer["citations"], answer["citations"][0]["highlight"]
    start, end, quote = place["start_char_index"], place["end_char_index"], place["text"]
    assert (citation["document_id"], text[start:end]) == ("docs/oman.txt", quote)
    assert f"<mark>{quote}</mark>" in (unpacked / "pages/1.html").read_text()
    assert f'href="pages/1.html#c{start}-{end}"' in (unpacked / "index.html").read_text()


def test_rag_checks_a_bundle_and_its_quotes_in_the_index(filled: Run) -> None:
    bundled(filled)
    message = "the bundle is intact; 1 quote, all at their places\n"
    assert filled("verify", "proof.zip") == (0, message, "")
    assert "leave out --replay" in filled.error("verify", "--replay", "proof.zip")
    Path("docs/oman.txt").write_text("Oman hosted other talks.")
    filled("sync", "docs")
    out = filled.out("verify", "proof.zip", code=1)
    assert out.startswith("the bundle is intact; 1 quote, of which differ:\nchanged docs/oman.txt")
    with zipfile.ZipFile("proof.zip", "a") as archive:
        archive.writestr("originals/2-lease.pdf", b"forged")
    check = filled.json("verify", "proof.zip", code=1)
    assert (check["kind"], check["holds"], len(check["faults"])) == ("bundle", False, 1)
    Path("proof.zip").write_bytes(b"PK")
    assert "is not JSON" in filled.error("verify", "proof.zip")


def test_the_quotes_of_a_grid_are_checked(filled: Run) -> None:
    Path("talks.toml").write_text(
        '[[columns]]\nname = "Where"\nquestion = "Where were the talks?"\n'
    )
    filled("grid", "run", "talks.toml")
    checked = filled.json("grid", "verify", "talks")
    assert (checked["holds"], checked["checked"] > 0) == (True, True)
    for name in ("oman.txt", "deal.md"):
        Path("docs", name).write_text("Something else.")
    filled("sync", "docs")
    out = filled.out("grid", "verify", "talks", code=1)
    assert "of which differ:\nchanged docs/" in out


OTHER_DIGEST = "no file has the digest of the original: 'docs/oman.txt'"


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_changed_offset_answer_or_digest_is_found(unpacked: Path, is_sealed: bool) -> None:
    """Also if a careful forger writes the new digest."""
    path, sums = unpacked / "answers.json", unpacked / "SHA256SUMS"
    written, digests = path.read_bytes(), sums.read_text()
    for fault in ("not at ", "changed answer 1: 'Geneva'", OTHER_DIGEST):
        content = json.loads(written)
        answer = content["answers"][0]
        if fault == "not at ":
            answer["citations"][0]["highlight"]["start_char_index"] += 1
        elif fault == OTHER_DIGEST:
            content["documents"][0]["file_sha256"] = "0" * 64
        else:
            answer["answer"] = "Geneva"
        path.write_text(json.dumps(content))
        if is_sealed:
            digest_before, digest_after = (
                hashlib.sha256(text).hexdigest() for text in (written, path.read_bytes())
            )
            sums.write_text(digests.replace(digest_before, digest_after))
        code, out = _verify(unpacked)
        assert (code, fault in out) == (1, True)
        assert ("missing, changed or added: 'answers.json'" in out) != is_sealed


def test_a_changed_or_missing_file_is_found(unpacked: Path) -> None:
    files = [path for path in unpacked.rglob("*") if path.is_file()]
    assert len(files) == 7
    for path in files:
        content, name = path.read_bytes(), path.relative_to(unpacked).as_posix()
        if name == "verify.py":
            continue
        path.unlink()
        code, out = _verify(unpacked)
        assert (code, name in out) == (1, True)
        path.write_bytes(content.replace(b"a", b"b"))
        code, out = _verify(unpacked)
        assert (code, name in out or name in ("SHA256SUMS", "answers.json")) == (1, True)
        assert ("not at " in out) == (name == "texts/1.txt")
        path.write_bytes(content)
    assert _verify(unpacked)[0] == 0


def test_a_file_that_was_added_is_found(unpacked: Path) -> None:
    with zipfile.ZipFile("proof.zip", "a") as archive:
        archive.writestr("originals/2-lease.pdf", b"forged")
        archive.writestr("../../escaped.txt", b"forged")
    with zipfile.ZipFile("proof.zip") as archive:
        archive.extractall("more")
    code, out = _verify(Path("more"))
    assert code == 1
    assert "missing, changed or added: 'originals/2-lease.pdf'" in out
    assert "escaped.txt" in out
    (unpacked / "SHA256SUMS").write_text(f"{'0' * 64}  ../docs/deal.md\n")
    code, out = _verify(unpacked)
    assert "missing, changed or added: '../docs/deal.md'" in out, "nothing outside is read"


def test_verify_is_two_screens_of_the_standard_library() -> None:
    lines = Path(verify_bundle.__file__).read_text().splitlines()
    assert len(lines) < 100
    imported = {line.split()[1].split(".")[0] for line in lines if line[:4] in ("impo", "from")}
    assert imported <= sys.stdlib_module_names


def test_a_grid_with_a_pdf_is_bundled_and_signed(filled: Run) -> None:
    Path("docs/report.pdf").write_bytes(pdf([column(["The talks in Geneva ended in 2013."], 72)]))
    Path("talks.toml").write_text(
        '[[columns]]\nname = "When"\nquestion = "When did the talks end?"\ntype = "date"\n'
    )
    filled("sync", "docs")
    filled("grid", "run", "talks.toml")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], check=True)
    written = filled.json("export", "talks", "--bundle", "talks.zip", "--sign", "key")
    assert (written["answers"], written["left_out"]) == (3, [])
    bundle = opened("talks.zip")
    sums = bundle / "SHA256SUMS"
    check = ["ssh-keygen", "-Y", "check-novalidate", "-n", "file", "-s", f"{sums}.sig"]
    assert subprocess.run(check, input=sums.read_bytes(), check=False).returncode == 0
    forged = sums.read_bytes().replace(b"texts", b"Texts")
    assert subprocess.run(check, input=forged, check=False, capture_output=True).returncode != 0
    content = json.loads((bundle / "answers.json").read_text())
    pdf_document = next(
        document for document in content["documents"] if document["id"] == "docs/report.pdf"
    )
    assert not pdf_document["plain"]
    number = content["documents"].index(pdf_document) + 1
    page = (bundle / f"pages/{number}.html").read_text()
    assert "<h2>Page 1</h2>" in page
    assert "<mark>2013</mark>" in page
    assert 'href="pages/' in (bundle / "index.html").read_text()
    assert (bundle / f"originals/{number}-report.pdf").read_bytes().startswith(b"%PDF")


def test_what_is_no_longer_so_is_not_bundled(filled: Run) -> None:
    answer = filled("ask", "--json", QUESTION)[1]
    Path("edited.json").write_text(answer.replace('"answer": "', '"answer": "not ', 1))
    Path("part.json").write_text(json.dumps({"answer": "Muscat", "citations": []}))
    Path("answer.json").write_text(answer)
    cases = [
        ("edited.json", "edited after rag gave it"),
        ("part.json", "not a receipt"),
        ("docs/deal.md", "is not JSON"),
        ("nothing", "neither a file nor a grid"),
    ]
    for source, reason in cases:
        assert reason in filled.error("export", source, "--bundle", "x.zip")
    Path("docs/oman.txt").write_text("Oman hosted other talks.")
    filled("sync", "docs")
    error = filled.error("export", "answer.json", "--bundle", "x.zip")
    assert "docs/oman.txt has changed since “" in error
    Path("docs/oman.txt").unlink()
    filled("sync", "docs")
    assert "was removed since" in filled.error("export", "answer.json", "--bundle", "x.zip")
    for options, reason in (
        (["--bundle", "x.tar"], ".zip"),
        (["--bundle", "none/x.zip"], "does not exist"),
        (["--bundle", "x.zip", "--sign", "key"], "no such key"),
    ):
        assert reason in filled("export", "answer.json", *options)[2]
    assert not list(Path().glob("*x.zip*"))


def test_an_original_that_has_changed_is_left_out(filled: Run) -> None:
    Path("answer.json").write_text(filled("ask", "--json", QUESTION)[1])
    Path("docs/oman.txt").write_text("Not synced yet.")
    out = filled.out("export", "answer.json", "--bundle", "proof.zip")
    assert "without the original of docs/oman.txt" in out
    assert _verify(opened("proof.zip"), str(Path("docs").resolve()))[0] == 1
    assert "proof.zip is a bundle" in filled.error("export", "proof.zip", "--bundle", "x.zip")


def test_hostile_texts_stay_texts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("docs/oman.txt").unlink()
    Path("docs/<i>odd.txt").write_text(HOSTILE)
    run("ingest", "docs")
    question = "Where were the talks </script><script>alert(3)</script>?"
    bundle = bundled(run, question)
    monkeypatch.setenv("RAG_THRESHOLD", "0.99")
    assert run("ask", question, "--certificate", "absence.html")[0] == 0
    assert run("verify", "absence.html")[0] == 0
    pages = [Path("absence.html"), *bundle.rglob("*.html")]
    assert len(pages) == 3
    for path in pages:
        page = path.read_text()
        assert "alert(" in page
        assert not [part for part in ("<script>alert", "<img", "<i>", "\u202e") if part in page]
        assert page.count("<script") == (1 if path.name == "absence.html" else 0)


def test_a_full_disk_leaves_no_partial_bundle(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("answer.json").write_text(filled("ask", "--json", QUESTION)[1])

    class Full(zipfile.ZipFile):
        def writestr(self, *arguments: Any, **options: Any) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile, "ZipFile", Full)
    assert "No space left" in filled.error("export", "answer.json", "--bundle", "proof.zip")
    assert not list(Path().glob("*proof.zip*"))


def test_no_name_looks_like_a_verdict(filled: Run) -> None:
    mark = {"start_char_index": 0, "end_char_index": 4, "text": "a\nok      docs/lease.pdf"}
    name = 'docs/a.txt\nok      docs/lease.pdf  "all of it": unchanged'
    cited = {"document_id": name, "highlight": mark}
    Path("forged.json").write_text(json.dumps([cited]))
    code, out, _ = filled("verify", "forged.json")
    assert code == 1
    (line,) = out.splitlines()
    assert line.startswith("missing ")


def test_a_page_in_a_bundle_opens_as_text(tmp_path: Path) -> None:
    """A browser would run its scripts beside the reader's own files."""
    page = b"<title>A</title><script>alert(1)</script><p>The talks were in Geneva in 2014.</p>"
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/strange.HTML").write_bytes(page)
    with closing(local(tmp_path / "index")) as store:
        Ingest(store, EMBEDDER, 60).run(find([tmp_path / "docs"]))
        document = store.document("docs/strange.HTML")
        assert document
        start = document.text.index("The talks")
        quote = document.text[start : start + 9]
        cited = quoted(document, start, start + 9)
        answer = bundle.BundledAnswer("Where?", quote, [cited], {"confidence": 0.9})
        path = tmp_path / "proof.zip"
        bundle.write(store, bundle.Contents("t", [answer], lambda places: ""), path)
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.startswith("originals/"))
        assert name.endswith("strange.HTML.txt")
        assert archive.read(name) == page
