"""`rag grid` and standing questions on the command line."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from rag import build
from rag.protocols import ReaderOutput
from rag.types import Hit
from tests.cli.helpers import Run
from tests.fakes import NameReader

GRID = """
refresh = "on_sync"
all_documents = true

[[columns]]
name = "Year"
question = "In which year did the US leave the deal?"
type = "date"

[[columns]]
name = "Place"
question = "Who hosted the secret talks?"
"""


@pytest.fixture
def synced(run: Run) -> Run:
    assert run("sync", "docs")[0] == 0
    Path("deal.toml").write_text(GRID)
    return run


def cells(run: Run, name: str = "deal") -> dict[str, dict[str, str]]:
    return {
        row["row"]: {cell["column"]: cell.get("value", "") for cell in row["cells"]}
        for row in run.json("grid", "show", name)["rows"]
    }


def test_a_grid_is_asked_kept_shown_and_deleted(synced: Run) -> None:
    out = synced.out("grid", "run", "deal.toml")
    assert "| docs/deal.md  | 2018 " in out
    assert "deal: 3 rows of 2 columns: " in out
    assert cells(synced)["docs/deal.md"]["Year"] == "2018"
    assert cells(synced)["docs/oman.txt"]["Place"] in ("Muscat", "Oman")
    assert cells(synced)["*"]["Year"] == "2018"
    assert "deal: 3 rows of 2 columns" in synced("grid", "list")[1]
    assert synced("grid", "changes", "deal") == (0, "", "")
    assert synced("grid", "delete", "deal") == (0, "deleted grid deal\n", "")
    assert "no grid 'deal'" in synced.error("grid", "show", "deal")
    assert synced("grid", "list") == (0, "no grids\n", "")


def json_lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


class _Stopped(NameReader):
    """Somebody presses Ctrl-C at the second batch."""

    batches = 0

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        self.batches += 1
        if self.batches == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return super().read_many(questions)


def test_ctrl_c_keeps_what_was_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        Path(f"docs/{number}.md").write_text(f"The US left deal {number} in 20{number + 10}.")
    run("sync", "docs")
    Path("deal.toml").write_text(GRID)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(build, "reader", lambda settings: _Stopped())
            code, out, err = run("grid", "run", "deal.toml")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert (code, out) == (130, "")
    assert "rag: stopped; 32 cells of 46 are kept; run it again to continue\n" in err
    assert "14 not asked yet" in run("grid", "list")[1]
    code, out, _ = run("grid", "run", "deal.toml")
    assert (code, "not asked yet" in out) == (0, False)


def test_a_cell_has_its_place_and_digest(synced: Run) -> None:
    synced("grid", "run", "deal.toml", "--filter", "type=md")
    grid = synced.json("grid", "show", "deal")
    assert grid["definition"]["filter"] == ["type=md"]
    (row, _) = grid["rows"]
    (year, _) = row["cells"]
    (quote, *_) = year["quotes"]
    text = synced("show", "docs/deal.md")[1]
    assert text[quote["start"] : quote["end"]] == quote["text"] == year["value"] == "2018"
    assert text[quote["sentence_start"] : quote["sentence_end"]] == quote["sentence"]
    assert (quote["document_id"], len(quote["sha256"])) == ("docs/deal.md", 64)
    assert (year["typed"]["iso"], quote["headings"]) == ("2018", ["The deal", "The exit"])


def test_every_format_is_written(synced: Run) -> None:
    synced("grid", "run", "deal.toml", "--out", "deal.xlsx")
    book = openpyxl.load_workbook("deal.xlsx")
    assert book.sheetnames == ["Grid", "Quotes"]
    year = book["Grid"]["C2"]
    assert year.value == "2018"
    assert book["Quotes"].max_row > 2
    assert book["Grid"]["A2"].hyperlink.target.startswith("file:///")
    for suffix in ("csv", "html", "md", "jsonl"):
        out = synced.out("grid", "show", "deal", "--out", f"deal.{suffix}")
        assert f"written to deal.{suffix}" in out
        assert "2018" in Path(f"deal.{suffix}").read_text()
    lines = json_lines("deal.jsonl")
    assert [line["column"] for line in lines] == ["Year", "Place"] * 3
    err = synced.error("grid", "show", "deal", "--out", "deal.doc")
    assert ".xlsx, .csv, .html, .md, .gold.jsonl, .jsonl" in err
    assert synced("grid", "show", "deal", "--out", "none/deal.csv")[0] == 2


def test_a_standing_grid_is_asked_again_after_a_sync(synced: Run) -> None:
    synced("grid", "run", "deal.toml")
    deal = Path("docs/deal.md")
    deal.write_text(deal.read_text().replace("2018", "2019"))
    code, out, err = synced("sync", "docs")
    assert (code, out) == (0, "index: 1 updated, 1 unchanged\n")
    assert "rag: grid deal: 3 answers changed; see: rag grid changes 'deal'" in err
    code, out, _ = synced("grid", "changes", "deal", "--json", "--since", "2020-01-01")
    changes = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert {(change["row"], change["column"], change["document_id"]) for change in changes} == {
        ("docs/deal.md", "Year", "docs/deal.md"),
        ("docs/deal.md", "Place", "docs/deal.md"),
        ("*", "Year", "docs/deal.md"),
    }
    values = {(change["before"]["value"], change["after"]["value"]) for change in changes}
    assert values == {("2018", "2019")}
    out = synced.out("grid", "changes", "deal", code=1)
    assert (out.count("was: 2018"), out.count("is:  2019")) == (3, 3)
    assert synced("grid", "changes", "deal", "--seen")[:2] == (1, out), "a look marks nothing"
    assert synced("grid", "changes", "deal") == (0, "", ""), "they were marked as seen"
    assert "leave one" in synced.error("grid", "changes", "deal", "--seen", "--since", "2020-01-01")
    assert synced("sync", "docs") == (0, "index: 2 unchanged; the index has not changed\n", "")


def test_new_and_removed_documents_are_changes(synced: Run) -> None:
    synced("grid", "run", "deal.toml")
    Path("docs/oman.txt").unlink()
    Path("docs/accord.md").write_text("The US will leave the deal in 2031.")
    assert "answers changed" in synced("sync", "docs")[2]
    out = synced("grid", "changes", "deal")[1]
    assert "docs/accord.md, Year: new row" in out
    assert out.count("docs/oman.txt: document deleted") == 1
    assert "Muscat" not in json.dumps(synced("grid", "show", "deal", "--json")[1])
    assert "Muscat" not in out
    assert b"Muscat" not in Path("index/rag.sqlite").read_bytes()


def test_a_deletion_counts_the_cells_that_quoted_the_document(synced: Run) -> None:
    synced("grid", "run", "deal.toml")
    out = synced.out("delete", "docs/oman.txt")
    (counted,) = [word for word in out.split(", ") if "grid cells" in word]
    assert counted.split(";")[0].endswith("-> 0")
    assert not counted.startswith("grid cells 0")
    assert "document deleted" in synced("grid", "changes", "deal")[1]


def test_a_person_rates_a_cell(synced: Run) -> None:
    synced("grid", "run", "deal.toml")
    assert synced("grid", "rate", "deal", "docs/deal.md", "Year", "corrected")[0] == 2
    code, *_ = synced("grid", "rate", "deal", "docs/deal.md", "Year", "corrected", "8 May 2018")
    assert code == 0
    assert synced("grid", "rate", "deal", "docs/deal.md", "Nothing", "confirmed")[0] == 2
    assert synced("grid", "rate", "deal", "nowhere", "Year", "confirmed")[0] == 2
    synced("grid", "show", "deal", "--out", "deal.csv")
    assert "8 May 2018,corrected," in Path("deal.csv").read_text()


def test_the_terminal_has_the_words_and_a_file_escapes_them(synced: Run) -> None:
    synced("grid", "run", "deal.toml")
    words = "Ames & <b>Sons</b> | C:\\deal"
    synced("grid", "rate", "deal", "docs/deal.md", "Place", "corrected", words)
    assert words in synced.out("grid", "show", "deal")
    synced("grid", "show", "deal", "--out", "deal.md")
    escaped = "Ames &amp; &lt;b&gt;Sons&lt;/b&gt; \\| C:\\\\deal"
    assert escaped in Path("deal.md").read_text()


@pytest.mark.parametrize(
    ("line", "wrong_line", "message"),
    [
        (GRID, "[[columns", "is not TOML"),
        ("refresh", "refreshes", "unknown key 'refreshes'\n  did you mean refresh?"),
        ("type =", "kind =", "unknown key 'kind'"),
        ('"date"', '"day"', "'day'\n  choose one of: text, date"),
        ("Year", "place", "two columns called 'Place'"),
        ("In which", "In which " * 200, "question too long: 1,"),
        ("all_documents = true", 'all_documents = "yes"', "write true or false"),
        ("all_documents = true", 'rows = "none"', "has no rows"),
        ("all_documents = true", 'filter = ["type=pdf"]', "no document matches type=pdf"),
        ("all_documents = true", 'filter = ["x"]', "'x' is not a filter"),
        ("all_documents = true", 'name = "a/b"', "'a/b' is not a grid's name"),
        ("[[columns]]", "[columns]", "is not TOML"),
        (
            "In which year did the US leave the deal?",
            " ",
            "(Year) has no question\n  rag grid --help shows a grid file",
        ),
    ],
)
def test_a_bad_grid_file_is_explained(
    synced: Run, line: str, wrong_line: str, message: str
) -> None:
    Path("deal.toml").write_text(GRID.replace(line, wrong_line))
    assert message in synced.error("grid", "run", "deal.toml")
    assert synced("grid", "list")[1] == "no grids\n"


def test_rows_that_are_looked_for_in_vain_are_named(synced: Run) -> None:
    Path("deal.toml").write_text(f'name = "our deal"\n{GRID}')
    synced("grid", "run", "deal.toml")
    show = ("grid", "show", "our deal")
    assert synced.out(*show, "--value", "Pluto", "--state", "absent") == (
        "our deal: none of 3 rows has a cell that is not in the document and contains 'Pluto'\n"
        "show all with: rag grid show 'our deal'\n"
    )
    assert synced.json(*show, "--value", "Pluto")["rows"] == []
    synced(*show, "--value", "Pluto", "--out", "none.csv")
    assert Path("none.csv").read_text().count("\n") == 1
    err = synced.error("grid", "rate", "our deal", "nowhere", "Year", "confirmed")
    assert "rag grid show 'our deal'" in err


def test_missing_files_and_names_are_reported(synced: Run) -> None:
    err = synced.error("grid", "run", "no-such.toml")
    assert "no-such.toml: No such file or directory\n  check the path; rag grid --help shows" in err
    assert "rag grid refresh NAME" in err
    assert "[[columns]]" in synced.out("grid", "--help"), "as the hint says"
    assert synced("grid", "refresh", "deal")[0] == 2
    assert synced("grid", "changes", "deal")[0] == 2
    synced("grid", "run", "deal.toml")
    err = synced.error("grid", "changes", "deal", "--since", "yesterday")
    assert "'yesterday' is not a date" in err


def test_rated_cells_are_gold_questions_for_eval(synced: Run) -> None:
    """The same question has another answer in each document, so only the row may be asked."""
    Path("docs/oman.txt").write_text("Oman hosted the secret talks. Ada left the deal in 2031.\n")
    synced("sync", "docs")
    synced("grid", "run", "deal.toml")
    for row in ("docs/deal.md", "docs/oman.txt"):
        synced("grid", "rate", "deal", row, "Year", "confirmed")
    synced("grid", "rate", "deal", "docs/oman.txt", "Place", "corrected", "Oman")
    synced("grid", "rate", "deal", "*", "Year", "rejected")
    synced("grid", "rate", "deal", "*", "Place", "confirmed")
    assert synced("grid", "rate", "deal", "*", "Place", "withdrawn")[0] == 0
    assert synced("grid", "show", "deal", "--out", "deal.gold.jsonl")[0] == 0
    lines = json_lines("deal.gold.jsonl")
    assert [(line["group"], line["answers"]) for line in lines] == [
        ("docs/deal.md", ["2018"]),
        ("docs/oman.txt", ["2031"]),
        ("docs/oman.txt", ["Oman"]),
    ]
    assert lines[1]["filter"] == ["document=docs/oman.txt"]
    assert lines[0]["evidence"][0]["sentence"].endswith("The US left the deal in 2018.")
    out = synced.out("eval", "run", "deal.gold.jsonl", "--out", "out", "--json")
    assert json.loads(out)["metrics"]["em_answerable"] == 1.0
