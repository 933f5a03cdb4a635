"""`rag mcp` and `rag connect`: the documents for an AI agent, and its configuration."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from rag.cli import agent_config
from rag.cli.agent_config import ConfigChange, Server
from rag.cli.options import argument, collection_name, command, is_json, option, show
from rag.errors import InputError, install_line, needs_extra
from rag.render.links import page_of
from rag.settings import Settings

_ALLOW_WRITES = option("Also offer the tools run_grid, ingest and delete.")


@command("mcp")
def mcp_command(
    settings: Settings,
    allow_writes: bool = _ALLOW_WRITES,
    page: str = option(
        "Address of a running rag serve, for links to sources.", default="", metavar="URL"
    ),
) -> None:
    """Serve the documents to an AI agent over stdin and stdout (MCP).

    The agent starts this command itself; rag connect writes the configuration for it. rag serve
    offers the same tools at /mcp. Needs the extra `mcp`: pip install '.[mcp]'.

    \b
    Examples:
      rag mcp --index notes/index
      rag mcp --allow-writes --page http://127.0.0.1:8000/
    """
    if page:
        _check_url("--page", page, "http://127.0.0.1:8000/")
    with needs_extra("mcp", "rag mcp"):
        from rag.server.mcp.local import run
    run(settings, allow_writes, page and page_of(f"{page.rstrip('/')}/", collection_name()))


@command("connect")
def connect_command(
    settings: Settings,
    client: str = argument(type=click.Choice(agent_config.CLIENTS)),
    remove: bool = option("Remove rag's entry."),
    project: bool = option("Change the current folder's configuration instead of yours."),
    url: str = option(
        "Connect to a running rag serve instead of starting rag mcp.", default="", metavar="URL"
    ),
    key_env: str = option(
        "With --url: environment variable that holds the API key.", default="", metavar="NAME"
    ),
    allow_writes: bool = _ALLOW_WRITES,
    name: str = option("Name of the entry.", default="rag", show_default=True),
    yes: bool = option("Write without asking.", "--yes", "-y"),
) -> None:
    """Add rag to CLIENT's MCP configuration, so that the agent can use the documents.

    Shows the change and asks before writing; the old file is kept as a backup. Restart the agent
    afterwards.

    \b
    Examples:
      rag connect claude
      rag connect codex --index ~/notes/index
      rag connect cursor --url http://127.0.0.1:8000 --key-env RAG_KEY
      rag connect claude --remove
    """
    path = agent_config.config_path(client, project)
    if remove:
        change = agent_config.disconnected(client, path, name)
    elif url:
        _check_url("--url", url, "http://127.0.0.1:8000")
        server = Server(url=f"{url.rstrip('/').removesuffix('/mcp')}/mcp", key_env=key_env)
        change = agent_config.connected(client, path, server, name)
    else:
        change = agent_config.connected(client, path, _local(settings, allow_writes), name)
    backup = _written(change, yes) if change.is_needed else None
    outcome = f"written{f'; backup: {backup}' if backup else ''}"
    value = {"path": path, "changed": change.is_needed, "backup": backup}
    show(value, f"{path}: {outcome if change.is_needed else 'nothing to change'}")


def _written(change: ConfigChange, yes: bool) -> Path | None:
    click.echo(change.diff, err=is_json())
    if not yes:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            hint = "review the change above, then add --yes"
            raise InputError(f"{change.path} needs your confirmation", hint)
        click.confirm(f"Write {change.path}?", abort=True)
    return agent_config.write(change)


def _local(settings: Settings, allow_writes: bool) -> Server:
    if settings.store != "local":
        message = (
            "the database's address may contain a password and is not written to the agent's "
            "configuration"
        )
        raise InputError(message, "start rag serve, and connect with --url http://127.0.0.1:8000")
    if find_spec("mcp") is None:
        raise InputError("rag mcp needs mcp, which is not installed", f"run: {install_line('mcp')}")
    program = shutil.which("rag")
    command, first = (program, []) if program else (sys.executable, ["-m", "rag"])
    args = [*first, "mcp", "--index", str(settings.index.resolve())]
    return Server(command, tuple([*args, "--allow-writes"] if allow_writes else args))


def _check_url(option: str, url: str, example: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{option} {url} is not a URL", f"write it as {example}")
