from __future__ import annotations

import json
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rag.cli import cmd_agents
from rag.cli.cmd_agents import Server, config_path, connected, disconnected, entry, write
from rag.errors import InputError, NotFoundError, install_line
from tests.cli.helpers import Run

STARTED = Server("/bin/rag", ("mcp", "--index", '/my "notes"/index'))
ASKED = Server(url="http://127.0.0.1:8000/mcp", key_env="RAG_KEY")


@pytest.mark.parametrize("client", cmd_agents.CLIENTS)
def test_an_entry_is_added_and_removed_and_the_rest_kept(client: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    change = connected(client, path, STARTED)
    assert (change.before, write(change)) == (None, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert found_entry(client, path)["args"] == list(STARTED.args)
    assert not connected(client, path, STARTED).is_needed
    second_entry = connected(client, path, Server("/other", ()), "other")
    backup = path.with_name(path.name + cmd_agents.BACKUP)
    assert write(second_entry) == backup
    assert backup.read_text() == change.after
    write(connected(client, path, Server("/new", ("mcp",))))
    assert found_entry(client, path)["command"] == "/new"
    write(disconnected(client, path))
    assert found_entry(client, path) is None
    assert found_entry(client, path, "other")["command"] == "/other"
    with pytest.raises(NotFoundError, match="no entry rag"):
        disconnected(client, path)


def found_entry(client: str, path: Path, name: str = "rag") -> Any:
    text = path.read_text()
    if client == "codex":
        return tomllib.loads(text).get("mcp_servers", {}).get(name)
    return json.loads(text)["servers" if client == "vscode" else "mcpServers"].get(name)


def test_a_toml_file_keeps_its_comments_and_its_other_tables(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    original = (
        '# mine\nmodel = "x"\n\n[mcp_servers.rag] # old\ncommand = '
        '"a"\n[mcp_servers.rag.env]\nA = "b"\n\n[tools]\nx = 1\n'
    )
    path.write_text(original)
    connected_text = connected("codex", path, STARTED).after
    assert connected_text.startswith('# mine\nmodel = "x"\n')
    assert tomllib.loads(connected_text) == {
        "model": "x",
        "tools": {"x": 1},
        "mcp_servers": {"rag": {"command": "/bin/rag", "args": list(STARTED.args)}},
    }
    assert "mcp_servers" not in disconnected("codex", path).after


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("cursor", "{ // a comment\n}"),
        ("cursor", "[]"),
        ("cursor", '{"mcpServers": 1}'),
        ("codex", "= ="),
        ("codex", 'mcp_servers = { rag = { command = "x" } }\n'),
    ],
)
def test_an_invalid_file_is_kept_and_the_error_shows_the_entry(
    client: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(InputError, match="by hand") as caught:
        connected(client, path, STARTED)
    assert "/bin/rag" in str(caught.value)
    assert path.read_text() == text


def test_keys_are_never_written() -> None:
    assert entry("codex", ASKED) == {"url": ASKED.url, "bearer_token_env_var": "RAG_KEY"}
    assert entry("claude", ASKED)["headers"] == {"Authorization": "Bearer ${RAG_KEY}"}
    assert entry("cursor", ASKED)["headers"] == {"Authorization": "Bearer ${env:RAG_KEY}"}
    with pytest.raises(InputError, match="leave out --url"):
        entry("claude-desktop", ASKED)


def test_vs_code_asks_for_the_key(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    write(connected("vscode", path, ASKED))
    write(connected("vscode", path, ASKED, "again"))
    content = json.loads(path.read_text())
    assert [entry["id"] for entry in content["inputs"]] == ["rag-key"]
    assert content["servers"]["rag"]["headers"] == {"Authorization": "Bearer ${input:rag-key}"}


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real.json")
    write(connected("cursor", link, STARTED))
    assert link.is_symlink()
    assert found_entry("cursor", tmp_path / "real.json")


def test_the_paths_of_the_files() -> None:
    environ = {"HOME": "/home/ada", "XDG_CONFIG_HOME": "/home/ada/.config"}
    assert config_path("claude", False, environ) == Path("/home/ada/.claude.json")
    assert config_path("codex", False, {**environ, "CODEX_HOME": "/c"}) == Path("/c/config.toml")
    assert config_path("vscode", True, environ) == Path(".vscode/mcp.json")
    if sys.platform == "linux":
        assert config_path("vscode", False, environ) == Path("/home/ada/.config/Code/User/mcp.json")
    with pytest.raises(InputError, match="--project"):
        config_path("claude-desktop", True, environ)


@pytest.fixture
def at_home(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HOME", str(tmp_path))
    return run


def test_the_command_shows_the_change_asks_and_undoes(at_home: Run, tmp_path: Path) -> None:
    code, out, err = at_home("connect", "cursor")
    assert (code, "--yes" in err, '+    "rag": {' in out) == (2, True, True)
    assert not (tmp_path / ".cursor").exists()
    assert at_home("connect", "cursor", "--yes", "--index", "notes")[0] == 0
    args = found_entry("cursor", tmp_path / ".cursor/mcp.json")["args"]
    assert args[-2:] == ["--index", str(tmp_path / "notes")]
    assert at_home.json("connect", "cursor", "--yes", "--index", "notes")["changed"] is False
    assert at_home("connect", "cursor", "--yes", "--remove")[0] == 0
    assert found_entry("cursor", tmp_path / ".cursor/mcp.json") is None
    assert at_home("connect", "cursor", "--yes", "--remove")[0] == 2
    assert at_home("connect", "codex", "--url", "nowhere", "--yes")[0] == 2


def test_an_entry_that_could_not_start_is_not_written(
    at_home: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.cli.cmd_agents.find_spec", lambda name: None)
    assert install_line("mcp") in at_home("connect", "cursor", "--yes")[2]
    assert not list(tmp_path.glob(".*"))
