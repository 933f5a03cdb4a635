"""`rag check`: checks texts against the documents, sentence by sentence, and their quotations."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from rag import build
from rag.claims.results import FAILURES, CheckedFile, CheckReport, NoClaimsError
from rag.cli.options import (
    FILTER,
    LocalPath,
    argument,
    check_folder,
    command,
    option,
    show,
    text_of_file,
    write_text,
)
from rag.errors import InputError, writing_to
from rag.filters import Condition, Filter
from rag.render.status import clean
from rag.settings import Settings

_DEFAULT = "contradicted,not_in_documents,wrong_citation,quotation"


@command(
    "check",
    fields="sentences quotations counts quotation_counts generation failed files",
)
def check_command(
    settings: Settings,
    files: tuple[str, ...] = argument(type=LocalPath(allow_dash=True), metavar="FILE..."),
    fail_on: str = option(
        "Verdicts that make the exit status 1, or none; quotation is any quotation with a fault. "
        f"From {', '.join(FAILURES)}.",
        default=_DEFAULT,
        show_default=True,
        metavar="KINDS",
    ),
    junit: Path | None = option("Write a JUnit file with one test per claim and quotation."),
    html: Path | None = option("Write a marked copy of the text, with evidence, as a web page."),
    docx: Path | None = option("Write a copy of a DOCX file with a comment at each fault."),
    quotations: bool = option("Check only the quotations, which is fast and needs no model."),
    allow_empty: bool = option("Pass a file that makes no claim and quotes nothing."),
    quiet: bool = option("Leave out supported sentences and exact quotations.", "--quiet", "-q"),
    filter: Filter = FILTER,
) -> None:
    """Check the text in each FILE (- for stdin) against the documents: each sentence, and each
    quotation of four words or more, word for word.

    The text may be plain text, Markdown, or a chat answer with [n] citations and a list of sources;
    of DOCX, PDF, HTML and the other formats that rag reads, it is what ingesting them would store.
    If a file is also in the index, it does not count as its own evidence. Exits with status 1 if a
    sentence is contradicted, is not in the documents, or cites a passage that does not support it,
    or if a quotation has a fault; --fail-on changes that.

    \b
    Examples:
      rag check notes.md
      rag check answer.txt --html report.html
      rag check brief.docx --quotations --html marked.html
      rag check brief.md --fail-on quotation
      rag check brief.docx --docx commented.docx
      rag check docs/*.md --allow-empty --quiet
      rag check CHANGELOG.md --fail-on contradicted --junit claims.xml
    """
    kinds = _kinds(fail_on)
    for option_name, path in (("--html", html), ("--docx", docx)):
        if path and len(files) > 1:
            message = f"{option_name} {path} is for one file, not for {len(files)}"
            raise InputError(message, f"check each file on its own, or leave out {option_name}")
    if docx and Path(files[0]).suffix.lower() != ".docx":
        message = f"--docx {docx} is a copy of a DOCX file, which {files[0]} is not"
        raise InputError(message, "use --html for a marked copy of other files")
    for path in (junit, html, docx):
        check_folder(path)
    texts = [("stdin" if file == "-" else file, text_of_file(file)) for file in files]
    has_claims = [_has_claims(name, text, quotations, allow_empty) for name, text in texts]
    checked: list[CheckedFile] = []
    with _quotations(settings) if quotations else _claims(settings, filter) as check:
        for (name, text), to_check in zip(texts, has_claims, strict=True):
            report = CheckReport(text, (), 0)
            if to_check:
                report = check(text, (*filter, *_not_itself(name)))
            checked.append((name, report, report.failures(kinds)))
    if docx:
        _comment(files[0], checked[0][1], docx)
    _report(checked, junit, html, quiet)
    sys.exit(1 if any(failed for _, _, failed in checked) else 0)


CheckText = Callable[[str, Filter], CheckReport]
"""Checks a text against the documents that a filter admits."""


@contextmanager
def _quotations(settings: Settings) -> Iterator[CheckText]:
    from rag.claims.quotation_check import check_quotations

    with closing(build.store(settings, any_embedder=True)) as store:
        yield lambda text, filter: check_quotations(store, text, filter)


@contextmanager
def _claims(settings: Settings, filter: Filter) -> Iterator[CheckText]:
    from tqdm import tqdm

    opened = build.store_to_ask(settings, filter)
    checker = cache(lambda: build.checker(settings, opened))

    def check(text: str, filter: Filter) -> CheckReport:
        with tqdm(unit="sentence", disable=None, file=sys.stderr) as bar:

            def on_progress(checked: int, total: int) -> None:
                bar.total = total
                bar.update(checked - bar.n)

            return checker().check(text, filter, on_progress=on_progress)

    yield check


def _not_itself(name: str) -> Filter:
    """A condition that the document of this file does not meet."""
    return () if name == "stdin" else (Condition("source", "!=", str(Path(name).resolve())),)


def _has_claims(name: str, text: str, only_quotations: bool, allow_empty: bool) -> bool:
    """Whether there is something to check in the text of this file, which is found before a model
    loads. Raises InputError if it is too long or, unless `allow_empty`, if there is nothing.
    """
    from rag.claims.quotation_check import check_has_claims

    try:
        check_has_claims(text, only_quotations)
    except NoClaimsError as error:
        if allow_empty:
            return False
        hint = f"{error.hint}; --allow-empty passes such a file"
        raise NoClaimsError(f"{name}: {error.message}", hint) from error
    except InputError as error:
        raise InputError(f"{name}: {error.message}", error.hint) from error
    return True


def _comment(file: str, report: CheckReport, path: Path) -> None:
    """Write a copy of a DOCX file with comments."""
    from rag.claims import report as reports
    from rag.parsing.docx_comments import with_comments

    content = with_comments(Path(file).read_bytes(), reports.comments(report))
    with writing_to(path, "choose another file"):
        path.write_bytes(content)


def _report(checked: list[CheckedFile], junit: Path | None, html: Path | None, quiet: bool) -> None:
    """Write and print the reports; of one file as it is, of several each under its name."""
    from rag.claims import report as reports

    if junit:
        write_text(junit, reports.junit(checked))
    if html:
        ((name, report, _),) = checked
        write_text(html, reports.page(report, name))
    values = [{**report.to_dict(), "failed": len(failed)} for _, report, failed in checked]
    lines = [reports.lines(report, quiet) for _, report, _ in checked]
    if len(checked) == 1:
        show(values[0], map(clean, lines[0]))
        return
    names = [name for name, _, _ in checked]
    value = {
        "files": [{"file": name, **of_file} for name, of_file in zip(names, values, strict=True)],
        "failed": sum(len(failed) for _, _, failed in checked),
    }
    texts = (["", name, *of_file] for name, of_file in zip(names, lines, strict=True) if of_file)
    show(value, (clean(line) for text in texts for line in text))


def _kinds(text: str) -> list[str]:
    kinds = [kind.strip().replace("-", "_") for kind in text.split(",") if kind.strip()]
    if kinds == ["none"]:
        return []
    unknown_kinds = [kind for kind in kinds if kind not in FAILURES]
    if unknown_kinds or not kinds:
        message = f"unknown verdict {unknown_kinds[0] if unknown_kinds else text!r} in --fail-on"
        raise InputError(message, f"choose from: {', '.join(FAILURES)}; or none")
    return kinds
