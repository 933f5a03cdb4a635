"""`rag ask` and `rag search`: an answer with its citations, and the best passages without one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rag import build
from rag.answering.forms import FORMS
from rag.cli.options import FILTER, QUESTION, TOP_K, command, option, show
from rag.filters import Filter, filter_text
from rag.query import Query, check_question
from rag.render import terminal, view
from rag.render.status import Status, clean, plural
from rag.settings import Settings
from rag.types import plain

if TYPE_CHECKING:
    from rag.claims.writer import Written

AS_TYPED = option("Do not correct the question's spelling.")


@command(
    "ask",
    fields="question understood answer verdict confidence abstention_reason form suggestions "
    "pieces more citations alternatives conflicts value documents grid nearest passages_found "
    "passages_read receipt generation timings_ms explain text sentences sources reason",
)
def ask_command(
    settings: Settings,
    question: str = QUESTION,
    top_k: int | None = TOP_K,
    form: str | None = option(
        "Form of the answer. Default: chosen from the question.", type=click.Choice(FORMS)
    ),
    as_typed: bool = AS_TYPED,
    why: bool = option("Explain how the answer was chosen, or why nothing was found."),
    write: bool = option(
        "Let the language model at RAG_WRITER write the answer; each sentence is checked first."
    ),
    show_removed: bool = option("With --write: also show the removed sentences, and why."),
    certificate: Path | None = option(
        "If nothing is found, write what was searched and the nearest passages: .json or .html."
    ),
    filter: Filter = FILTER,
) -> None:
    """Answer QUESTION from the documents, with citations.

    Exits with status 1 if no answer is found; with --certificate, if no certificate is written,
    because there is an answer.

    \b
    Examples:
      rag ask "When does the lease end?"
      rag ask "What is the rent?" --filter type=pdf --filter "year>=2024"
      rag ask "How do I reset the router?" --form steps --why
      rag ask --json "Who signed the lease?" | rag verify
      rag ask --json answer,confidence "Who signed the lease?"
      rag ask "Is there an option to buy?" --certificate absence.html
    """
    if certificate:
        from rag.desk import certificate as certificates

        certificates.check_path(certificate)
    text = check_question(question, settings.max_question)
    if write:
        build.chat_server(settings)  # reports a missing writer before the models load
    opened = build.store_to_ask(settings, filter)
    with Status("loading the models") as status:
        engine = build.engine(settings, opened)
        writer = build.writer(settings, engine) if write else None
        status.show("searching and reading")
        query = Query(text, top_k, filter, form=form or "", as_typed=as_typed)
        record: dict[str, Any] | None = None
        if certificate:
            answer, record = certificates.ask(engine, query)
        else:
            (answer,) = engine.ask_many([query])
        status.show("writing and checking")
        written = writer.write(answer) if writer else None
    if written:
        sentences = written.sentences if show_removed else written.kept
        show(plain(written) | {"sentences": plain(sentences)}, _lines(written, show_removed))
    else:
        value = answer.to_dict() | ({"explain": view.explain(answer)} if why else {})
        show(value, terminal.answer(answer) + (terminal.why(answer) if why else ""), paged=True)
    if certificate is None:
        sys.exit(0 if answer.text is not None else 1)
    if record is None:
        cause = "was answered" if answer.text else "is about rag itself"
        click.echo(f"rag: the question {cause}, so no certificate was written", err=True)
        sys.exit(1)
    certificates.write(record, certificate)
    check = f"check it with: rag verify {certificate}"
    click.echo(f"rag: certificate written to {certificate}; {check}", err=True)


def _lines(written: Written, show_removed: bool) -> Iterator[str]:
    """The written answer with what it cites; the extractive answer if no sentence is left."""
    if written.text is not None:
        yield from (click.style(clean(written.text), bold=True), "")
        cited = {number for sentence in written.kept for number in sentence.cited}
        for source in written.sources:
            if source.number in cited:
                passage = source.hit.passage
                place = f"{passage.document_id}:{passage.start}-{passage.end}"
                yield f"[{source.number}] {clean(f'{place}  {source.text}')}"
    else:
        yield from (terminal.answer(written.answer), "")
        yield clean(f"No written answer: {written.reason}.")
    if written.struck:
        hint = "" if show_removed else "; --show-removed shows them"
        yield from ("", f"{plural(len(written.struck), 'unsupported sentence')} left out{hint}")
        for sentence in written.struck if show_removed else ():
            yield from (clean(f"  {sentence.text}"), clean(f"    {sentence.struck}"))


@command("search")
def search_command(
    settings: Settings,
    question: str = QUESTION,
    as_typed: bool = AS_TYPED,
    top_k: int = option(
        "Number of passages.",
        "-k",
        "--top-k",
        type=click.IntRange(1, 1000),
        default=10,
        show_default=True,
    ),
    filter: Filter = FILTER,
) -> None:
    """Show the passages that best match QUESTION, best first, without an answer.

    \b
    Examples:
      rag search "lease"
      rag search -k 3 "termination notice" --filter source:notes/flat
      rag search --json "rent increase" | jq -r '.[].document_id'
    """
    text = check_question(question, settings.max_question)
    opened = build.store_to_ask(settings, filter)
    with Status("loading the embedder"):
        retriever = build.retriever(settings, opened)
        (result,) = retriever.find_many([Query(text, top_k, filter, as_typed=as_typed)])
    if result.question != text:
        click.echo(terminal.understood(result.question), err=True)
    if filter and not result.hits:
        click.echo(f"rag: no document matches {filter_text(filter)}", err=True)
    hits = enumerate(result.hits, 1)
    show(result.hits, (line for number, hit in hits for line in terminal.hit(number, hit)))
