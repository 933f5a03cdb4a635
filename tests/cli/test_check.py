"""`rag check` on a real index with the shipped models."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from rag import build
from rag.claims.checker import Checker
from rag.cli.main import cli
from rag.errors import InputError
from rag.settings import Settings
from tests.claims.parts import MODELS, engine

TEXT = """# Notes

The JCPOA was signed in Vienna on 14 July 2015. The stockpile of uranium is capped at 500 kilograms.
Is it over?
"""


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a text; `rag check` uses a word-matching reader instead of the shipped one."""
    made = Checker(engine(tmp_path / "index"), MODELS)

    def checker(settings: Settings) -> Checker:
        return made

    monkeypatch.setattr(build, "checker", checker)
    (tmp_path / "notes.md").write_text(TEXT, encoding="utf-8")
    return tmp_path


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["check", *arguments], input=text)


def suite_of(junit: Path) -> ElementTree.Element:
    (suite,) = ElementTree.parse(junit).getroot()
    return suite


def test_a_contradiction_is_shown_and_exits_with_1(checked: Path) -> None:
    done = run(str(checked / "notes.md"))
    assert done.exit_code == 1
    assert 'says "500 kilograms", limits.md says "300 kilograms"' in done.output
    assert "4 sentences: 1 supported, 1 contradicted, 2 not a claim" in done.output


QUOTING = "The paper says “Natanz keeps 6,060 centrifuges for ten years.” So much for that.\n"


def test_a_faulty_quotation_is_shown_everywhere_and_exits_with_1(checked: Path) -> None:
    junit, page = checked / "q.xml", checked / "q.html"
    files = ("--junit", str(junit), "--html", str(page))
    done = run("-", "--fail-on", "quotation", *files, text=QUOTING)
    assert done.exit_code == 1
    assert "altered quotation         “Natanz keeps 6,060 centrifuges" in done.output
    assert "says “6,060”, limits.md says “5,060”" in done.output
    assert "1 quotation: 1 altered; 1 fault" in done.output
    assert suite_of(junit).get("failures") == "1"
    assert "says “6,060”, limits.md says “5,060”" in page.read_text(encoding="utf-8")
    found = json.loads(run("-", "--json", text=QUOTING).stdout)
    (quotation,) = found["quotations"]
    assert (quotation["verdict"], quotation["is_fault"]) == ("altered", True)
    assert QUOTING[quotation["start"] : quotation["end"]] == quotation["text"]
    assert found["quotation_counts"]["faults"] == 1
    assert run("-", "--fail-on", "cut,not_found", text=QUOTING).exit_code == 0
    exact = QUOTING.replace("6,060", "5,060")
    assert run("-", "--fail-on", "quotation", text=exact).exit_code == 0
    assert "exact quotation" not in run("-", "--quiet", text=exact).output


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
