"""`rag check` on a real index with the shipped models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import docx
import pytest
from click.testing import CliRunner, Result
from docx.oxml.ns import qn

from rag import build
from rag.claims.checker import Checker
from rag.cli.main import cli
from rag.errors import InputError
from rag.parsing.docx_comments import with_comments
from rag.settings import Settings
from tests.claims.parts import MODELS, TEXTS, engine
from tests.parsing.pdfs import column, pdf

TEXT = """# Notes

The JCPOA was signed in Vienna on 14 July 2015. The stockpile of uranium is capped at 500 kilograms.
Is it over?
"""


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a text; `rag check` uses a word-matching reader instead of the shipped one."""
    use_words(monkeypatch, tmp_path / "index", Checker(engine(tmp_path / "index"), MODELS))
    (tmp_path / "notes.md").write_text(TEXT, encoding="utf-8")
    return tmp_path


def use_words(monkeypatch: pytest.MonkeyPatch, index: Path, word_checker: Checker) -> None:
    """Have `rag check` use this checker and its index."""
    monkeypatch.setattr(build, "checker", lambda settings, opened: word_checker)
    monkeypatch.setenv("RAG_INDEX", str(index))
    monkeypatch.setenv("RAG_EMBEDDER", "bag-of-words")
    monkeypatch.setenv("RAG_PASSAGE_TOKENS", "60")


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["check", *arguments], input=text)


def suite_of(junit: Path) -> ElementTree.Element:
    (suite,) = ElementTree.parse(junit).getroot()
    return suite


def test_a_contradiction_is_shown_and_exits_with_1(checked: Path) -> None:
    result = run(str(checked / "notes.md"))
    assert result.exit_code == 1
    assert 'says "500 kilograms", limits.md says "300 kilograms"' in result.output
    assert "4 sentences: 1 supported, 1 contradicted, 2 not a claim" in result.output


QUOTING = "The paper says “Natanz keeps 6,060 centrifuges for ten years.” So much for that.\n"


def test_a_faulty_quotation_is_shown_everywhere_and_exits_with_1(checked: Path) -> None:
    junit, page = checked / "q.xml", checked / "q.html"
    result = run(
        "-", "--fail-on", "quotation", "--junit", str(junit), "--html", str(page), text=QUOTING
    )
    assert result.exit_code == 1
    assert "altered quotation         “Natanz keeps 6,060 centrifuges" in result.output
    assert "says “6,060”, limits.md says “5,060”" in result.output
    assert "1 quotation: 1 altered; 1 fault" in result.output
    assert suite_of(junit).get("failures") == "1"
    assert "says “6,060”, limits.md says “5,060”" in page.read_text(encoding="utf-8")
    report = json.loads(run("-", "--json", text=QUOTING).stdout)
    (quotation,) = report["quotations"]
    assert (quotation["verdict"], quotation["is_fault"]) == ("altered", True)
    assert QUOTING[quotation["start"] : quotation["end"]] == quotation["text"]
    assert report["quotation_counts"]["faults"] == 1
    assert run("-", "--fail-on", "cut,not_found", text=QUOTING).exit_code == 0
    exact = QUOTING.replace("6,060", "5,060")
    assert run("-", "--fail-on", "quotation", text=exact).exit_code == 0
    assert "exact quotation" not in run("-", "--quiet", text=exact).output


