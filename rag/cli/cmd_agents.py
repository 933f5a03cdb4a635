"""`rag mcp` serves the documents to an AI agent, `rag connect` adds rag to its configuration.

Each agent has one file, whose other entries stay unchanged. A file that is not plain JSON or TOML
is never changed; the error shows what to add by hand.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import click

from rag.cli.options import argument, collection_name, command, is_json, option, show
from rag.errors import InputError, NotFoundError, install_line, needs_extra, writing_to
from rag.render.links import page_of
from rag.server.owner_files import replace_file
from rag.settings import Settings

ServerEntry = dict[str, Any]
BACKUP = ".before-rag"
"""Suffix of the backup made before each change."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


class _Agent(NamedTuple):
    """A program: the paths of the user's configuration and of a project's ("" if it has no such
    file); the key of its servers; whether an entry states its `type`. Also how it writes the value
    of an environment variable, "" if it cannot connect to a URL.
    """

    path: str
    project: str
    servers: str = "mcpServers"
    is_typed: bool = False
    variable: str = ""


_AGENTS = {
    "claude": _Agent("{home}/.claude.json", ".mcp.json", is_typed=True, variable="${%s}"),
    "claude-desktop": _Agent("{data}/Claude/claude_desktop_config.json", ""),
    "codex": _Agent("{codex}/config.toml", ".codex/config.toml", "mcp_servers", variable="%s"),
    "cursor": _Agent("{home}/.cursor/mcp.json", ".cursor/mcp.json", variable="${env:%s}"),
    "vscode": _Agent(
        "{data}/Code/User/mcp.json", ".vscode/mcp.json", "servers", True, "${input:rag-key}"
    ),
}
CLIENTS = tuple(_AGENTS)
_VSCODE_KEY = {
    "id": "rag-key",
    "type": "promptString",
    "description": "API key of rag",
    "password": True,
}
"""Has VS Code ask for the key once, so that the file does not contain it."""


class Server(NamedTuple):
    """How a program reaches rag: it starts `command`, or connects to `url` with a key, if named."""

    command: str = ""
    args: tuple[str, ...] = ()
    url: str = ""
    key_env: str = ""


class ConfigChange(NamedTuple):
    """A file before and after the change; `before` is None if the file does not exist yet."""

    path: Path
    before: str | None
    after: str

    @property
    def is_needed(self) -> bool:
        return (self.before or "") != self.after

    @property
    def diff(self) -> str:
        lines_before = (self.before or "").splitlines(keepends=True)
        lines_after, name = self.after.splitlines(keepends=True), str(self.path)
        return "".join(difflib.unified_diff(lines_before, lines_after, name, name))


def config_path(client: str, project: bool, environ: Mapping[str, str] | None = None) -> Path:
    """Path of the program's configuration: the user's, or with `project` the current folder's."""
    agent = _AGENTS[client]
    if project:
        if not agent.project:
            raise InputError(f"{client} has no configuration per folder", "leave out --project")
        return Path(agent.project)
    environ = os.environ if environ is None else environ
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    data = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        data = Path(environ.get("APPDATA") or home / "AppData/Roaming")
    codex = environ.get("CODEX_HOME") or home / ".codex"
    return Path(agent.path.format(home=home, data=data, codex=codex))


def connected(client: str, path: Path, server: Server, name: str = "rag") -> ConfigChange:
    """Add rag's entry, or replace an older one."""
    return _changed(client, path, name, entry(client, server))


def disconnected(client: str, path: Path, name: str = "rag") -> ConfigChange:
    """Remove rag's entry. Raises NotFoundError if there is none."""
    return _changed(client, path, name, None)


def entry(client: str, server: Server) -> ServerEntry:
    """rag's entry in the program's own format."""
    agent = _AGENTS[client]
    if not server.url:
        typed: ServerEntry = {"type": "stdio"} if agent.is_typed else {}
        return {**typed, "command": server.command, "args": list(server.args)}
    if not agent.variable:
        message = "Claude Desktop can only start programs, not connect to a URL"
        raise InputError(message, "leave out --url")
    at_url: ServerEntry = {**({"type": "http"} if agent.is_typed else {}), "url": server.url}
    if not server.key_env:
        return at_url
    if client == "codex":
        return at_url | {"bearer_token_env_var": server.key_env}
    key = agent.variable.replace("%s", server.key_env)
    return at_url | {"headers": {"Authorization": f"Bearer {key}"}}


