"""Draws the pictures of the README and docs: python -m eval.pictures [page] [prompt] [grid] [audit]

page.png shows an answer beside its document, in Chromium; prompt.png shows `rag repl` in a terminal
(tmux), rendered by Chromium. Both use an index of seeds/. grid.png shows a grid of contracts, and
audit.png a text with quotations that is checked against them.

With --states FOLDER it draws the states of the page instead, to be looked at: empty, with
documents, an answer, sentences, a refusal, and talk; light, dark, and on a phone. It fails if one
is wider than its window.
"""

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import click
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from eval.chaos.programs import served
from eval.scripts import PATH, script
from tests.repl.tmux import Terminal

FOLDER = Path("docs/images")
_CHROMIUM = "/usr/bin/chromium"
_PAGE_QUESTION = "When was the JCPOA signed?"
_TYPED = ("When was the JCPOA signed?", "and where?")
_SEEDS = ("seeds",)
_CONTRACTS = (
    "eval/gold/office/contracts/office-lease.md",
    "eval/gold/office/contracts/cleaning-services.txt",
    "eval/gold/office/contracts/nda-halloran.docx",
    "eval/gold/office/home/car-insurance.txt",
    "eval/gold/mixed/tenancy-agreement.txt",
    "eval/gold/mixed/cycle-hire-contract.txt",
)
_GRID = {
    "name": "contracts",
    "columns": [
        {"name": "Begins", "question": "When does the contract begin?", "type": "date"},
        {"name": "Ends", "question": "When does the contract end?", "type": "date"},
        {"name": "Price", "question": "How much has to be paid?", "type": "amount"},
        {"name": "Parties", "question": "Between whom was the contract made?"},
    ],
}
_AUDITED = """The lease: “The rent is £5,510 a month, due on the first working day of the month.”
The cleaners come three times a week, and “the monthly fee is 1,240 pounds plus VAT”.
In the flat “pets of every kind are always welcome”.
"""
_VIEWS: dict[str, tuple[int, int, Literal["light", "dark"]]] = {
    "light": (1280, 800, "light"),
    "dark": (1280, 800, "dark"),
    "phone": (390, 844, "light"),
}
"""Width and height of a window, and its colours."""
_STATES = {
    "answer": _PAGE_QUESTION,
    "sentences": "Why can Oman mediate between Iran and the US?",
    "refusal": "Who won the chess world cup?",
    "talk": "What can I ask you?",
}
"""Questions, after which the page is drawn."""
_COLUMNS, _ROWS = 96, 40
_COLOURS = 64


def _colours(text: str) -> list[tuple[int, int, int]]:
    return [(rgb[0], rgb[1], rgb[2]) for rgb in map(bytes.fromhex, text.split())]


_THEME = TerminalTheme(
    (18, 20, 19),
    (233, 236, 234),
    _colours("282c2a ff9a92 6ed296 f0c86e 78aafa c896f0 4fc9b1 c8cecb"),
    _colours("828a86 ff9a92 6ed296 ffe27a 78aafa c896f0 4fc9b1 ffffff"),
)
_TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #121413; width: max-content; }}
pre {{
  margin: 0; padding: 22px 26px; font: 15px/1.42 "DejaVu Sans Mono", monospace; color: {foreground};
}}
</style><pre>{code}</pre>"""


@contextmanager
def _opened(browser: Browser, index: Path, height: int) -> Iterator[tuple[Page, str]]:
    """A page of this height in pixels, and the address of a service over the index."""
    with served(index, fake=False) as service:
        page = browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")
        yield page, service.url
        page.close()


def _screenshot(page: Page, full_page: bool = False) -> bytes:
    """When nothing moves any more and the mouse is over nothing."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)
    return page.screenshot(full_page=full_page)


def draw_page(browser: Browser, index: Path) -> bytes:
    with _opened(browser, index, 800) as (page, url):
        page.goto(url)
        page.locator("#question").fill(_PAGE_QUESTION)
        page.keyboard.press("Enter")
        page.locator(".answer").wait_for(timeout=120_000)
        page.get_by_role("button", name="Open citation 1").first.click()
        page.locator("#side mark").first.wait_for()
        return _screenshot(page)


def draw_grid(browser: Browser, index: Path) -> bytes:
    with _opened(browser, index, 760) as (page, url):
        page.request.post(f"{url}/v1/grids", data=_GRID)
        page.goto(f"{url}/#grid={_GRID['name']}")
        page.locator("#grid-progress:empty").wait_for(state="attached", timeout=600_000)
        page.locator(".grid td button").first.click()
        page.locator("#side mark").first.wait_for()
        page.evaluate("scrollTo(0, 0)")
        return _screenshot(page)


