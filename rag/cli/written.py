"""A written answer on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rag.render import terminal
from rag.render.json import plain, print_json

if TYPE_CHECKING:
    from rag.claims.writer import Written


def show(found: Written, as_json: bool, struck: bool) -> None:
    """What was written and the sentences that it cites; the extractive answer, and why, if nothing
    is left of it.

    `struck`: also what was struck, and why.
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
            terminal.clean(f"Nothing written is shown: {found.reason}."),
        ]
    if found.struck:
        count = len(found.struck)
        made += [
            "",
            f"{count} written sentence{'' if count == 1 else 's'} struck"
            + ("" if struck else "; --struck shows them"),
        ]
        if struck:
            for one in found.struck:
                made += [terminal.clean(f"  {one.text}"), terminal.clean(f"    {one.struck}")]
    return made
