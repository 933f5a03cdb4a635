"""Transcripts: commands with their exact output and exit code. Only the models are fakes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rag import build
from rag.cli.main import main
from rag.errors import ModelError
from rag.protocols import Embedder
from rag.settings import Settings
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge
from tests.parsing.pdfs import column, pdf

DEAL = (
    "# The deal\n\nThe deal was signed in Vienna in 2015.\n\n## The exit\n\nThe US left the "
    "deal in 2018.\n"
)
OMAN = "Oman, the mediator\nDate: 2025-11-24\n\nOman hosted the secret talks in Muscat.\n"

Run = Callable[..., tuple[int, str, str]]


SHIPPED_JUDGE = build.judge
NO_INDEX = "rag: no index in {here}/index\n  create one with: rag ingest PATH\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a folder with docs/deal.md and docs/oman.txt: (exit code, stdout,
    stderr).
    """
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "deal.md").write_text(DEAL)
    (tmp_path / "docs" / "oman.txt").write_text(OMAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_EMBEDDER", "bag-of-words")
    monkeypatch.setenv("RAG_THRESHOLD", "0")
    monkeypatch.setattr(build, "embedder", lambda settings: BagOfWordsEmbedder(settings.embedder))
    monkeypatch.setattr(build, "reader", lambda settings: NameReader())
    monkeypatch.setattr(build, "judge", lambda settings: SpanJudge())
    monkeypatch.setattr(
        "shutil.get_terminal_size", lambda fallback=(100, 24): os.terminal_size((100, 24))
    )

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rag", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def filled(run: Run) -> Run:
    assert run("ingest", "docs")[0] == 0
    return run


def test_ingest_reports_and_skips_unchanged_files(run: Run) -> None:
    assert run("ingest", "docs") == (0, "index: 2 added\n", "")
    for paths in (("docs",), ("docs/deal.md", "./docs")):
        code, out, err = run("ingest", *paths)
        assert (code, out, err) == (0, "index: 2 unchanged; the index has not changed\n", "")
    Path("docs/deal.md").write_text(DEAL.replace("2018", "May 2018"))
    assert run("ingest", "docs") == (0, "index: 1 updated, 1 unchanged\n", "")
    assert run("list")[1] == "docs/deal.md   The deal\ndocs/oman.txt  Oman, the mediator\n"


def test_no_model_loads_without_changes(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def loads(settings: Settings) -> Embedder:
        raise ModelError("a model loads")

    monkeypatch.setattr(build, "embedder", loads)
    assert filled("ingest", "docs") == (0, "index: 2 unchanged; the index has not changed\n", "")
    Path("docs/oman.txt").write_text("Muscat.")
    assert filled("ingest", "docs") == (4, "", "rag: a model loads\n")


def test_ingest_reports_skipped_files(run: Run) -> None:
    Path("docs/photo.gif").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    Path("docs/broken.txt").write_bytes(b"abc\0def")
    code, out, _ = run("ingest", "docs")
    assert code == 0
    assert out.splitlines()[0] == "index: 2 added, 2 skipped"
    assert any("broken.txt: is binary, not text" in line for line in out.splitlines())
    assert any("photo.gif: unsupported format .gif" in line for line in out.splitlines())


def test_ask_prints_the_answer_and_its_source(filled: Run) -> None:
    code, out, err = filled("ask", "When", "did the US leave the deal?")
    assert (code, err) == (0, "")
    head, _, rest = out.partition("\n\n")
    assert head.startswith("2018  (confidence ")
    assert rest.startswith(
        "  [1] docs/deal.md > The deal > The exit\n      The US left the deal in [[2018]].\n"
    )


def test_ask_as_json_has_the_fields_of_the_types(filled: Run) -> None:
    code, out, _ = filled("ask", "--json", "When did the US leave the deal?")
    found = json.loads(out)
    assert code == 0
    assert found["text"] == "2018"
    assert found["abstention_reason"] is None
    (citation,) = found["citations"]
    text = filled("show", "docs/deal.md")[1]
    assert text[citation["start"] : citation["end"]] == citation["quote"] == "2018"
    assert (
        text[citation["sentence_start"] : citation["sentence_end"]]
        == "The US left the deal in 2018."
    )
    assert {"question", "confidence", "alternatives", "hits", "timings"} <= set(found)


def test_ask_refuses_below_the_threshold_with_exit_1(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_THRESHOLD", "1")
    code, out, _ = filled("ask", "Who hosted the secret talks?")
    assert code == 1
    assert out.startswith('not found: best guess "Oman" (')
    assert (
        "Nearest:\n  [1] docs/oman.txt > Oman, the mediator\n"
        "      [[Oman]] hosted the secret talks in Muscat.\n" in out
    )


def test_search_shows_passages_with_scores(filled: Run) -> None:
    code, out, _ = filled("search", "-k", "1", "secret talks in Muscat")
    assert code == 0
    assert out.startswith("  [1] docs/oman.txt > Oman, the mediator  score ")
    (hit,) = json.loads(filled("search", "-k", "1", "--json", "secret talks")[1])
    assert hit["passage"]["document_id"] == "docs/oman.txt"
    assert 0 <= hit["score"] <= 1


def test_filters_on_the_command_line(filled: Run) -> None:
    hits = json.loads(filled("search", "--json", "--filter", "type=txt", "the deal")[1])
    assert {hit["passage"]["document_id"] for hit in hits} == {"docs/oman.txt"}
    assert filled("search", "--filter", "type", "x")[0] == 2
    assert filled("list", "--filter", "type=txt")[1] == "docs/oman.txt  Oman, the mediator\n"
    assert filled("list", "--filter", "source:docs", "--filter", "type!=txt")[1].startswith(
        "docs/deal.md"
    )
    assert filled("list", "--filter", "year>=2100")[1] == ""


def test_a_citation_of_a_pdf_names_the_page(run: Run) -> None:
    pages = [
        column(["The deal was signed in Vienna."], 50),
        column(["Oman hosted the secret talks."], 50),
    ]
    Path("docs/paper.pdf").write_bytes(pdf(pages))
    assert run("ingest", "docs")[0] == 0
    code, out, _ = run("ask", "--filter", "type=pdf", "Who hosted the secret talks?")
    assert code == 0
    assert "  [1] docs/paper.pdf > paper, page 2\n      [[Oman]] hosted the secret talks.\n" in out
    (citation,) = json.loads(
        run("ask", "--json", "--filter", "type=pdf", "Who hosted the secret talks?")[1]
    )["citations"]
    assert citation["page"] == 2


def test_show_and_delete_take_an_id_or_a_path(filled: Run) -> None:
    assert filled("show", "./docs/oman.txt") == (0, OMAN, "")
    code, out, _ = filled("delete", "docs/deal.md", "docs/oman.txt")
    assert code == 0
    assert out.startswith(
        "deleted docs/deal.md\n  text 1 -> 0, passages 2 -> 0, vectors 2 -> 0, full text 2 -> 0; "
        "log 0 bytes\n"
    )
    assert "  4 searches for its passages: 0 still find it\ndeleted docs/oman.txt\n" in out
    assert filled("list")[:2] == (0, "")


def test_delete_is_all_or_nothing(filled: Run) -> None:
    code, out, err = filled("delete", "docs/deal.md", "docs/none.md")
    assert (code, out) == (2, "")
    assert (
        err == "rag: no document docs/none.md in the index\n  list the documents with: rag list\n"
    )
    assert "docs/deal.md" in filled("list")[1]


def test_info(filled: Run) -> None:
    facts = json.loads(filled("index", "info", "--json")[1])
    assert (facts["documents"], facts["embedder"], facts["dim"]) == (2, "bag-of-words", 64)
    assert "documents       2\n" in filled("index", "info")[1]


def test_the_index_is_chosen_by_option_or_variable(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert filled("ingest", "docs/oman.txt", "--index", "other")[1] == "other: 1 added\n"
    monkeypatch.setenv("RAG_INDEX", "other")
    assert filled("list")[1] == "docs/oman.txt  Oman, the mediator\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ask", "When?"], 3, NO_INDEX),
        (["list"], 3, NO_INDEX),
        (["ask", " "], 2, "rag: the question is empty\n  for example: "),
        (["ask", "x" * 1001], 2, "rag: question too long: 1,001 characters, limit 1,000\n  short"),
        (["ingest", "nowhere"], 2, "rag: no such file or folder: nowhere\n  check the path"),
        (["ask"], 2, "Usage: "),
        (["nonsense"], 2, "Usage: "),
    ],
)
def test_user_errors_name_the_next_step(
    run: Run, arguments: list[str], code: int, said: str
) -> None:
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert err.startswith(said.format(here=Path.cwd()))
    assert "Traceback" not in err