def test_quotations_alone_are_checked_without_a_model(
    checked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_model(settings: Settings) -> Checker:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(build, "checker", no_model)
    monkeypatch.setenv("RAG_INDEX", str(checked / "index"))
    text = f"{QUOTING}The stockpile of uranium is capped at 900 kilograms.\n"
    page = checked / "q.html"
    result = run("-", "--quotations", "--html", str(page), text=text)
    assert result.exit_code == 1, result.output
    assert "1 quotation: 1 altered; 1 fault" in result.output
    assert "sentence" not in result.output
    assert '<q class="fault">Natanz keeps 6,060 centrifuges' in page.read_text(encoding="utf-8")
    assert "capped at 900 kilograms" in page.read_text(encoding="utf-8"), "the copy is whole"
    report = json.loads(run("-", "--quotations", "--json", text=text).stdout)
    assert (report["sentences"], len(report["quotations"])) == ([], 1)
    nothing = run("-", "--quotations", text=TEXT)
    assert isinstance(nothing.exception, InputError)
    assert "no quotations" in nothing.exception.message


def _docx(path: Path) -> None:
    document = docx.Document()
    document.add_heading("Notes")
    document.add_paragraph(QUOTING)
    document.save(str(path))


def _html(path: Path) -> None:
    path.write_text(f"<main><h1>Notes</h1><p>{QUOTING}</p></main>", encoding="utf-8")


def _pdf(path: Path) -> None:
    path.write_bytes(pdf([column([QUOTING.strip().translate({0x201C: '"', 0x201D: '"'})], 40)]))


@pytest.mark.parametrize(("name", "write"), [("a.docx", _docx), ("a.html", _html), ("a.pdf", _pdf)])
def test_documents_are_checked_as_they_would_be_read(
    checked: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("RAG_INDEX", str(checked / "index"))
    write(checked / name)
    result = run(str(checked / name), "--quotations")
    assert result.exit_code == 1, result.output
    assert "says “6,060”, limits.md says “5,060”" in result.output


def anchored(path: Path) -> dict[str, str]:
    """The words at each comment of a DOCX file, by the comment's first line."""
    document = docx.Document(str(path))
    words_by_comment = {}
    for comment in document.comments:
        is_inside, words = False, ""
        for node in document.element.body.iter():
            if node.tag == qn("w:t") and is_inside:
                words += node.text
            elif node.get(qn("w:id")) == str(comment.comment_id):
                is_inside = node.tag == qn("w:commentRangeStart") or (
                    is_inside and node.tag != qn("w:commentRangeEnd")
                )
        words_by_comment[comment.text.split("\n")[0]] = words
    return words_by_comment


def test_a_docx_file_gets_comments_at_its_faults(checked: Path) -> None:
    notes = docx.Document()
    notes.add_heading("Notes")
    paragraph = notes.add_paragraph(
        "The JCPOA was signed in Vienna on 14 July 2015. The stockpile "
    )
    paragraph.add_run("of uranium").bold = True
    paragraph.add_run(" is capped at 500 kilograms. Is it over?")
    notes.add_paragraph("The United States left the agreement on 9 May 2018.", style="List Bullet")
    notes.add_paragraph(QUOTING)
    notes.save(str(checked / "a.docx"))
    result = run(str(checked / "a.docx"), "--docx", str(checked / "b.docx"))
    assert result.exit_code == 1, result.output
    comments = anchored(checked / "b.docx")
    stockpile = 'contradicted: says "500 kilograms", limits.md says "300 kilograms"'
    assert comments[stockpile] == "The stockpile of uranium is capped at 500 kilograms."
    comment = 'contradicted: says "9 May 2018", exit.md says "8 May 2018"'
    assert comments[comment] == "The United States left the agreement on 9 May 2018."
    quotation = "altered quotation: says “6,060”, limits.md says “5,060”"
    assert comments[quotation] == "Natanz keeps 6,060 centrifuges for ten years."
    original, commented = (docx.Document(str(checked / name)) for name in ("a.docx", "b.docx"))
    assert [p.text for p in commented.paragraphs] == [p.text for p in original.paragraphs]
    assert [run.bold for run in commented.paragraphs[1].runs if run.text == "of uranium"] == [True]
    (contradiction,) = (
        candidate for candidate in commented.comments if candidate.text.startswith(stockpile)
    )
    assert "limits.md:" in contradiction.text
    assert contradiction.author == "rag"


def test_comments_without_a_place_stand_at_the_beginning(tmp_path: Path) -> None:
    word_file = docx.Document()
    word_file.add_paragraph("One sentence.")
    word_file.save(str(tmp_path / "a.docx"))
    content = (tmp_path / "a.docx").read_bytes()
    (tmp_path / "b.docx").write_bytes(with_comments(content, [("In a footnote.", "wrong")]))
    assert anchored(tmp_path / "b.docx") == {"“In a footnote.”: wrong": "O"}


def test_only_a_docx_file_gets_comments(checked: Path) -> None:
    outcome = run(str(checked / "notes.md"), "--docx", str(checked / "b.docx"))
    assert isinstance(outcome.exception, InputError)
    assert "is a copy of a DOCX file, which" in outcome.exception.message


def test_a_broken_document_is_named(checked: Path) -> None:
    (checked / "a.docx").write_bytes(b"PK\x03\x04 broken")
    result = run(str(checked / "a.docx"), "--quotations")
    assert isinstance(result.exception, InputError)
    assert "a.docx is not a readable docx file" in result.exception.message


def test_fail_on_selects_verdicts(checked: Path) -> None:
    notes = str(checked / "notes.md")
    assert run(notes, "--fail-on", "not-in-documents").exit_code == 0
    assert run(notes, "--fail-on", "none").exit_code == 0
    for arguments, reason in (
        ((notes, "--fail-on", "anything"), "unknown verdict 'anything'"),
        (("absent.md",), "absent.md cannot be read"),
        (("-", "--junit", "/nowhere/x.xml"), "/nowhere/x.xml cannot be written"),
    ):
        outcome = run(*arguments, text=TEXT)
        assert isinstance(outcome.exception, InputError)
        assert reason in outcome.exception.message


def test_several_files_are_checked_with_one_result(checked: Path) -> None:
    (checked / "good.md").write_text("The JCPOA was signed in Vienna on 14 July 2015.\n")
    (checked / "empty.md").write_text("# Nothing\n")
    junit = checked / "c.xml"
    names = [str(checked / name) for name in ("good.md", "notes.md", "empty.md")]
    result = run(*names, "--allow-empty", "--quiet", "--junit", str(junit))
    assert result.exit_code == 1
    first_file, notes, last_file = (result.output.index(f"\n{name}\n") for name in names)
    assert first_file < notes < result.output.index("500 kilograms") < last_file
    assert result.output.endswith("no claims and no quotations\n")
    suites = list(ElementTree.parse(junit).getroot())
    assert [suite.get("failures") for suite in suites] == ["0", "1", "0"]
    report = json.loads(run(*names, "--allow-empty", "--json").stdout)
    assert [(entry["file"], entry["failed"]) for entry in report["files"]] == list(
        zip(names, (0, 1, 0), strict=True)
    )
    assert report["failed"] == 1
    assert run(names[0], names[2], "--allow-empty").exit_code == 0
    for arguments, reason in (
        (names, f"{names[2]}: the text contains no claims"),
        ([*names, "--html", str(checked / "c.html")], "is for one file, not for 3"),
    ):
        outcome = run(*arguments)
        assert isinstance(outcome.exception, InputError)
        assert reason in outcome.exception.message


@pytest.mark.parametrize("options", [(), ("--quotations",)])
def test_a_file_of_the_index_is_no_evidence_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    text = "The paper says “Arak makes forty tonnes of steel a year.”\n"
    (tmp_path / "own.md").write_text(text, encoding="utf-8")
    word_checker = Checker(
        engine(tmp_path / "index", {**TEXTS, str(tmp_path / "own.md"): text}), MODELS
    )
    use_words(monkeypatch, tmp_path / "index", word_checker)
    assert "exact quotation" in run("-", *options, text=text).output
    result = run(str(tmp_path / "own.md"), *options)
    assert "quotation not found" in result.output
    assert result.exit_code == 1


def test_json_junit_and_page_show_claims_with_their_evidence(checked: Path) -> None:
    outcome = run("-", "--json", text="The JCPOA was signed in Vienna on 14 July 2015.")
    report = json.loads(outcome.stdout)
    assert (outcome.exit_code, report["counts"]["supported"], report["failed"]) == (0, 1, 0)
    evidence = report["sentences"][0]["evidence"][0]
    assert evidence["cited_text"].startswith("The JCPOA")
    junit, html = checked / "c.xml", checked / "c.html"
    text = f"{TEXT} The <script>alert(1)</script> JCPOA was signed in Vienna in 2015."
    run("-", "--junit", str(junit), "--html", str(html), text=text)
    suite = suite_of(junit)
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    (failure,) = suite.iter("failure")
    assert "500 kilograms" in str(failure.get("message"))
    page = html.read_text(encoding="utf-8")
    assert '<mark class="contradicted">The stockpile of uranium' in page
    assert "capped at 300 kilograms" in page
    assert "<script>" not in page
