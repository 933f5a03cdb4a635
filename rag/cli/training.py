"""`rag train`."""

from __future__ import annotations

from pathlib import Path

import click

from rag import build
from rag.settings import Settings

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("train")
@click.option("--data", type=_FOLDER, required=True, help="Folder with the recipe's sets.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the trained reader.")
@click.option("--recipe", type=_FILE, help="TOML file; by default the shipped one.")
def train_command(data: Path, out: Path, recipe: Path | None) -> None:
    """Train a reader on question sets in SQuAD's shape. Started again after a kill, it goes on from its checkpoint."""
    build.trainer(Settings.load())(recipe, data, out)
    click.echo(f"{out}: use it with RAG_READER={out}")
