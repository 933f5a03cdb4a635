"""Recognises the boilerplate of an HTML page: navigation, breadcrumbs, headers, footers, contents,
cookie banners, edit links.

Uses only the page's structure: semantic elements, roles and classes, and the share of text in
links.
"""

import re
from collections.abc import Mapping
from operator import add
from typing import Any, NamedTuple

from lxml import etree

from rag.parsing.base import one_line

UNSEEN = frozenset("script style template noscript iframe title svg del s strike".split())
HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = frozenset(HEADINGS).union(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset "
    "figcaption figure footer form header hgroup hr html legend li main menu nav ol p pre section "
    "summary table tbody td tfoot th thead tr ul".split()
)
REMARKS = frozenset("note tip important caution warning danger admonition".split())
"""Classes of boxes whose heading does not apply to the text after the box."""
_ELEMENTS = frozenset("nav header footer aside form button select textarea dialog".split())
_PAGE = ("html", "body", "main")
_ROLES = frozenset("navigation search banner contentinfo complementary".split())
_CLASSES = frozenset(
    "navheader navfooter nav-panel related sphinxsidebar language-selection nosearch breadcrumb "
    "breadcrumbs skip-link skip-to-content mw-editsection mw-jump-link noprint printfooter "
    "catlinks toctitle editsection toplang bottomlang quickview".split()
)
"""Classes of boilerplate in DocBook, Texinfo, Sphinx, MediaWiki, the kernel, SQLite and Apache,
which do not use <nav>."""
_ASIDES = REMARKS | frozenset(
    "footnote footnote-list citation topic callout sidebar brackets system-message".split()
)
"""Classes of an <aside> that is part of the text, as docutils writes footnotes and boxes."""
_HINT = re.compile(
    r"(?:\A|[ _-])(?:nav|navbar|navigation|breadcrumbs?|menu|sidebar|footer|toc|contents|pagination"
    r"|pager|prevnext|share|sharing|social|skip|tags?|related|toolbar|topbar|masthead)(?:\Z|[ _-])"
)
"""In a class or an id, these suggest boilerplate if most of the text is links."""
_COOKIES = re.compile(r"cookie|consent|gdpr")
_PERMALINKS = ("¶", "#", "§", "🔗", "\uf0c1", "\u200b", "Permalink", "")
"""Texts of a heading's link to itself."""
_PERMALINK_CLASSES = frozenset(
    "headerlink permalink copiable-link heading-link heading-anchor anchorjs-link hash-link".split()
)
_EDIT = re.compile(
    r"(?i)\W*(?:(?:edit|improve|view|show|suggest)(?: (?:me|this|the|an?|on|page|source|edits?|in"
    r"|git ?hub|git ?lab|raw|wiki|history))+|edit)\W*"
    r"|report (?:a|this) bug|skip to (?:main )?content|jump to \w+|back to top|table of contents"
)
_STEPS = frozenset(
    "next prev previous up home top index contents back first last menu search modules bookmark "
    "source sitemap".split()
)
_MOST_OF = 0.8
"""Elements with at least this share of characters in links are lists of links."""
_BANNER = re.compile(
    r"\b(?:uses?|accept|reject|allow|manage)(?: \w+){0,3} cookies|"
    r"cookie (?:policy|settings|preferences|notice)"
)
_LONGEST_BANNER = 1500
_CONTENTS_PAGE = 50
"""A page with at least this many links, and little else, is a table of contents or an index."""


class Weight(NamedTuple):
    """Counts of visible characters, those in links, links, links within the page, and headings."""

    text: int
    linked: int
    links: int
    page_links: int
    headings: int

    @property
    def is_list_of_links(self) -> bool:
        """Whether most characters are in links."""
        return 0 < self.text * _MOST_OF <= self.linked


def weights_of(page: Any) -> dict[Any, Weight]:
    """The weight of each element of a page."""
    numbers: dict[Any, list[int]] = {}
    """the five numbers of a `Weight`, while they are summed from the innermost elements"""

    for element in reversed([*page.iter()]):
        weight = numbers.setdefault(element, [0] * 5)
        if element.tag in UNSEEN:
            weight[:] = [0] * 5
        else:
            _weigh(element, weight)

        parent = element.getparent()
        if parent is not None:
            total = numbers.setdefault(parent, [0] * 5)
            total[:] = map(add, total, weight)
            if element.tail:
                total[0] += len(element.tail.strip())

    return {element: Weight(*weight) for element, weight in numbers.items()}


def _weigh(element: Any, weight: list[int]) -> None:
    """Add the element itself to the weight of what it contains."""
    if element.text:
        weight[0] += len(element.text.strip())
    if element.tag in HEADINGS:
        weight[4] += weight[0] > 0
    elif element.tag == "a":
        address = element.get("href")
        if address is not None:
            weight[1:4] = [weight[0], 1, address.startswith("#")]