def test_a_folder_without_readable_files(run: Run) -> None:
    Path("pictures").mkdir()
    assert run("ingest", "pictures")[0] == 2
    Path("pictures/a.gif").write_bytes(b"\x89PNG\0")
    code, out, err = run("ingest", "pictures")
    assert (code, out) == (2, "")
    assert err.startswith("rag: none of the files can be read: ")
    assert "rag ingest PATH" in err


def test_an_emptied_index_says_what_to_run(filled: Run) -> None:
    filled("delete", "docs/deal.md", "docs/oman.txt")
    assert filled("ask", "When?") == (
        3,
        "",
        "rag: the index is empty\n  add documents with: rag ingest PATH\n",
    )


def test_another_embedder_is_an_error_with_a_hint(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_EMBEDDER", "other")
    code, _, err = filled("ask", "When?")
    assert code == 3
    assert "made with embedder = bag-of-words, the settings say other" in err
    assert (
        "set RAG_EMBEDDER=bag-of-words, or rebuild the index from its text: rag index rebuild"
        in err
    )
    assert filled("list")[0] == 0


def test_a_truncated_database_is_named_and_left_alone(filled: Run) -> None:
    path = Path("index/rag.sqlite")
    path.write_bytes(path.read_bytes()[:1000])
    for other in Path("index").glob("rag.sqlite-*"):
        other.unlink()
    for command in (["ask", "When?"], ["ingest", "docs"], ["list"]):
        code, _, err = filled(*command)
        assert code == 3
        assert "rag.sqlite" in err
        assert "left unchanged" in err
        assert path.stat().st_size == 1000


def test_an_unknown_variable_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_TRESHOLD", "0.5")
    assert (
        run("list")[2]
        == "rag: unknown setting 'treshold' in the environment\n  did you mean threshold?\n"
    )


def test_a_document_cannot_write_to_the_terminal(run: Run) -> None:
    Path("docs/evil.txt").write_text(
        "Evil\n\nThe pass\x1b]0;owned\x07word was told in Geneva\x1b[2J in 1999.\n"
    )
    run("ingest", "docs")
    _, out, _ = run("ask", "Where was the password told?")
    assert "\x1b" not in out
    assert "\x07" not in out


def test_doctor_finds_damage(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_READER", "/no/such/reader")
    code, out, _ = filled("index", "doctor")
    assert code == 1
    assert "WRONG reader: no model folder /no/such/reader\n      set RAG_READER to" in out
    assert "ok    index opens: 2 documents" in out


def test_why_explains_the_answer(filled: Run) -> None:
    code, out, _ = filled("ask", "--why", "When did the US leave the deal?")
    assert code == 0
    why = out.partition("\nWhy\n")[2].splitlines()
    assert why[0].startswith('  "2018": confidence ')
    assert (
        json.loads(filled("ask", "--json", "--why", "When did the US leave the deal?")[1])["why"][0]
        == why[0].strip()
    )


def test_citations_are_verified_after_a_change(filled: Run) -> None:
    Path("answer.json").write_text(filled("ask", "--json", "When did the US leave the deal?")[1])
    assert filled("verify", "answer.json") == (
        0,
        'ok      docs/deal.md  "2018": unchanged at its place\n',
        "",
    )
    Path("docs/deal.md").write_text(DEAL.replace("2018", "2019"))
    filled("ingest", "docs")
    code, out, _ = filled("verify", "answer.json")
    assert (code, out.splitlines()[1]) == (1, "        now: The US left the deal in 2019.")
    (verdict,) = json.loads(filled("verify", "--json", "answer.json")[1])
    assert (verdict["status"], verdict["edited"]) == ("changed", True)


def test_a_receipt_is_replayed(filled: Run) -> None:
    Path("answer.json").write_text(filled("ask", "--json", "When did the US leave the deal?")[1])
    assert filled("verify", "--replay", "answer.json") == (
        0,
        "same answer\n  nothing that affects it has changed\n",
        "",
    )
    Path("docs/deal.md").write_text(DEAL.replace("2018", "2019"))
    filled("ingest", "docs")
    code, out, _ = filled("verify", "--replay", "answer.json")
    assert code == 1
    assert out.startswith("the answer has changed\n  document docs/deal.md: changed since\n")
    assert "\n2019  (confidence " in out


@pytest.mark.parametrize("options", [[], ["--replay"]])
def test_other_input_is_not_an_answer(filled: Run, options: list[str]) -> None:
    for text in ("nonsense", "[" * 100_000):
        Path("bad.json").write_text(text)
        code, out, err = filled("verify", *options, "bad.json")
        assert (code, out) == (2, "")
        assert err.startswith("rag: bad.json is not JSON: ")
    Path("bad.json").write_text("[1]")
    assert filled("verify", *options, "bad.json")[0] == 2


def test_calibrate_writes_a_file_and_reports_its_effect(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "judge", SHIPPED_JUDGE)
    lines = [
        {"question": f"When did the US leave the deal, {n}?", "answers": ["2018"]}
        for n in range(12)
    ]
    lines += [{"question": f"Who sang at the concert of {n}?", "answers": []} for n in range(12)]
    Path("gold.jsonl").write_text("\n".join(map(json.dumps, lines)))
    code, out, err = filled("eval", "calibrate", "gold.jsonl", "--risk", "0.3")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "24 questions, 12 of them unanswerable"
    assert "calibrated: " in out
    assert out.endswith("calibration.json: use it with RAG_CALIBRATION=calibration.json\n")
    monkeypatch.setenv("RAG_CALIBRATION", "calibration.json")
    monkeypatch.delenv("RAG_THRESHOLD")
    assert filled("ask", "When did the US leave the deal?")[0] == 0
    Path("gold.jsonl").write_text("\n".join(map(json.dumps, lines[:5])))
    assert "5 gold questions are too few" in filled("eval", "calibrate", "gold.jsonl")[2]
    Path("gold.jsonl").write_text("")
    assert "gold.jsonl contains no questions" in filled("eval", "calibrate", "gold.jsonl")[2]


def test_a_broken_calibration_is_named(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "judge", SHIPPED_JUDGE)
    monkeypatch.setenv("RAG_CALIBRATION", "none.json")
    code, _, err = filled("ask", "When?")
    assert code == 4
    assert "none.json cannot be read" in err
    assert "rag eval calibrate GOLD" in err
