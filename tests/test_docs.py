"""docs/settings.md is generated from `Settings`: ACCEPT_DOCS=1 pytest tests/test_docs.py
writes it.
"""

import ast
import os
import re
from dataclasses import fields
from pathlib import Path

from rag import settings
from rag.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "settings.md"
HEAD = """# Settings

Settings are read in this order, and later ones win: defaults, `rag.toml` in the working folder (or
the file named in `RAG_CONFIG`), `RAG_*` variables, options. Unknown names are errors. In the file,
write settings in lower case without `RAG_`: `top_k = 3`. If rag finds a `rag.toml` by itself in
the working folder, that file must not set models, databases, hosts, or files other than the index
folder; if you trust it, name it in `RAG_CONFIG`. `--index` uses a local index even if `RAG_STORE`
is set.

| setting | default | |
|---|---|---|
"""


def explained() -> dict[str, str]:
    """The docstring below each field."""
    (made,) = [
        n
        for n in ast.parse(Path(settings.__file__).read_text()).body
        if isinstance(n, ast.ClassDef) and n.name == "Settings"
    ]
    texts, name = {}, ""
    for node in made.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            texts[name] = " ".join(str(node.value.value).split())
    return texts


def page() -> str:
    texts = explained()
    rows = [
        f"| `RAG_{f.name.upper()}` | `{getattr(Settings(), f.name)}` | "
        f"{texts[f.name].replace('|', '/')} |"
        for f in fields(Settings)
    ]
    return HEAD + "\n".join(rows).replace("``", '`""`') + "\n"


def test_the_settings_page_matches_the_settings() -> None:
    if os.environ.get("ACCEPT_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


def test_files_named_in_the_documentation_exist() -> None:
    for path in [*ROOT.glob("[RC]*.md"), *(ROOT / "docs").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (path.parent / target).exists(), (path.name, target)
        for named in re.findall(r"`((?:rag|eval|docs|tests)/[\w./-]+\.\w+)`", text):
            assert (ROOT / named).exists(), (path.name, named)


def test_links_to_sections_lead_to_a_heading() -> None:
    for path in [*ROOT.glob("[RC]*.md"), *(ROOT / "docs").glob("*.md")]:
        links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text(encoding="utf-8"))
        for target, section in links:
            page = path.parent / target if target else path
            headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            named = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert section in named, (path.name, target, section)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
