from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.parsing.load import load_bytes
from rag.parsing.rst import parse
from rag.structure import sections

SOURCE = """\
.. SPDX-License-Identifier: GPL-2.0
.. _target:

=========
The sea
=========

:Author: Ada Bell
:Date: 5 March 2024

Fish *swim* in ``shoals``, see :ref:`the ports <ports>` and `a page <https://x.org>`_.
They do not stop::

    while true:
        swim()

Ports
=====

.. note:: Mind the
   rocks.

.. code-block:: c
   :linenos:

   int port;

- Muscat, an old
  harbour
- Sur

.. toctree::
   :maxdepth: 2

   hidden

Small
-----

===== =====
Port  Tons
===== =====
Sur   12
      more
Masqat 3
===== =====

+------+-------+
| Port | Tons  |
+======+=======+
| Sur  | 12    |
|      | more  |
+------+-------+

.. list-table:: Catch
   :header-rows: 1

   * - Port
     - Tons
   * - Sur
     - 12

Ships
=====

.. [1] A note.
"""


def test_a_source() -> None:
    text, blocks, metadata = parse(SOURCE)
    assert text.split("\n\n") == [
        "The sea", "Author: Ada Bell\nDate: 5 March 2024",
        "Fish swim in shoals, see the ports and a page.\nThey do not stop:",
        "while true:\n    swim()", "Ports", "Mind the\nrocks.", "int port;",
        "- Muscat, an old harbour\n- Sur", "Small",
        "Port | Tons\nPort: Sur | Tons: 12 more\nPort: Masqat | Tons: 3",
        "Port | Tons\nPort: Sur | Tons: 12 more", "Catch", "Port | Tons\nPort: Sur | Tons: 12",
        "Ships", "[1] A note.",
    ]  # fmt: skip
    headings = ["The sea", "The sea > Ports", "The sea > Ports > Small"]
    headings += ["The sea > Ports > Small > Catch", "The sea > Ships"]
    assert [section.heading for section in sections(blocks)] == headings
    assert metadata == {"author": "Ada Bell", "date": "5 March 2024", "title": "The sea"}


def test_sphinx_sources_are_rst() -> None:
    assert (
        load_bytes("index.rst.txt", b"Fish\n====\n\nThey *swim*.")[0].text == "Fish\n\nThey swim."
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("``#include <linux/fs.h>`` and ``a *b*``, *c*", "#include <linux/fs.h> and a *b*, c"),
        (
            ":kbd:`Alt-<key>` see `the page <https://a.b>`_ or :ref:`ports <the-ports>`",
            "Alt-<key> see the page or ports",
        ),
        ("``one\nliteral`` and ``two``", "one\nliteral and two"),
    ],
)
def test_literals_are_unchanged(source: str, expected: str) -> None:
    assert parse(source)[0] == expected


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a * b and c * d", "a * b and c * d"),
        ("``a*b``", "a*b"),
        ("**bold** and *it*", "bold and it"),
        ("2 ** 3", "2 ** 3"),
        (":doc:`/admin/x`", "/admin/x"),
        (":func:`~os.path.join`", "os.path.join"),
        ("x_ and `y z`_", "x_ and y z"),
        ("::\n\n  code", "code"),
        ("----\n\nAfter a rule.", "After a rule."),
        ("..\n  hidden\n\nShown", "Shown"),
        (".. image:: x.png\n   :alt: hidden\n\nShown", "Shown"),
    ],
)
def test_marks(source: str, text: str) -> None:
    assert parse(source)[0] == text


def test_directives_nested_deep_are_read() -> None:
    source = "".join("   " * depth + ".. note::\n\n" for depth in range(500)) + "   " * 500 + "deep"
    assert parse(source)[0].endswith("deep")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text("abcdef", min_size=1, max_size=9), min_size=1, max_size=40),
    st.sampled_from([" ", "\n", "\n\n", "\n- "]),
)
def test_every_word_of_prose_survives(words: list[str], between: str) -> None:
    assert parse(between.join(words))[0].replace("- ", "").split() == words


def test_a_term_is_in_the_context_of_its_definition() -> None:
    source = "A\n===\n\nretries\n   How often.\n\n   The default is three.\n\n"
    source += ".. confval:: timeout\n\n   Seconds.\n\nAfter it all."
    text, blocks, _ = parse(source)
    assert [(text[s.start :].split("\n")[0], s.heading) for s in sections(blocks)] == [
        ("A", "A"),
        ("retries", "A > retries"),
        ("timeout", "A > timeout"),
        ("After it all.", "A"),
    ]
    assert (
        text
        == "A\n\nretries\n\nHow often.\n\nThe default is three.\n\ntimeout\n\nSeconds.\n\nAfter "
        "it all."
    )
