"""Agents can load the skill's folder, and it names only existing tools."""

import json
import re
from pathlib import Path

import pytest
import yaml

SKILL = Path(__file__).parents[1] / "integrations" / "skill"


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

    tools = {tool.name for tool in anyio.run(make_server(lambda _: None, True).list_tools)}  # type: ignore[arg-type, return-value]
    fields = {
        "found",
        "conversation",
        "url",
        "start",
        "end",
        "section",
        "start_line",
        "filters",
        "contradicted",
    }
    named = set(re.findall(r"`([a-z_]+)`", (SKILL / "SKILL.md").read_text()))
    assert {"ask", "search", "check_claims", "verify"} <= named & tools
    assert named <= tools | fields | {"rag", "not_in_documents"}
