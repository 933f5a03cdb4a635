"""Agents can load the skill's folder, it names only existing tools, and server.json describes the
package that is built.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from rag import __version__
from rag.settings import Settings

ROOT = Path(__file__).parents[1]
SKILL = ROOT / "integrations" / "skill"


def test_the_front_matter_and_manifests_are_valid() -> None:
    _, front, body = (SKILL / "SKILL.md").read_text().split("---\n", 2)
    described = yaml.safe_load(front)
    assert re.fullmatch(r"[a-z0-9-]{1,64}", described["name"])
    assert 0 < len(described["description"]) <= 1024
    assert body.strip()
    plugin = json.loads((SKILL / ".claude-plugin/plugin.json").read_text())
    listed = json.loads((SKILL / ".claude-plugin/marketplace.json").read_text())
    assert plugin["name"] == listed["plugins"][0]["name"] == described["name"]
    assert (SKILL / plugin["skills"][0] / "SKILL.md").is_file()
    server = json.loads((SKILL / ".mcp.json").read_text())["mcpServers"]["rag"]
    assert (server["command"], server["args"]) == ("rag", ["mcp"])


def test_it_names_existing_tools() -> None:
    pytest.importorskip("mcp")
    import anyio

    from rag.server.mcp.server import make_server

    tools = {tool.name for tool in anyio.run(make_server(lambda *_: None, True).list_tools)}  # type: ignore[arg-type]
    fields = "found conversation url highlight cited_text section start_line filters contradicted"
    quoted_words = set(re.findall(r"`([a-z_]+)`", (SKILL / "SKILL.md").read_text()))
    assert {"ask", "search", "check_claims", "verify"} <= quoted_words & tools
    assert quoted_words <= tools | {*fields.split()} | {"rag", "not_in_documents"}


def test_the_registrys_entry_names_the_package_that_is_built() -> None:
    entry = json.loads((ROOT / "server.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", entry["name"])
    assert 0 < len(entry["description"]) <= 100
    assert f"mcp-name: {entry['name']}" in (ROOT / project["readme"]).read_text()
    (package,) = entry["packages"]
    assert (package["identifier"], package["version"]) == (project["name"], __version__)
    assert entry["version"] == __version__
    assert package["identifier"] in project["scripts"]
    (argument,) = package["runtimeArguments"]
    assert [argument["value"]] == project["optional-dependencies"]["mcp"]
    names = {f"RAG_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert {variable["name"] for variable in package["environmentVariables"]} <= names
