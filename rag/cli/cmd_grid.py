"""`rag grid`: asks the same questions of every document, and shows, rates and deletes grids."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from rag import build
from rag.cli.options import argument, command, is_json, option, show, stopped
from rag.desk import grid as grids
from rag.desk.grid import STATE_NAMES, Grid
from rag.errors import InputError
from rag.filters import is_date, parse
from rag.protocols import Store
from rag.render.status import Status, clean, one_line, plural, takes_all
from rag.settings import Settings
from rag.types import plain


def _checked(_: click.Context, __: click.Parameter, file: Path | None) -> Path | None:
    if file:
        from rag.desk import grid_export

        grid_export.check_path(file)
    return file


_FIELDS = "name definition finished counts rows"
_OUT = option(
    "Also write the grid to this file: .xlsx, .csv, .html, .md, .jsonl, or, for rag eval, "
    "the rated cells: .gold.jsonl.",
    callback=_checked,
)


@click.group("grid")
def grid_command() -> None:
    """Ask the same questions of every document, and see which answers change.

    A grid file names the questions; each becomes a column, each document a row:

    \b
      filter = ["source:leases"]
      refresh = "on_sync"                 # ask again after rag sync; optional
      all_documents = true                # a row for the whole index; optional
      rows = "documents"                  # or folders, metadata:KEY, none
      [[columns]]
      name = "End"
      question = "When does the lease end?"
      type = "date"                       # amount, number, yes_no, list, text

    \b
    Examples:
      rag grid run leases.toml --out leases.xlsx
      rag grid refresh leases
      rag grid changes leases
    """


@command("run", group=grid_command, fields=_FIELDS)
def run_command(
    settings: Settings,
    file: Path,
    conditions: tuple[str, ...] = option(
        "Only documents that match, besides the file's own filter; kept with the grid.",
        "--filter",
        metavar="CONDITION",
    ),
    out: Path | None = _OUT,
) -> None:
    """Ask the questions of the grid file FILE; rag grid --help shows one.

    Answers are kept in the index. Cells that have an answer are not asked again, so an interrupted
    run continues where it stopped.

    \b
    Examples:
      rag grid run leases.toml --filter source:leases --out leases.xlsx
      rag grid run leases.toml --json
    """
    from rag.desk import grid_file

    parse(conditions)
    spec = grid_file.load(file)
    spec = replace(spec, filter=tuple(dict.fromkeys([*spec.filter, *conditions])))
    with closing(build.store(settings)) as store:
        grids.rows_of(spec, store.documents())
        grids.save(store, spec)
        _run(settings, store, spec.name, out)


@command("refresh", group=grid_command, fields=_FIELDS)
def refresh_command(settings: Settings, name: str, out: Path | None = _OUT) -> None:
    """Ask the cells of the grid NAME whose documents changed, and those of new documents.

    \b
    Examples:
      rag grid refresh leases
      rag grid refresh leases --out leases.csv
    """
    with closing(build.store(settings)) as store:
        _run(settings, store, name, out)


@command("changes", group=grid_command)
def changes_command(
    settings: Settings,
    name: str,
    since: str = option("Changes from this date on, UTC.", metavar="DATE", default=""),
    seen: bool = option("Mark the listed changes as seen, so that they are not listed again."),
) -> None:
    """List the answers of the grid NAME that changed, and that nobody has marked as seen.

    Exits with status 1 if there are any. --json prints one JSON object a line.

    \b
    Examples:
      rag grid changes leases
      rag grid changes leases --seen
      rag grid changes leases --since 2026-11-01 --json
    """
    if since and not is_date(since):
        raise InputError(f"{since!r} is not a date", "write it as 2026-11-01")
    if since and seen:
        message = "--seen marks all changes, and --since lists only some"
        raise InputError(message, "leave one of them out")
    with closing(build.store(settings)) as store:
        until = grids.now()
        changes = grids.load(store, name).changes(since)
        for change in changes:
            if is_json():
                click.echo(json.dumps(plain(change), ensure_ascii=not takes_all(sys.stdout)))
                continue
            place = ", ".join(clean(name) for name in (change.row, change.column) if name)
            click.echo(f"{place}: {change.reason} ({clean(change.document_id)}, {change.at})")
            if change.before or change.after:
                click.echo(f"  was: {_cell_text(change.before)}\n  is:  {_cell_text(change.after)}")
        if seen and changes:
            grids.mark(store, name, looked=until)
    sys.exit(1 if changes else 0)


@command("list", group=grid_command)
def list_command(settings: Settings) -> None:
    """List the grids with the states of their cells.

    \b
    Examples:
      rag grid list
      rag grid list --json
    """
    with closing(build.store(settings, any_embedder=True)) as store:
        summaries = grids.summaries(store)
    rows = [{"name": g.spec.name, "rows": len(g.rows), "counts": g.counts} for g in summaries]
    show(rows, [_summary(grid) for grid in summaries] or ["no grids"])


@command("show", group=grid_command, fields=_FIELDS)
def show_command(
    settings: Settings,
    name: str,
    state: str = option(
        "Only rows with a cell in this state: answered, unsure, absent, unreadable, waiting, "
        "confirmed, corrected or rejected.",
        metavar="STATE",
        default="",
    ),
    value: str = option(
        "Only rows with a cell whose value contains these words.", metavar="WORDS", default=""
    ),
    out: Path | None = _OUT,
) -> None:
    """Print the grid NAME, or write it to a file. A guess is marked with "?".

    With --state and --value, one cell of the row must fit both.

    \b
    Examples:
      rag grid show leases
      rag grid show leases --state unsure --out check.xlsx
      rag grid show leases --value 2027
      rag grid show leases --out leases.html
      rag grid show leases --out leases.gold.jsonl
    """
    with closing(build.store(settings, any_embedder=True)) as store:
        grid = grids.load(store, name)
        chosen = grid.narrowed(state, value)
        if grid.rows and not chosen.rows and not out:
            show(chosen.to_dict(), _none_chosen(grid, state, value))
        else:
            _report(store, chosen, out)


@command("verify", group=grid_command)
def verify_command(settings: Settings, name: str) -> None:
    """Check whether the quotes of the grid NAME are still at their places in the documents.

    Exits with status 1 if one is not.

    \b
    Examples:
      rag grid verify leases
      rag grid verify leases --json
    """
    from rag.cli.cmd_verify import proof_lines
    from rag.desk import proof

    with closing(build.store(settings, any_embedder=True)) as store:
        check = proof.check_grid(grids.load(store, name), store)
    show(check.to_dict(), proof_lines(check, ""))
    sys.exit(0 if check.holds else 1)


@command(
    "rate",
    group=grid_command,
    fields="row column state value probability digest at typed quotes documents rating number",
)
def rate_command(
    settings: Settings,
    name: str,
    row: str,
    column: str,
    verdict: str = argument(type=click.Choice(["confirmed", "corrected", "rejected", "withdrawn"])),
    value: str = argument(default=""),
) -> None:
    """Confirm, correct or reject the cell of the grid NAME at ROW and COLUMN, or withdraw its
    rating. A correction needs the right VALUE.

    \b
    Examples:
      rag grid rate leases leases/oak.md End confirmed
      rag grid rate leases leases/elm.md End corrected "31 May 2027"
    """
    with closing(build.store(settings, any_embedder=True)) as store:
        cell = grids.rate(store, name, row, column, verdict, value)
    show(cell, f"{verdict}: {clean(row)}, {clean(column)}")


@command("delete", group=grid_command, fields="deleted")
def delete_command(settings: Settings, name: str) -> None:
    """Delete the grid NAME with its answers. Its documents stay.

    \b
    Examples:
      rag grid delete leases
      rag grid delete leases --json
    """
    with closing(build.store(settings, any_embedder=True)) as store:
        grids.delete(store, name)
    show({"deleted": name}, f"deleted grid {clean(name)}")


def _run(settings: Settings, store: Store, name: str, file: Path | None) -> None:
    from rag.desk import grid_run

    if waiting := grid_run.due_cells(grids.load(store, name)):
        finished, cells = 0, plural(len(waiting), "cell")
        engine = build.engine(settings)
        try:
            with Status(lambda: f"{finished:,} of {cells}", log=True):
                for finished, *_ in grid_run.in_batches(engine, name):  # noqa: B007  # shown by Status
                    pass
        except KeyboardInterrupt:
            stopped(f"{plural(finished, 'cell')} of {len(waiting):,} are kept")
        finally:
            engine.store.close()
    _report(store, grids.load(store, name), file)


def _report(store: Store, grid: Grid, file: Path | None) -> None:
    from rag.desk import grid_export

    if file:
        sources = {document.id: document.source for document in store.documents()}
        grid_export.write(grid, file, sources)
        show(grid.to_dict(), f"{_summary(grid)}; written to {file}")
    else:
        show(grid.to_dict(), [*_table(grid), _summary(grid)])


def _table(grid: Grid) -> list[str]:
    """The values as in the documents; files escape them. Only lists keep their lines."""
    from rag.desk.grid_export import row_words
    from rag.render import terminal

    columns = grid.spec.columns
    rows = []
    for row in grid.rows:
        texts = [one_line(row.name)]
        for words, column in zip(row_words(grid, row), columns, strict=True):
            texts.append(words if column.type == "list" else one_line(words))
        rows.append(texts)
    heading = ["", *(column.name for column in columns)]
    return [*terminal.table(heading, rows), ""]


def _none_chosen(grid: Grid, state: str, value: str) -> list[str]:
    """Says which rows were looked for, and how to see all."""
    conditions = []
    if state:
        conditions.append(f"is {STATE_NAMES[state]}")
    if value:
        conditions.append(f"contains {clean(value)!r}")
    rows = plural(len(grid.rows), "row")
    return [
        f"{clean(grid.spec.name)}: none of {rows} has a cell that {' and '.join(conditions)}",
        f"show all with: rag grid show {shlex.quote(grid.spec.name)}",
    ]


def _summary(grid: Grid) -> str:
    counts = [f"{count:,} {STATE_NAMES[name]}" for name, count in grid.counts.items() if count]
    size = f"{plural(len(grid.rows), 'row')} of {plural(len(grid.spec.columns), 'column')}"
    return f"{clean(grid.spec.name)}: {size}: {', '.join(counts) or 'no cells'}"


def _cell_text(cell: grids.Cell | None) -> str:
    if cell is None:
        return "–"
    words = " ".join(clean(cell.shown).split())
    state = "" if cell.state == "answered" else f" ({STATE_NAMES[cell.state]})"
    return f"{words}{state}" if words else STATE_NAMES[cell.state]