def _changed(client: str, path: Path, name: str, new_entry: ServerEntry | None) -> ConfigChange:
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a valid server name", "use letters, digits, - and _")
    try:
        old_text = path.read_text(encoding="utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        hint = "check the file's owner and permissions"
        raise InputError(f"{path} cannot be read: {error}", hint) from error

    key, text, snippet = _AGENTS[client].servers, old_text or "", ""

    if client == "codex":
        kind, parse = "TOML", tomllib.loads
        if new_entry:  # JSON strings and lists are valid TOML
            values = [f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in new_entry.items()]
            snippet = "\n".join([f"[{key}.{name}]", *values])
    else:
        kind, parse = "JSON", json.loads
        snippet = json.dumps({key: {name: new_entry}}, indent=2)
    try:
        config = parse(text) if text.strip() else {}
        is_present = name in config.get(key, {})
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise _by_hand(path, kind, snippet) from error

    if not is_present and not new_entry:
        hint = "look for its name in the file and pass it as --name"
        raise NotFoundError(f"{path} has no entry {name}", hint)

    if client != "codex":
        return ConfigChange(path, old_text, _with_entry(client, config, name, new_entry))

    # the text is edited directly, so that comments and order stay unchanged
    remainder = _without_table(text, key, name) if is_present else text
    parts = [part.rstrip("\n") for part in (remainder, snippet) if part.strip()]
    new_text = "\n\n".join(parts) + ("\n" if parts else "")
    try:
        is_right = tomllib.loads(new_text).get(key, {}).get(name) == new_entry
    except ValueError:
        is_right = False

    if not is_right:
        raise _by_hand(path, "TOML that can be edited safely", snippet)
    return ConfigChange(path, old_text, new_text)


def _with_entry(client: str, config: ServerEntry, name: str, new_entry: ServerEntry | None) -> str:
    """The configuration in JSON with this entry, or without one."""
    servers = config.setdefault(_AGENTS[client].servers, {})
    if new_entry is None:
        servers.pop(name, None)
    else:
        servers[name] = new_entry

    needs_key = new_entry is not None and "headers" in new_entry
    if client == "vscode" and needs_key:
        inputs = config.setdefault("inputs", [])
        if not any(item.get("id") == _VSCODE_KEY["id"] for item in inputs):
            inputs.append(_VSCODE_KEY)
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _without_table(text: str, key: str, name: str) -> str:
    """Remove the lines of `[key.name]` and its subtables."""
    header = re.compile(
        rf"\s*\[\s*{key}\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*(\.[^\]]*)?\]\s*(#.*)?"
    )
    lines, is_in_table = [], False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            is_in_table = header.fullmatch(line.rstrip("\n")) is not None
        if not is_in_table:
            lines.append(line)
    return "".join(lines)


def _by_hand(path: Path, kind: str, snippet: str) -> InputError:
    message = f"{path} is not {kind}, so it was not changed"
    return InputError(message, f"add this by hand:\n{snippet}")


def write(change: ConfigChange) -> Path | None:
    """Write the file atomically. Returns the path of the backup, if there was a file before."""
    path = change.path.resolve()  # follow a symlink instead of replacing it
    backup = path.with_name(path.name + BACKUP) if change.before is not None else None
    with writing_to(path, "check the file's owner and permissions"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if backup:
            shutil.copy(path, backup)
        replace_file(path, change.after)  # mode 600
        if backup:
            shutil.copymode(backup, path)
    return backup


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


@command("connect", fields="path changed backup")
def connect_command(
    settings: Settings,
    client: str = argument(type=click.Choice(CLIENTS)),
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
    path = config_path(client, project)
    if remove:
        change = disconnected(client, path, name)
    elif url:
        _check_url("--url", url, "http://127.0.0.1:8000")
        server = Server(url=f"{url.rstrip('/').removesuffix('/mcp')}/mcp", key_env=key_env)
        change = connected(client, path, server, name)
    else:
        change = connected(client, path, _local_server(settings, allow_writes), name)
    backup = None
    if change.is_needed:
        click.echo(change.diff, err=is_json())
        if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
            hint = "review the change above, then add --yes"
            raise InputError(f"{path} needs your confirmation", hint)
        if not yes:
            click.confirm(f"Write {path}?", abort=True)
        backup = write(change)
    outcome = f"written{f'; backup: {backup}' if backup else ''}"
    value = {"path": path, "changed": change.is_needed, "backup": backup}
    show(value, f"{path}: {outcome if change.is_needed else 'nothing to change'}")


def _local_server(settings: Settings, allow_writes: bool) -> Server:
    if settings.store != "local":
        what = "the database's address may contain a password"
        message = f"{what} and is not written to the agent's configuration"
        raise InputError(message, "start rag serve, and connect with --url http://127.0.0.1:8000")
    if find_spec("mcp") is None:
        raise InputError("rag mcp needs mcp, which is not installed", f"run: {install_line('mcp')}")
    program = shutil.which("rag")
    start, *program_arguments = [program] if program else [sys.executable, "-m", "rag"]
    args = (*program_arguments, "mcp", "--index", str(settings.index.resolve()))
    return Server(start, (*args, "--allow-writes") if allow_writes else args)


def _check_url(name: str, url: str, example: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{name} {url} is not a URL", f"write it as {example}")
