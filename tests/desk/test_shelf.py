"""Questions over the whole shelf, asked of a small index with small real models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import build
from rag.answering.verification import citations, verify
from rag.desk.grid_file import definition
from rag.engine import Engine
from rag.render import terminal
from rag.render.cited import cited
from rag.settings import Settings
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge, document, whole_shelf
from tests.small_index import add, new_store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    store = new_store(tmp_path)
    settings = Settings(index=tmp_path, embedder="bag-of-words", threshold=0.15)
    opened = build.assemble(settings, store, BagOfWordsEmbedder(), NameReader(), SpanJudge())
    opened.shelf = whole_shelf()
    yield opened
    store.close()


def put_leases(engine: Engine, **texts: str) -> None:
    add(
        engine.store,
        *(document(text, f"l/lease-{name}.txt", f"Lease {name}") for name, text in texts.items()),
    )


def outcomes(engine: Engine, question: str) -> dict[str, str]:
    grid = engine.ask(question).grid
    assert grid
    return {row.document_id.removeprefix("l/lease-")[:-4]: row.outcome for row in grid.rows}


ENDS = {
    "elm": "The lease ends in 2026.",
    "oak": "The lease ends in 2030.",
    "fir": "It is agreed that the lease ends in 2026.",
    "ash": "Nothing was agreed.",
}


def test_documents_are_listed_with_their_quotes(engine: Engine) -> None:
    put_leases(engine, **ENDS)
    answer = engine.ask("Which leases end in 2026?")
    assert answer.text == "2 of 4 documents\nLease elm: 2026\nLease fir: 2026"
    assert [piece.text for piece in answer.pieces] == ["2026", "2026"]
    expected = {"elm": "counted", "fir": "counted", "oak": "other", "ash": "silent"}
    assert outcomes(engine, "Which leases end in 2026?") == expected


def test_all_and_any_are_answered_with_the_documents_that_decide(engine: Engine) -> None:
    put_leases(engine, **ENDS)
    answer = engine.ask("Do all leases end in 2026?")
    assert answer.text == "No. Otherwise in 1 of 4 documents\nLease oak: 2030"
    assert answer.verdict == "no"
    answer = engine.ask("Do any leases end in 2026?")
    assert answer.text == "Yes. 2 of 4 documents\nLease elm: 2026\nLease fir: 2026"
    assert answer.verdict == "yes"
    assert engine.ask("Do any leases end in 2031?").text is None


def test_all_is_open_while_a_document_is_silent(engine: Engine) -> None:
    put_leases(engine, elm=ENDS["elm"], fir=ENDS["fir"], ash=ENDS["ash"])
    answer = engine.ask("Do all leases end in 2026?")
    assert (answer.text or "").startswith("2 of 3 documents, and no other says otherwise\n")
    assert answer.verdict is None


def test_the_json_has_the_cells_and_the_counts(engine: Engine) -> None:
    put_leases(engine, **ENDS)
    answer = engine.ask("Which leases end in 2026?").to_dict()
    counts = answer["grid"]["counts"]
    assert (counts["counted"], counts["other"], counts["silent"]) == (2, 1, 1)
    cells = {row["title"]: row["cells"][0] for row in answer["grid"]["rows"]}
    assert cells["Lease elm"]["citation"]["cited_text"] == ENDS["elm"]
    assert (cells["Lease ash"]["state"], cells["Lease ash"]["citation"]) == ("absent", None)
    assert answer["grid"]["columns"][0]["question"] == "When does the lease end?"


def test_every_quote_can_be_verified(engine: Engine) -> None:
    put_leases(engine, **ENDS)
    answer = engine.ask("Which leases end in 2026?").to_dict()
    for cited_place in answer["citations"]:
        (citation,) = citations(cited_place)
        assert verify(engine.store, citation).status == "ok"


def test_the_last_and_the_count(engine: Engine) -> None:
    put_leases(engine, **ENDS)
    last_lease = engine.ask("Which lease ends last?")
    assert last_lease.text == "Lease oak\nLease oak: 2030"
    assert last_lease.value
    assert last_lease.value.iso == "2030"
    count = engine.ask("How many leases end in 2026?")
    assert count.value
    assert count.value.number == 2


RENTS = {
    "elm": "The rent is 600 GBP per month.",
    "oak": "The rent is 250 GBP per month.",
    "ash": "Nothing was agreed.",
}
RENT = "What is the total of the rents of the leases?"


def test_amounts_are_added_and_the_silent_are_named(engine: Engine) -> None:
    put_leases(engine, **RENTS)
    answer = engine.ask(RENT)
    assert (answer.text or "").startswith("£850 per month, the sum of 2 documents\n")
    assert answer.value
    assert (answer.value.kind, answer.value.number) == ("computed", 850)
    text = terminal.answer(answer)
    assert "3 documents asked: 2 counted, 1 silent." in text
    assert "Silent: Lease ash." in text


def test_two_named_documents_are_compared(engine: Engine) -> None:
    put_leases(engine, **RENTS)
    answer = engine.ask("Which is cheaper per month, elm or oak?")
    assert [piece.label for piece in answer.pieces] == ["Lease oak", "Lease elm"]
    assert (answer.text or "").startswith("Lease oak\n")
    difference = engine.ask("How much more per month does elm cost than oak?")
    assert (difference.text or "").startswith("£350 per month, the difference of two documents\n")


@pytest.mark.parametrize(
    ("rent", "why"),
    [
        ("The rent is 250 EUR per month.", "different currencies: EUR, GBP"),
        ("The rent is 250 GBP per year.", "different periods: per month, per year"),
    ],
)
def test_mixed_amounts_have_no_sum(engine: Engine, rent: str, why: str) -> None:
    put_leases(engine, **{**RENTS, "oak": rent})
    answer = engine.ask(RENT)
    assert answer.text is None
    assert why in (answer.abstention_reason or "")
    assert answer.grid
    assert answer.grid.counts["counted"] == 2


def test_amounts_for_several_periods_are_compared_and_added_per_month(engine: Engine) -> None:
    put_leases(engine, elm=RENTS["elm"], oak="The rent is 2400 GBP per year.")
    dearest = engine.ask("Which lease is the dearest?")
    assert (dearest.text or "").startswith("Lease elm\n")
    together = engine.ask("What do the two leases cost a month together?")
    assert (together.text or "").startswith("£800 per month, the sum of 2 documents\n")
    limited = engine.ask("Which leases cost less than £300 a month?")
    assert (limited.text or "").startswith("1 of 2 documents\n")


def test_leases_are_counted_without_reading_them(engine: Engine) -> None:
    put_leases(engine, **ENDS)
    answer = engine.ask("How many leases do I have?")
    assert answer.value
    assert answer.value.number == 4
    assert len(answer.citations) == 4
    assert outcomes(engine, "How many leases are there?") == dict.fromkeys(ENDS, "counted")


def test_a_place_narrows_the_documents(engine: Engine) -> None:
    put_leases(
        engine,
        elm="The house is in Norwich. The lease ends in 2026.",
        oak="The house is in Bristol. The lease ends in 2026.",
        ash="The house is in Norwich. The lease ends in 2030.",
    )
    found = outcomes(engine, "Which leases in Norwich end in 2026?")
    assert found == {"elm": "counted", "oak": "other", "ash": "other"}


def test_more_documents_than_are_asked_at_once_are_a_grid(engine: Engine) -> None:
    put_leases(engine, **{f"n{n}": f"The lease ends in {2000 + n}." for n in range(51)})
    answer = engine.ask("Which leases end in 2026?")
    assert answer.text is None
    assert "51 documents" in (answer.abstention_reason or "")
    assert answer.grid
    assert not answer.grid.rows
    spec = definition(answer.grid.definition, "the answer")
    assert spec.columns[0].question == "When does the lease end?"
    assert "[[columns]]" in cited(answer).text


def test_a_filter_narrows_the_shelf_and_one_document_is_asked_plainly(engine: Engine) -> None:
    from rag.filters import parse

    put_leases(engine, **ENDS)
    question = "Which leases end in 2026?"
    filtered = engine.ask(question, filter=parse(["title=Lease elm"]))
    assert filtered.grid is None, "one document is no shelf"
    assert engine.ask(question, filter=parse(["document=l/lease-elm.txt"])).grid is None


def test_silent_documents_leave_the_question_to_passages(engine: Engine) -> None:
    put_leases(engine, elm="Nothing was agreed.", oak="Nothing was said.")
    assert engine.ask("Which leases end in 2026?").grid is None


def test_documents_are_not_asked_after_the_deadline(engine: Engine) -> None:
    put_leases(engine, **{f"n{n}": "The lease ends in 2026." for n in range(20)})
    answer = engine.ask("Which leases end in 2026?", deadline=0.0)
    assert answer.grid
    assert answer.grid.counts["waiting"] == 4
    count = engine.ask("How many leases end in 2026?", deadline=0.0)
    assert count.text is None
    assert "4 of 20 documents were not asked" in (count.abstention_reason or "")
