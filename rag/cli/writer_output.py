"""Prints the answers of a writer (a language model) after they were checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rag.render import terminal
from rag.render.json import plain, print_json

if TYPE_CHECKING:
    from rag.claims.writer import Written


def show(found: Written, as_json: bool, struck: bool) -> None:
    """Print the written answer and the sentences it cites, or, if every sentence was rejected, the
    extractive answer and the reason. `struck` also prints the rejected sentences.
    """
    if as_json:
        kept = plain(found)
        if not struck:
            kept["sentences"] = [one for one in kept["sentences"] if not one["struck"]]
        print_json(kept)
        return
    click.echo("\n".join(_lines(found, struck)))


def _lines(found: Written, struck: bool) -> list[str]:
    made = []
    if found.text is not None:
        made += [click.style(terminal.clean(found.text), bold=True), ""]
        cited = {number for one in found.sentences if not one.struck for number in one.cited}
        for source in found.sources:
            if source.number in cited:
                passage = source.hit.passage
                where = f"{passage.document_id}:{passage.start}-{passage.end}"
                made.append(f"[{source.number}] {terminal.clean(f'{where}  {source.text}')}")
    else:
        made += [
            terminal.answer(found.answer),
            "",
            terminal.clean(f"No written answer: {found.reason}."),
        ]
    if found.struck:
        count = len(found.struck)
        made += [
            "",
            f"{count} unsupported sentence{'' if count == 1 else 's'} left out"
            + ("" if struck else "; --struck shows them"),
        ]
        if struck:
            for one in found.struck:
                made += [terminal.clean(f"  {one.text}"), terminal.clean(f"    {one.struck}")]
    return made
