"""`rag collection`."""

from __future__ import annotations

import dataclasses

import click

from rag import build
from rag.cli.options import shared_by_all
from rag.render.json import print_json
from rag.server.audit import Audit
from rag.settings import Settings
from rag.settings.index_folder import DEFAULT_COLLECTION
from rag.store.collection_folders import Collection


@click.group("collection")
def collection_command() -> None:
    """Manage collections: separate named indexes that share only the models.

    \b
    Examples:
      rag collection create contracts
      rag ingest --collection contracts ~/contracts
      rag ask --collection contracts "When does the lease end?"
    """


@collection_command.command("create")
@click.argument("name")
@shared_by_all
def create(settings: Settings, as_json: bool, name: str) -> None:
    """Create an empty collection called NAME.

    \b
    Examples:
      rag collection create contracts
      rag collection create contracts --index ~/notes/index
    """
    _show(settings, build.collections(settings).create(name), "created", as_json)


@collection_command.command("list")
@shared_by_all
def list_collections(settings: Settings, as_json: bool) -> None:
    """List the collections, the default one first.

    \b
    Examples:
      rag collection list
      rag collection list --json
    """
    found = [
        Collection(DEFAULT_COLLECTION, DEFAULT_COLLECTION, ""),
        *build.collections(settings).all(),
    ]
    if as_json:
        print_json(found)
        return
    for one in found:
        click.echo(f"{one.name:20} {one.created}".rstrip())


@collection_command.command("rename")
@click.argument("name")
@click.argument("new")
@shared_by_all
def rename(settings: Settings, as_json: bool, name: str, new: str) -> None:
    """Rename the collection NAME to NEW. API keys for it remain valid.

    \b
    Examples:
      rag collection rename contracts contracts-2025
      rag collection rename contracts archive --index ~/notes/index
    """
    _show(settings, build.collections(settings).rename(name, new), "renamed", as_json)


@collection_command.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@shared_by_all
def delete(settings: Settings, as_json: bool, name: str, yes: bool) -> None:
    """Delete the collection NAME and every document in it.

    \b
    Examples:
      rag collection delete contracts
      rag collection delete contracts --yes
    """
    there = build.collections(settings)
    there.named(name)
    if not yes:
        click.confirm(f"delete collection {name} and all documents in it?", abort=True, err=True)
    _show(settings, there.delete(name), "deleted", as_json)


def _show(settings: Settings, one: Collection, done: str, as_json: bool) -> None:
    Audit(settings.index).note(f"collection {done}", collection=one.id, name=one.name)
    if as_json:
        print_json(dataclasses.asdict(one) | {"done": done})
    else:
        click.echo(f"{done} {one.name}")
