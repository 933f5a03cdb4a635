"""`rag keys` and `rag collection`: who may use an index, and its collections."""

from __future__ import annotations

import click

from rag import build
from rag.cli.options import command, is_json, option, print_json, show
from rag.errors import InputError
from rag.render.status import clean
from rag.server.api_keys import ALL_COLLECTIONS, READ, WRITE, Key, keys_of
from rag.server.owner_files import Audit
from rag.settings import DEFAULT_COLLECTION, Settings
from rag.store.collections import Collection
from rag.types import plain

_KEY = "id name scope expires key"
_COLLECTION = "id name created done"


@click.group("keys")
def keys_command() -> None:
    """Manage the API keys of rag serve. Once a key exists, every request needs one.

    \b
    Examples:
      rag keys add page
      rag keys list
      rag keys revoke page
    """


@command("add", "index", group=keys_command, fields=_KEY)
def add(
    settings: Settings,
    name: str,
    write: bool = option("Allow the key to change documents. Default: read only."),
    collections: tuple[str, ...] = option(
        "Restrict the key to this collection; repeatable. Default: it may use all collections, "
        "and with --write create and delete them.",
        "--collection",
        metavar="NAME",
    ),
    days: int = option(
        "Days until the key expires; 0 means never.", type=click.IntRange(0, 36_500), default=0
    ),
) -> None:
    """Create a key called NAME and print it. The key is shown only once.

    \b
    Examples:
      rag keys add page
      rag keys add crm --write --collection contracts
      rag keys add visitor --days 30
    """
    if not name.strip():
        raise InputError("the key has no name", "name it after its purpose: rag keys add NAME")
    ids = [
        c if c == DEFAULT_COLLECTION else build.collections(settings).named(c).id
        for c in collections
    ]
    key, token = keys_of(settings).add(name, WRITE if write else READ, ids or ALL_COLLECTIONS, days)
    details = {"scope": key.scope, "collections": list(key.collections), "expires": key.expires}
    Audit(settings.index).note("key added", key=key.id, **details)
    _show_new(key, token)


def _show_new(key: Key, token: str) -> None:
    if is_json():
        fields = {name: getattr(key, name) for name in ("id", "name", "scope", "expires")}
        print_json(fields | {"key": token})
        return
    click.echo(token)
    words = f"{key.scope} key {key.id} for {clean(key.name)}"
    click.echo(f"{words}; save it now, it is not shown again", err=True)


@command("rotate", "index", group=keys_command, fields=_KEY)
def rotate(
    settings: Settings,
    name: str,
    hours: int = option(
        "Hours for which the old key remains valid.", type=click.IntRange(0, 8760), default=0
    ),
) -> None:
    """Replace the key NAME (a name or an id) with a new one and revoke the old one.

    \b
    Examples:
      rag keys rotate page
      rag keys rotate crm --hours 24
    """
    key, token = keys_of(settings).rotate(name, hours)
    Audit(settings.index).note("key rotated", key=key.id, name=name)
    _show_new(key, token)


@command("list", "index", group=keys_command)
def list_keys(settings: Settings) -> None:
    """List all keys, including revoked ones, without their secrets.

    \b
    Examples:
      rag keys list
      rag keys list --json
    """
    names = {collection.id: collection.name for collection in build.collections(settings).all()}
    values, lines = [], []
    for key in keys_of(settings).all():
        state = f"until {key.expires}" if key.expires else "active"
        if key.revoked:
            state = f"revoked {key.revoked}"
        # deleted collections have no name
        collections = [names.get(key_id, key_id) for key_id in key.collections]
        scope = "" if key.collections == ALL_COLLECTIONS else f"  in {', '.join(collections)}"
        values.append(plain(key) | {"collections": collections})
        del values[-1]["sha256"]
        lines.append(f"{key.id}  {key.scope:5}  {key.created}  {state:8}  {clean(key.name)}{scope}")
    show(values, lines)


@command("revoke", "index", group=keys_command, fields="revoked")
def revoke(settings: Settings, name: str) -> None:
    """Revoke the key with this id, or all keys called NAME. Running services refuse them at once.

    \b
    Examples:
      rag keys revoke page
      rag keys revoke page --json
    """
    revoked = [key.id for key in keys_of(settings).revoke(name)]
    Audit(settings.index).note("keys revoked", keys=revoked)
    show({"revoked": revoked}, [f"revoked {key_id}" for key_id in revoked])


@click.group("collection")
def collection_command() -> None:
    """Manage collections: separate named indexes that share only the models.

    \b
    Examples:
      rag collection create contracts
      rag ingest --collection contracts ~/contracts
      rag ask --collection contracts "When does the lease end?"
    """


@command("create", "index", group=collection_command, fields=_COLLECTION)
def create(settings: Settings, name: str) -> None:
    """Create an empty collection called NAME.

    \b
    Examples:
      rag collection create contracts
      rag collection create contracts --index ~/notes/index
    """
    _report(settings, build.collections(settings).create(name), "created")


@command("list", "index", group=collection_command)
def list_collections(settings: Settings) -> None:
    """List the collections, the default one first.

    \b
    Examples:
      rag collection list
      rag collection list --json
    """
    default = Collection(DEFAULT_COLLECTION, DEFAULT_COLLECTION, "")
    collections = [default, *build.collections(settings).all()]
    lines = [f"{collection.name:20} {collection.created}".rstrip() for collection in collections]
    show(collections, lines)


@command("rename", "index", group=collection_command, fields=_COLLECTION)
def rename(settings: Settings, name: str, new: str) -> None:
    """Rename the collection NAME to NEW. API keys for it remain valid.

    \b
    Examples:
      rag collection rename contracts contracts-2025
      rag collection rename contracts archive --index ~/notes/index
    """
    _report(settings, build.collections(settings).rename(name, new), "renamed")


@command("delete", "index", group=collection_command, fields=_COLLECTION)
def delete(
    settings: Settings, name: str, yes: bool = option("Do not ask for confirmation.")
) -> None:
    """Delete the collection NAME and every document in it.

    \b
    Examples:
      rag collection delete contracts
      rag collection delete contracts --yes
    """
    collections = build.collections(settings)
    collections.named(name)
    if not yes:
        click.confirm(f"delete collection {name} and all documents in it?", abort=True, err=True)
    _report(settings, collections.delete(name), "deleted")


def _report(settings: Settings, collection: Collection, outcome: str) -> None:
    facts = {"collection": collection.id, "name": collection.name}
    Audit(settings.index).note(f"collection {outcome}", **facts)
    show(plain(collection) | {"done": outcome}, f"{outcome} {collection.name}")
