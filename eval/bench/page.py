"""How soon the page shows content: python -m eval.bench.page --out eval/results/page.json

Runs a service on seeds/ (`rag serve`, warm) and Chromium on one machine. First paint is Chromium's
First Contentful Paint of each fresh load; passages are timed in the page from the key press of
Enter until the first of them is in the DOM. All in milliseconds. The page's security policy is
bypassed, since it rejects the functions that wait in the page.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, sync_playwright

from rag.evaluation.environment import commit
from rag.models.threads import available_cores
from rag.server.static import PAGE

CHROMIUM = "/usr/bin/chromium"
QUESTIONS = (
    "When was the JCPOA signed?",
    "Who mediated between Iran and the US?",
    "Where does Fordow lie?",
    "Why did the United States leave the deal?",
    "What is the breakout time?",
    "Which banks were cut off from SWIFT?",
    "How many centrifuges does Natanz have?",
    "What happened in June 2025?",
)
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_WATCH = """() => {
  window.shownAfter = null;
  let pressed = 0;
  const seen = () => {
    const shown = document.querySelector('.while .card, .turn .answer');
    if (window.shownAfter !== null || !shown) return;
    window.shownAfter = performance.now() - pressed;
  };
  new MutationObserver(seen).observe(document.body, { childList: true, subtree: true });
  const press = event => { if (event.key === 'Enter') pressed = performance.now(); };
  addEventListener('keydown', press, true);
}"""


@contextmanager
def served(index: Path) -> Iterator[str]:
    """The address of a service that is ready."""
    command = [sys.executable, "-m", "rag", "serve", "--no-key", "--index", str(index)]
    started = subprocess.Popen(
        command, env={**os.environ, "RAG_PORT": "0"}, stderr=subprocess.PIPE, text=True
    )
    try:
        assert started.stderr
        found = re.search(r"http://[^\s\"]+", started.stderr.readline())
        if not found:
            raise SystemExit("rag serve did not print its address")
        address = found.group()
        while not _ready(address):
            time.sleep(0.2)
        yield address
    finally:
        started.terminate()
        started.wait()


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


def first_paints(browser: Browser, address: str, loads: int) -> list[float]:
    found = []
    for _ in range(loads + 1):  # the first one warms the browser
        context = browser.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True)
        page = context.new_page()
        page.goto(address)
        page.wait_for_function(f"({_PAINT}) !== null")
        found.append(float(page.evaluate(_PAINT)))
        context.close()
    return found[1:]


def first_passages(browser: Browser, address: str, rounds: int) -> list[float]:
    found = []
    for question in QUESTIONS[:1] + QUESTIONS * rounds:  # the first one warms the models
        page = browser.new_page(viewport={"width": 1280, "height": 800}, bypass_csp=True)
        page.goto(address)
        page.wait_for_function("document.querySelector('#document-count').textContent !== ''")
        page.evaluate(_WATCH)
        page.locator("#question").fill(question)
        page.keyboard.press("Enter")
        page.wait_for_function("window.shownAfter !== null", timeout=60_000)
        found.append(float(page.evaluate("window.shownAfter")))
        page.locator(".answer").wait_for(
            timeout=60_000
        )  # the next must not run while this one is reading
        page.close()
    return found[1:]


def summary(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "n": len(times),
        "least": round(ordered[0], 1),
        "p50": round(statistics.median(times), 1),
        "p90": round(ordered[int(0.9 * (len(times) - 1))], 1),
    }


def measure(index: Path, loads: int, rounds: int) -> dict[str, Any]:
    before = os.getloadavg()[0]
    with served(index) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        paints = first_paints(browser, address, loads)
        passages = first_passages(browser, address, rounds)
        browser.close()
    html = PAGE.html.encode()
    return {
        "commit": commit(),
        "cores": available_cores(),
        "load_before": round(before, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "page_bytes": len(html),
        "page_bytes_gzip": len(gzip.compress(html)),
        "first_paint_ms": summary(paints),
        "first_passages_ms": summary(passages),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", type=Path, help="an index of seeds/; made if not given")
    parser.add_argument("--loads", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3, help=f"each asks {len(QUESTIONS)} times")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index = arguments.index or Path(folder) / "index"
        if not arguments.index:
            ingest = [sys.executable, "-m", "rag", "ingest", "seeds", "--index", str(index)]
            subprocess.run(ingest, check=True)
        made = measure(index, arguments.loads, arguments.rounds)
    print(json.dumps(made, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
