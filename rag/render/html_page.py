"""A page of HTML without scripts and other files, for light and dark, wide and narrow screens."""

from __future__ import annotations

from html import escape

from rag.render.status import clean

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto 3rem; max-width: 80rem;
  padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
small { color: light-dark(#555, #bbb); } blockquote { margin: .3rem 0 .3rem 1rem; }
@media print { a { color: inherit; text-decoration: none; } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_page(title: str, body: str, style: str = "") -> str:
    """A page with this title and heading, which are text, and body, which is HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html_text(title)}</title><style>{_STYLE}{style}</style></head>"
        f"<body><h1>{html_text(title)}</h1>{body}</body></html>\n"
    )


def html_text(text: str) -> str:
    """The text, which cannot become HTML, without control and direction characters."""
    return escape(clean(text))
