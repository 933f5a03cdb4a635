"""`rag train`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from rag import build
from rag.cli.options import print_json
from rag.settings import Settings

_DATA = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("train")
@click.option(
    "--data", type=_DATA, required=True, help="Your questions (gold .jsonl, SQuAD .json or .json.gz), or a recipe's folder."
)
@click.option("--corpus", type=_DATA, help="The documents that gold .jsonl questions are about.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the trained reader.")
@click.option("--init", help="What to start from: a reader, folder or hub id; by default what the recipe says.")
@click.option("--recipe", type=_FILE, help="TOML file; by default rag/training/finetune.toml, or recipe.toml for a folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def train_command(data: Path, corpus: Path | None, out: Path, init: str | None, recipe: Path | None, as_json: bool) -> None:
    """Train a reader. With your own questions: go on from the shipped one, and see what it bought on a part held out.

    Started again after a kill, it goes on from its checkpoint with the same result.
    """
    out = out.resolve()  # where it lies, from wherever it is used
    measured = build.trainer(Settings.load())(data, corpus, out, init, recipe)
    if as_json:
        print_json({"reader": str(out), **{name: dataclasses.asdict(value) for name, value in measured.items()}})
        return
    for name, value in measured.items():
        asked = f"{value.answerable + value.unanswerable} questions held out"
        click.echo(f"{name:7} EM {value.em:5.1f}  F1 {value.f1:5.1f}  with refusals at best F1 {value.best_f1:5.1f}  ({asked})")
    click.echo(f"{out}: use it with RAG_READER={out}")
