"""Transcripts: commands with their exact output and exit code. Only the models are fakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag import build
from rag.errors import ModelError
from rag.protocols import Embedder
from rag.settings import Settings
from tests.cli.helpers import SHIPPED_JUDGE, Run
from tests.fakes import DEAL, OMAN
from tests.parsing.pdfs import column, pdf

NO_INDEX = "rag: no index in {here}/index\n  create one with: rag ingest PATH\n"


def test_ingest_reports_what_it_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    unchanged = (0, "index: 2 unchanged; the index has not changed\n", "")
    assert run("ingest", "docs")[:2] == (0, "index: 2 added\n")
    assert run("ingest", "docs") == run("ingest", "docs/deal.md", "./docs") == unchanged
    Path("docs/deal.md").write_text(DEAL.replace("2018", "May 2018"))
    assert run("ingest", "docs") == (0, "index: 1 updated, 1 unchanged\n", "")
    assert run("list")[1] == "docs/deal.md   The deal\ndocs/oman.txt  Oman, the mediator\n"
    assert run("ingest", "docs/oman.txt", "--index", "other")[1] == "other: 1 added\n"
    with monkeypatch.context() as patch:
        patch.setenv("RAG_INDEX", "other")
        assert run("list")[1] == "docs/oman.txt  Oman, the mediator\n"
    Path("docs/photo.gif").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    Path("docs/broken.txt").write_bytes(b"abc\0def")
    lines = run("ingest", "docs")[1].splitlines()
    assert lines[0] == "index: 2 unchanged, 2 skipped; the index has not changed"
    assert any("broken.txt: is binary, not text" in line for line in lines)
    assert any("photo.gif: unsupported format .gif" in line for line in lines)
    err = run.error("ingest", "docs/photo.gif")
    assert err.startswith("rag: none of the files can be read: ")
    assert "rag ingest PATH" in err
    err = run.error("ingest", "docs/broken.txt")
    assert err.endswith("broken.txt is binary, not text\n  correct it, or name others\n")


def test_a_folder_without_files_is_named_and_makes_no_index(run: Run) -> None:
    Path("pictures").mkdir()
    Path("notes").mkdir()
    message = "rag: no files found in pictures, notes\n  hidden files and index folders are "
    assert run.error("ingest", "pictures", "notes").startswith(message)
    assert not Path("index").exists()


def test_no_model_loads_without_changes(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def loads(settings: Settings) -> Embedder:
        raise ModelError("a model loads")

    monkeypatch.setattr(build, "embedder", loads)
    assert filled("ingest", "docs") == (0, "index: 2 unchanged; the index has not changed\n", "")
    Path("docs/oman.txt").write_text("Muscat.")
    assert filled("ingest", "docs") == (4, "", "rag: a model loads\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("check empty.txt", "empty.txt: the text contains no claims"),
        ("check docs/deal.md empty.txt", "empty.txt: the text contains no claims"),
        ("check --filter tpye=txt docs/deal.md", "no document has 'tpye'"),
        ("ask --filter tpye=txt When?", "no document has 'tpye'"),
        ("ask --write When?", "no writer is set"),
        ("search --filter tpye=txt deal", "no document has 'tpye'"),
        ("eval why When? --answer 2015 --document docs/none.md", "no document docs/none.md in"),
        ("verify --replay answer.json", "not a receipt"),
        ("eval run gold.jsonl --junit none/bounds.xml", "none/bounds.xml cannot be written"),
        ("eval run gold.jsonl --out empty.txt", "--out empty.txt is a file, not a folder"),
        ("eval calibrate gold.jsonl", "too few gold questions to estimate a risk: 1"),
        ("eval compare answer.json answer.json", "answer.json is not a result of rag eval: the f"),
        ("verify answer.json", "not a citation: {}: the field 'highlight' is missing"),
        ("check docs", "docs is a folder, not a file"),
    ],
)
def test_no_model_loads_for_wrong_input(
    filled: Run, monkeypatch: pytest.MonkeyPatch, arguments: str, message: str
) -> None:
    def loads(settings: Settings) -> Embedder:
        raise ModelError("a model loads")

    monkeypatch.setattr(build, "embedder", loads)
    Path("empty.txt").write_text("")
    Path("answer.json").write_text("{}")
    Path("gold.jsonl").write_text('{"question": "When?", "answers": ["2015"]}\n')
    assert filled.error(*arguments.split()).startswith(f"rag: {message}")


def test_ask_prints_the_answer_its_source_and_reasons(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = filled.out("ask", "--why", "When", "did the US leave the deal?")
    head, _, sources = out.partition("\n\n")
    assert head.startswith("2018  (confidence ")
    assert sources.startswith(
        "  [1] docs/deal.md > The deal > The exit\n      The US left the deal in [[2018]].\n"
    )
    why = out.partition("\nWhy\n")[2].splitlines()
    assert why[0].startswith('  "2018": confidence ')
    answer = filled.json("ask", "--why", "When did the US leave the deal?")
    assert (answer["answer"], answer["abstention_reason"]) == ("2018", None)
    assert answer["explain"][0] == why[0].strip()
    assert {"question", "confidence", "alternatives", "nearest", "timings_ms"} <= set(answer)
    (citation,) = answer["citations"]
    text = filled("show", "docs/deal.md")[1]
    place = citation["highlight"]
    assert text[place["start_char_index"] : place["end_char_index"]] == place["text"] == "2018"
    sentence = text[citation["start_char_index"] : citation["end_char_index"]]
    assert sentence == citation["cited_text"] == "The US left the deal in 2018."
    monkeypatch.setenv("RAG_THRESHOLD", "1")
    out = filled.out("ask", "Who hosted the secret talks?", code=1)
    assert out.startswith('not found: best guess "Oman" (')
    passages = "Nearest:\n  [1] docs/oman.txt > Oman, the mediator\n"
    assert f"{passages}      [[Oman]] hosted the secret talks in Muscat.\n" in out


def test_after_the_first_ingest_one_line_says_what_to_ask(run: Run) -> None:
    hint = 'rag: next, for example: rag ask "When was the deal signed?"\n'
    assert run("ingest", "docs")[2] == hint
    assert run.out("ask", "When was the deal signed?").startswith("2015")
    Path("docs/more.txt").write_text("The deal was long.")
    assert run("ingest", "docs")[2] == ""  # an index with documents needs no hint
    assert "--index other/index" in run("ingest", "docs", "--index", "other/index")[2]
    assert run("ingest", "docs", "--index", "third", "--json")[2] == ""
    assert run("collection", "create", "legal")[0] == 0
    err = run("ingest", "docs", "--collection", "legal")[2]
    assert err == hint.replace("rag ask", "rag ask --collection legal")
    Path("notes.txt").write_text("Ok.")
    err = run("ingest", "notes.txt", "--index", "fourth")[2]
    assert err == 'rag: next, ask a question: rag ask --index fourth "…"\n'


def test_search_and_filters(filled: Run) -> None:
    out = filled.out("search", "-k", "1", "secret talks in Muscat")
    assert out.startswith("  [1] docs/oman.txt > Oman, the mediator (score ")
    (hit,) = filled.json("search", "-k", "1", "secret talks")
    assert hit["document_id"] == "docs/oman.txt"
    assert 0 <= hit["scores"]["score"] <= 1
    hits = filled.json("search", "--filter", "type=txt", "the deal")
    assert {hit["document_id"] for hit in hits} == {"docs/oman.txt"}
    assert filled("search", "--filter", "type", "x")[0] == 2
    assert filled("list", "--filter", "type=txt")[1] == "docs/oman.txt  Oman, the mediator\n"
    only_deal = filled("list", "--filter", "source:docs", "--filter", "type!=txt")[1]
    assert only_deal.startswith("docs/deal.md")
    assert filled("list", "--filter", "date>=2100")[1] == ""
    for words in (("list",), ("search", "the deal"), ("ask", "Who?")):
        message = filled.error(*words, "--filter", "tpye=txt")
        assert message.startswith("rag: no document has 'tpye', as in the filter tpye=txt\n")
        assert "did you mean type? the keys are: " in message


def test_a_citation_of_a_pdf_names_the_page(run: Run) -> None:
    pages = ["The deal was signed in Vienna.", "Oman hosted the secret talks."]
    Path("docs/paper.pdf").write_bytes(pdf([column([text], 50) for text in pages]))
    assert run("ingest", "docs")[0] == 0
    question = "Who hosted the secret talks?"
    source = "  [1] docs/paper.pdf > paper, page 2\n      [[Oman]] hosted the secret talks.\n"
    assert source in run("ask", "--filter", "type=pdf", question)[1]
    (citation,) = run.json("ask", "--filter", "type=pdf", question)["citations"]
    assert citation["page"] == 2


def test_documents_are_shown_and_deleted_all_or_none(filled: Run) -> None:
    facts = filled.json("index", "info")
    assert (facts["documents"], facts["embedder"], facts["dim"]) == (2, "bag-of-words", 64)
    assert "documents       2\n" in filled("index", "info")[1]
    assert filled("show", "./docs/oman.txt") == (0, OMAN, "")
    Path("docs/fees.csv").write_text("Item,Fee\nKey,45\n")
    assert filled("ingest", "docs")[0] == 0
    shown = filled.json("show", "docs/fees.csv")
    (row,) = (block for block in shown["blocks"] if block["kind"] == "row")
    assert shown["text"][row["start"] : row["end"]] == "Item: Key | Fee: 45"
    assert [cell["column"] for cell in row["cells"]] == [0, 1]
    assert filled("delete", "docs/fees.csv")[0] == 0
    unknown = "rag: no document docs/none.md in the index\n  list the documents with: rag list\n"
    assert filled("delete", "docs/deal.md", "docs/none.md") == (2, "", unknown)
    assert "docs/deal.md" in filled("list")[1]
    out = filled.out("delete", "docs/deal.md", "docs/oman.txt")
    parts = "text 1 -> 0, passages 2 -> 0, vectors 2 -> 0, full text 2 -> 0; log 0 bytes"
    assert out.startswith(f"deleted docs/deal.md\n  {parts}\n")
    assert "  4 searches for its passages: 0 still find it\ndeleted docs/oman.txt\n" in out
    assert filled("list")[:2] == (0, "")
    message = "rag: the index is empty\n  add documents with: rag ingest PATH\n"
    assert filled("ask", "When?") == (3, "", message)


@pytest.mark.parametrize("command", [("ask", "When?"), ("ingest", "docs"), ("list",), ("serve",)])
def test_an_index_that_is_a_file_is_named(run: Run, command: tuple[str, ...]) -> None:
    message = run.error(*command, "--index", "docs/deal.md")
    assert message.startswith("rag: the index folder docs/deal.md is a file\n  name a folder, ")


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (["--index", "my index", "ask", "When is it?"], "ask --index 'my index' 'When is it?'"),
        (["When does the lease end?"], "ask 'When does the lease end?'"),
        (["When?", "--json"], "ask 'When?' --json"),
        (["ask", "-filter", "type=pdf", "When?"], "with two dashes: --filter"),
        (["ask", "When?", "-top-k=3"], "with two dashes: --top-k"),
    ],
)
def test_an_error_names_the_command_to_type(run: Run, arguments: list[str], end: str) -> None:
    assert run.error(*arguments, code=2).strip().endswith(end)


@pytest.mark.parametrize(
    ("arguments", "code", "beginning"),
    [
        (["ask", "When?"], 3, NO_INDEX),
        (["list"], 3, NO_INDEX),
        (["list", "--index", "a b"], 3, "rag: no index in {here}/a b\n  create one with: rag "),
        (["ask", " "], 2, "rag: the question is empty\n  for example: "),
        (["ask", "x" * 1001], 2, "rag: question too long: 1,001 characters, limit 1,000\n  short"),
        (["ingest", "nowhere"], 2, "rag: no such file or folder: nowhere\n  check the path"),
        (["ask"], 2, "Usage: "),
        (["nonsense"], 2, "Usage: "),
    ],
)
def test_user_errors_name_the_next_step(
    run: Run, arguments: list[str], code: int, beginning: str
) -> None:
    err = run.error(*arguments, code=code)
    assert err.startswith(beginning.format(here=Path.cwd()))
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message", "command"),
    [
        ("ask --top-k abc When?", "--top-k must be a whole number from 1 to 200, not 'abc'", "ask"),
        ("ask -k 0 When?", "--top-k must be a whole number from 1 to 200, not '0'", "ask"),
        ("serve --port 70000", "--port must be a whole number from 0 to 65,535, not '7", "serve"),
        ("eval run a --limit 0", "--limit must be a whole number of at least 1, not", "eval run"),
        ("eval calibrate docs/deal.md --risk 2", "--risk must be a number between 0 ", "eval cal"),
        ("ask --form poem When?", "--form must be span, yes_no, sentences, steps, list, c", "ask"),
        ("connect emacs", "CLIENT must be claude, claude-desktop, codex, cursor or ", "connect"),
        ("--completion tcsh", "--completion must be bash, zsh or fish, not 'tcsh'", "--help"),
    ],
)
def test_a_wrong_value_is_an_error_with_the_allowed_ones(
    run: Run, arguments: str, message: str, command: str
) -> None:
    err = run.error(*arguments.split())
    assert err.startswith(f"rag: {message}")
    assert f"\n  see: rag {command}" in err


def test_an_empty_collection_says_how_to_fill_it(run: Run) -> None:
    assert run("collection", "create", "legal")[0] == 0
    hint = "  create one with: rag ingest PATH --collection legal\n"
    assert run.error("ask", "--collection", "legal", "When?", code=3).endswith(hint)


def test_a_missing_file_is_named(run: Run) -> None:
    assert run.error("verify", "none.json") == "rag: no such file: none.json\n  check the path\n"
    assert run.error("verify", "docs").startswith("rag: docs is a folder, not a file\n")


def test_another_embedder_is_an_error_with_a_hint(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_EMBEDDER", "docs")
    err = filled.error("ask", "When?", code=3)
    assert "made with embedder = bag-of-words, the settings say docs" in err
    assert "set RAG_EMBEDDER=bag-of-words, or rebuild the index from its text: rag index" in err
    assert filled("list")[0] == 0


def test_an_embedder_that_does_not_exist_is_named(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_EMBEDDER", "nosuch")
    for command in ("ask When?", "search deal", "ingest docs"):
        message, hint = filled.error(*command.split(), code=4).splitlines()
        assert message.startswith("rag: there is no embedder 'nosuch': index index was made with ")
        assert hint == "  set RAG_EMBEDDER to a folder, a hub id such as owner/name, or minilm-qa"


def test_a_truncated_database_is_named_and_left_alone(filled: Run) -> None:
    path = Path("index/rag.sqlite")
    path.write_bytes(path.read_bytes()[:1000])
    for beside_database in Path("index").glob("rag.sqlite-*"):
        beside_database.unlink()
    for command in ("ask When?", "ingest docs", "list"):
        err = filled.error(*command.split(), code=3)
        assert "rag.sqlite" in err
        assert "left unchanged" in err
        assert path.stat().st_size == 1000


def test_an_unknown_variable_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_TRESHOLD", "0.5")
    unknown = "rag: unknown setting 'treshold' in the environment\n  did you mean threshold?\n"
    assert run("list")[2] == unknown


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
    out = filled.out("index", "doctor", code=1)
    assert "WRONG reader: no model folder /no/such/reader\n      set RAG_READER to" in out
    assert "ok    index opens: 2 documents" in out


def test_citations_are_verified_and_receipts_replayed(filled: Run) -> None:
    Path("answer.json").write_text(filled.out("ask", "--json", "When did the US leave the deal?"))
    ok = 'ok      docs/deal.md  "2018": unchanged at its place\n'
    message = "same answer\n  nothing that affects it has changed\n"
    assert filled("verify", "answer.json") == (0, ok, "")
    assert filled("verify", "--replay", "answer.json") == (0, message, "")
    Path("docs/deal.md").write_text(DEAL.replace("2018", "2019"))
    filled("ingest", "docs")
    lines = filled.out("verify", "answer.json", code=1).splitlines()
    assert lines[1] == "        now: The US left the deal in 2019."
    (verdict,) = filled.json("verify", "answer.json", code=1)
    assert (verdict["status"], verdict["edited"]) == ("changed", True)
    out = filled.out("verify", "--replay", "answer.json", code=1)
    assert out.startswith("the answer has changed\n  document docs/deal.md: changed since\n")
    assert "\n2019  (confidence " in out


@pytest.mark.parametrize("options", [[], ["--replay"]])
def test_other_input_is_not_an_answer(filled: Run, options: list[str]) -> None:
    for text in ("nonsense", "[" * 100_000):
        Path("bad.json").write_text(text)
        err = filled.error("verify", *options, "bad.json")
        assert err.startswith("rag: bad.json is not JSON: ")
    Path("bad.json").write_text("[1]")
    assert filled("verify", *options, "bad.json")[0] == 2


def test_calibrate_writes_a_file_and_reports_its_effect(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "judge", SHIPPED_JUDGE)
    answerable = [(f"When did the US leave the deal, {n}?", ["2018"]) for n in range(20)]
    questions = [*answerable, *((f"Who sang at the concert of {n}?", []) for n in range(20))]
    lines = [json.dumps({"question": question, "answers": a}) for question, a in questions]
    Path("gold.jsonl").write_text("\n".join(lines))
    out = filled.out("eval", "calibrate", "gold.jsonl", "--risk", "0.3")
    assert out.splitlines()[0] == "40 questions, 20 of them unanswerable"
    assert "calibrated: " in out
    assert out.endswith("calibration.json: use it with RAG_CALIBRATION=calibration.json\n")
    monkeypatch.setenv("RAG_CALIBRATION", "calibration.json")
    monkeypatch.delenv("RAG_THRESHOLD")
    assert filled("ask", "When did the US leave the deal?")[0] == 0
    Path("gold.jsonl").write_text("\n".join(lines[:5]))
    assert (
        "too few gold questions to estimate a risk: 5"
        in filled("eval", "calibrate", "gold.jsonl")[2]
    )
    Path("gold.jsonl").write_text("")
    assert "gold.jsonl contains no questions" in filled("eval", "calibrate", "gold.jsonl")[2]


def test_a_broken_calibration_is_named(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "judge", SHIPPED_JUDGE)
    monkeypatch.setenv("RAG_CALIBRATION", "none.json")
    err = filled.error("ask", "When?", code=4)
    assert "none.json cannot be read" in err
    assert "rag eval calibrate GOLD" in err
