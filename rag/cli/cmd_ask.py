"""`rag ask` and `rag search`."""

from __future__ import annotations

import sys

import click

from rag import build
from rag.answering.explain import explain
from rag.answering.forms import FORMS
from rag.answering.searcher import Query, check_question
from rag.cli import writer_output
from rag.cli.options import filter_option, shared
from rag.filters import Filter, shown
from rag.render import terminal
from rag.render.json import plain, print_json
from rag.settings import Settings

as_typed = click.option(
    "--as-typed", "as_typed", is_flag=True, help="Do not correct the question's spelling."
)


@click.command("ask")
@click.argument("question", nargs=-1, required=True)
@click.option(
    "--read",
    type=click.IntRange(1, 200),
    help="Number of passages to read. Default: RAG_TOP_K, or 8.",
)
@click.option(
    "--form",
    type=click.Choice(FORMS),
    help="Form of the answer. Default: chosen from the question.",
)
@as_typed
@click.option(
    "--why", is_flag=True, help="Explain how the answer was chosen, or why there is none."
)
@click.option(
    "--write",
    is_flag=True,
    help="Let the language model at RAG_WRITER write the answer; each sentence is checked first.",
)
@click.option(
    "--struck", is_flag=True, help="With --write: also show the rejected sentences, and why."
)
@filter_option
@shared
def ask_command(
    settings: Settings,
    as_json: bool,
    question: tuple[str, ...],
    read: int | None,
    form: str | None,
    filter: Filter,
    why: bool,
    write: bool,
    struck: bool,
    as_typed: bool,
) -> None:
    """Answer QUESTION from the documents, with citations.

    Exits with status 1 if no answer is found.

    \b
    Examples:
      rag ask "When does the lease end?"
      rag ask "What is the rent?" --filter type=pdf --filter "year>=2024"
      rag ask "How do I reset the router?" --form steps --why
      rag ask --json "Who signed the lease?" | rag verify
    """
    asked = check_question(" ".join(question), settings.max_question)
    engine = build.engine(settings)
    # Built first, so that a missing writer is reported before the question is answered.
    writer = build.writer(settings, engine) if write else None
    (found,) = engine.ask_many([Query(asked, read, filter, form=form or "", as_typed=as_typed)])
    if writer:
        writer_output.show(writer.write(found), as_json, struck)
    elif as_json:
        print_json(plain(found) | ({"why": explain(found)} if why else {}))
    else:
        click.echo(terminal.answer(found))
        click.echo(terminal.why(found)) if why else None
    sys.exit(0 if found.text is not None else 1)


@click.command("search")
@click.argument("question", nargs=-1, required=True)
@as_typed
@click.option(
    "-k", type=click.IntRange(1, 1000), default=10, show_default=True, help="Number of passages."
)
@filter_option
@shared
def search_command(
    settings: Settings,
    as_json: bool,
    question: tuple[str, ...],
    k: int,
    filter: Filter,
    as_typed: bool,
) -> None:
    """Show the passages that best match QUESTION, best first, without an answer.

    \b
    Examples:
      rag search "lease"
      rag search -k 3 "termination notice" --filter source:notes/flat
      rag search --json "rent increase" | jq -r '.[].passage.document_id'
    """
    asked = check_question(" ".join(question), settings.max_question)
    (found,) = build.searcher(settings).find_many([Query(asked, k, filter, as_typed=as_typed)])
    if found.question != asked:
        click.echo(terminal.understood(found.question), err=True)
    if filter and not found.hits:
        click.echo(f"rag: no document matches {shown(filter)}", err=True)
    if as_json:
        print_json(found.hits)
        return
    for number, hit in enumerate(found.hits, 1):
        click.echo("\n".join(terminal.hit(number, hit)))