class Selection:
    """Decides for each element of `root`, the page's main part, in order, whether to drop it."""

    def __init__(self, page: Any, weights: Mapping[Any, Weight], all_forms: bool = False) -> None:
        self._weights = weights
        self._all_forms = all_forms
        self.root = _main_element(page, weights)
        root = weights[self.root]
        self.kept = root.text
        """number of characters kept so far"""
        self._before_heading = root.headings > 0
        self._is_index = root.links >= _CONTENTS_PAGE and root.is_list_of_links

    def __call__(self, element: Any) -> bool:
        name = element.tag
        if name in HEADINGS and self._weights[element].text:
            self._before_heading = False
            return False
        if name == "a":
            drop = _is_tool(element)
        else:
            is_content = element is self.root or name in _PAGE
            is_box = name in BLOCKS or name in _ELEMENTS or name == "span"
            drop = is_box and not is_content and self._is_furniture(element)
        if drop:
            self.kept -= self._weights[element].text
        return drop

    def _is_furniture(self, element: Any) -> bool:
        """Whether a box is boilerplate, by its type, its classes, or its share of links."""
        weight = self._weights[element]
        of_classes = classes(element)
        if element.tag in _ELEMENTS or element.get("role") in _ROLES:
            return not self._belongs_to_text(element, of_classes)

        own_id = element.get("id")
        names = of_classes | {own_id}
        if not names.isdisjoint(_CLASSES):
            return True
        if not of_classes and not own_id and not weight.links:
            return False

        hints = " ".join([*of_classes, own_id or ""]).lower()
        if _COOKIES.search(hints) and weight.text < _LONGEST_BANNER:
            text = one_line("".join(element.itertext()).lower())
            return _BANNER.search(text) is not None
        if element.tag == "span":
            return False
        return self._is_links(element, is_hinted=_HINT.search(hints) is not None)

    def _belongs_to_text(self, element: Any, of_classes: frozenset[str]) -> bool:
        """Whether a header, form or aside is nevertheless part of the text."""
        name = element.tag
        weight = self._weights[element]
        if name == "aside":
            is_note = element.get("role") in ("note", "doc-footnote")
            return is_note or not of_classes.isdisjoint(_ASIDES)
        if name == "footer":
            parent = element.getparent()
            return parent is not None and parent.tag in ("blockquote", "figure")
        if name == "form":
            # Some pages consist of one form.
            is_most_of_page = 2 * weight.text > self._weights[self.root].text
            if self._all_forms or is_most_of_page:
                return True
        return name in ("header", "form") and weight.headings > 0

    def _is_links(self, element: Any, is_hinted: bool) -> bool:
        """Whether the element contains only links within the site or the page."""
        weight = self._weights[element]
        if weight.links < 2 or weight.headings:
            return False
        are_half_links = 0 < weight.text <= 2 * weight.linked
        if not weight.is_list_of_links and not (is_hinted and are_half_links):
            return False

        lead_within_page = weight.page_links >= 3 and weight.page_links >= 0.9 * weight.links
        if is_hinted or self._is_index or lead_within_page:
            return True
        if element.tag in ("td", "th", "tr", "li", "tbody", "thead"):
            return False
        return self._before_heading or _are_steps(element)


def classes(element: Any) -> frozenset[str]:
    """The classes of an element."""
    value = element.get("class")
    if not value:
        return frozenset()
    return frozenset(value.split())


def _main_element(page: Any, weights: Mapping[Any, Weight]) -> Any:
    """The element marked as main, the only article unless it is a card, or everything."""
    marked = _marked_as_main(page)
    if marked is not None and weights[marked].text:
        return marked

    articles = [*page.iter("article")]
    if len(articles) != 1:
        return page
    (article,) = articles
    is_card = 2 * weights[article].text < _text_without_furniture(page, weights)
    return page if is_card else article


def _marked_as_main(page: Any) -> Any:
    """The first <main>, or else the first element with that role; None without one."""
    for element in page.iter("main"):
        return element
    for element in page.iter():
        if element.get("role") == "main":
            return element
    return None


def _text_without_furniture(page: Any, weights: Mapping[Any, Weight]) -> int:
    """Characters of the page without the outermost elements that are boilerplate by type."""
    characters = weights[page].text
    walk = etree.iterwalk(page, events=("start",))
    for _, element in walk:
        is_boilerplate = element.tag in _ELEMENTS or element.get("role") in _ROLES
        if is_boilerplate or not classes(element).isdisjoint(_CLASSES):
            walk.skip_subtree()
            if element.tag not in _PAGE:
                characters -= weights[element].text
    return characters


def _is_tool(link: Any) -> bool:
    """Whether a link leads from a heading to itself, or to an editor."""
    if not classes(link).isdisjoint(_PERMALINK_CLASSES):
        return True
    address = link.get("href")
    if address is None:
        return False
    text = _short_text(link)
    is_permalink = address.startswith("#") and text in _PERMALINKS
    return is_permalink or _EDIT.fullmatch(text) is not None


def _short_text(element: Any) -> str:
    """The text of an element, cut to the length of a label."""
    text = "".join(element.itertext())
    return one_line(text[:80])


def _are_steps(element: Any) -> bool:
    """Whether all links are navigation steps such as "next", "up" and "contents"."""
    for link in element.iter("a"):
        if link.get("href") is None:
            continue
        words = _short_text(link).lower().strip(" :|«»<>←→↑[]()").split()
        if words and words[0] not in _STEPS:
            return False
    return True
