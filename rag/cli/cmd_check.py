"""`rag check`: checks a text against the documents, sentence by sentence, and its quotations."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click

from rag import build
from rag.claims.results import FAILURES, CheckReport
from rag.cli.options import (
    FILTER,
    argument,
    check_folder,
    command,
    option,
    read_document,
    show,
    write_text,
)
from rag.errors import InputError
from rag.filters import Filter
from rag.render.status import clean
from rag.settings import Settings

_DEFAULT = "contradicted,not_in_documents,wrong_citation,quotation"


@command("check")
def check_command(
    settings: Settings,
    file: str = argument(type=click.Path(allow_dash=True)),
    fail_on: str = option(
        "Verdicts that make the exit status 1, or none; quotation is any quotation with a fault. "
        f"From {', '.join(FAILURES)}.",
        default=_DEFAULT,
        show_default=True,
        metavar="KINDS",
    ),
    junit: Path | None = option("Write a JUnit file with one test per claim and quotation."),
    html: Path | None = option("Write a marked copy of the text, with evidence, as a web page."),
    quotations: bool = option("Check only the quotations, which is fast and needs no model."),
    quiet: bool = option("Leave out supported sentences and exact quotations.", "--quiet", "-q"),
    filter: Filter = FILTER,
) -> None:
    """Check the text in FILE (- for stdin) against the documents: each sentence, and each
    quotation of four words or more, word for word.

    The text may be plain text, Markdown, or a chat answer with [n] citations and a list of sources;
    of DOCX, PDF, HTML and the other formats that rag reads, it is what ingesting them would store.
    Exits with status 1 if a sentence is contradicted, is not in the documents, or cites a passage
    that does not support it, or if a quotation has a fault; --fail-on changes that.

    \b
    Examples:
      rag check notes.md
      rag check answer.txt --html report.html
      rag check brief.docx --quotations --html marked.html
      rag check brief.md --fail-on quotation
      rag check CHANGELOG.md --fail-on contradicted --junit claims.xml
    """
    kinds = _kinds(fail_on)
    text, name = read_document(file), "stdin" if file == "-" else file
    check_folder(junit)
    check_folder(html)
    report = _quotations(settings, text, filter) if quotations else _all(settings, text, filter)
    from rag.claims import report as reports

    failed = report.failures(kinds)
    if junit:
        write_text(junit, reports.junit(report, failed, name))
    if html:
        write_text(html, reports.page(report, name))
    value = {**report.to_dict(), "failed": len(failed)}
    show(value, [clean(line) for line in reports.lines(report, quiet)])
    sys.exit(1 if failed else 0)


def _quotations(settings: Settings, text: str, filter: Filter) -> CheckReport:
    from rag.claims.quotation_check import check_quotations

    with closing(build.store(settings, any_embedder=True)) as store:
        return check_quotations(store, text, filter)


def _all(settings: Settings, text: str, filter: Filter) -> CheckReport:
    from tqdm import tqdm

    checker = build.checker(settings)
    with tqdm(unit="sentence", disable=None, file=sys.stderr) as bar:

        def on_progress(checked: int, total: int) -> None:
            bar.total = total
            bar.update(checked - bar.n)

        return checker.check(text, filter, on_progress=on_progress)


def _kinds(text: str) -> list[str]:
    kinds = [kind.strip().replace("-", "_") for kind in text.split(",") if kind.strip()]
    if kinds == ["none"]:
        return []
    wrong = [kind for kind in kinds if kind not in FAILURES]
    if wrong or not kinds:
        message = f"unknown verdict {wrong[0] if wrong else text!r} in --fail-on"
        raise InputError(message, f"choose from: {', '.join(FAILURES)}; or none")
    return kinds