def draw_audit(browser: Browser, index: Path) -> bytes:
    with _opened(browser, index, 900) as (page, url):
        page.goto(url)
        page.locator("#mode-check").click()
        page.get_by_label("Text to check").fill(_AUDITED)
        page.locator("#check").get_by_role("button", name="Check", exact=True).click()
        page.locator(".tally").wait_for(timeout=120_000)
        return _screenshot(page, full_page=True)


def draw_states(browser: Browser, index: Path, folder: Path) -> None:
    """Save the page's states. Raises SystemExit if one is wider than its window."""
    too_wide = []
    for place, questions in ((folder / "no-index", {}), (index, _STATES)):
        with served(place, fake=False) as service:
            for view, (width, height, colours) in _VIEWS.items():
                size: ViewportSize = {"width": width, "height": height}
                page = browser.new_page(viewport=size, color_scheme=colours)
                for state, question in {"start": "", **questions}.items():
                    _show_state(page, service.url, question)
                    name = f"{state if questions else 'empty'}-{view}"
                    save(_screenshot(page), folder / f"{name}.png")
                    is_wider = "document.documentElement.scrollWidth > innerWidth"
                    if page.evaluate(is_wider):
                        too_wide.append(name)
                page.close()
    if too_wide:
        raise SystemExit(f"wider than the window: {', '.join(too_wide)}")


def _show_state(page: Page, url: str, question: str) -> None:
    """The start page with its suggested questions, or the page with the answer to a question."""
    page.goto("about:blank")
    page.goto(url)
    if question:
        page.locator("#question").fill(question)
        page.keyboard.press("Enter")
        page.locator(".answer").wait_for(timeout=120_000)
    else:
        while not page.request.get(f"{url}/v1/guide").json()["complete"]:
            page.wait_for_timeout(500)
        page.reload()
        start = page.locator("#guide h2, #welcome h2").filter(visible=True)
        start.first.wait_for(timeout=30_000)


def draw_prompt(browser: Browser, index: Path) -> bytes:
    code = _as_html(_session(index))
    page: Page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_content(_TERMINAL.format(code=code, foreground=_THEME.foreground_color.hex))
    picture = page.locator("pre").screenshot()
    page.close()
    return picture


def _session(index: Path) -> str:
    """The screen after the typed questions, with colours as ANSI escapes."""
    in_folder = ["env", "-C", str(index.absolute().parent)]  # the screen shows no other folder
    repl = [*in_folder, sys.executable, "-m", "rag", "repl", "--index", index.name]
    environ = {"XDG_STATE_HOME": "/dev/null", "COLORTERM": "truecolor"}
    with Terminal(repl, environ, _COLUMNS, _ROWS) as terminal:
        terminal.wait("\n›")
        for line in _TYPED:
            terminal.ask(line, "%")
        time.sleep(1)  # colours of the last line
        return terminal.screen(styled=True)


def _as_html(screen: str) -> str:
    console = Console(record=True, file=io.StringIO(), width=_COLUMNS, force_terminal=True)
    console.print(Text.from_ansi(screen), soft_wrap=True)
    return console.export_html(theme=_THEME, inline_styles=True, code_format="{code}")


def save(picture: bytes, path: Path) -> None:
    """Save with a palette: with few colours the file is a third as large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {image.width} x {image.height}, {path.stat().st_size:,} bytes")


_DRAWINGS = {
    "page": (draw_page, _SEEDS),
    "prompt": (draw_prompt, _SEEDS),
    "grid": (draw_grid, _CONTRACTS),
    "audit": (draw_audit, _CONTRACTS),
}


@script(__doc__)
@click.argument("names", type=click.Choice(list(_DRAWINGS)), nargs=-1)
@click.option("--index", type=PATH, help="Index to use instead of a new one.")
@click.option("--states", type=PATH, help="Folder for pictures of the page's states.")
def main(names: tuple[str, ...], index: Path | None, states: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        if states:
            draw_states(browser, index or _ingested(_SEEDS, Path(folder)), states)
        for name in () if states else names or _DRAWINGS:
            draw, sources = _DRAWINGS[name]
            place = index or _ingested(sources, Path(folder))
            save(draw(browser, place), FOLDER / f"{name}.png")
        browser.close()


def _ingested(sources: Sequence[str], folder: Path) -> Path:
    """An index of these files, made unless it is there."""
    place = folder / Path(sources[0]).stem
    if not place.exists():
        ingest = [sys.executable, "-m", "rag", "ingest", *sources, "--index", str(place)]
        subprocess.run(ingest, check=True)
    return place


if __name__ == "__main__":
    main()
