"""The package's regular expressions, and texts that make each try again and again."""

import ast
import importlib
import inspect
import pkgutil
import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from types import ModuleType
from typing import Any

import rag

OPTIONAL = ("rag.client.langchain", "rag.client.llama_index")
"""Modules that import what the package does not require."""
_ANCHORED = {"match", "fullmatch"}
_METHODS = {"search", "finditer", "findall", "sub", "subn", "split", *_ANCHORED}
_CATEGORIES = {
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_DIGIT: "7",
    codes.CATEGORY_WORD: "w",
    codes.CATEGORY_NOT_SPACE: "w",
    codes.CATEGORY_NOT_DIGIT: "w",
    codes.CATEGORY_NOT_WORD: "-",
}
_DEEPEST = 4


@dataclass
class Used:
    """A pattern, where it is, and the methods that are called on it."""

    pattern: re.Pattern[Any]
    place: str
    methods: set[str] = field(default_factory=set)

    def runs(self) -> list[Callable[[Any], object]]:
        """Functions that read a text as the package does. A pattern of which no call is known is
        searched for.
        """
        runs: list[Callable[[Any], object]] = [
            getattr(self.pattern, method) for method in sorted(self.methods & _ANCHORED)
        ]
        if not self.methods or self.methods - _ANCHORED:
            runs.append(lambda text: sum(1 for _ in self.pattern.finditer(text)))
        return runs


def used_patterns() -> dict[str, Used]:
    """Every pattern of the package by its place: those in modules and classes, and those that a
    function compiles, in which a value of the function is the word "x".
    """
    by_pattern: dict[tuple[Any, int], Used] = {}

    def add(pattern: re.Pattern[Any], place: str, methods: set[str]) -> None:
        key = (pattern.pattern, pattern.flags)
        by_pattern.setdefault(key, Used(pattern, place)).methods.update(methods)

    for module in _modules():
        for name, value in vars(module).items():
            for pattern, place in _patterns_in(value, f"{module.__name__}.{name}", module):
                add(pattern, place, set())
        tree = ast.parse(inspect.getsource(module))
        names = {
            node.value: node.targets[0].id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        owners = {n: value for n, value in vars(module).items() if isinstance(value, re.Pattern)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (method := _function_of_re(node)):
                pattern = re.compile(*_pattern_and_flags(node, vars(module)))
                add(pattern, f"{module.__name__}:{node.lineno}", {method} & _METHODS)
                owners[names.get(node, "")] = pattern
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(ast.Name(name), method) if name in owners and method in _METHODS:
                    add(owners[name], "", {method})
    return {pattern_used.place: pattern_used for pattern_used in by_pattern.values()}


def _modules() -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(rag.__path__, "rag."):
        if not module.name.endswith("__main__") and module.name not in OPTIONAL:
            yield importlib.import_module(module.name)


def _function_of_re(call: ast.Call) -> str:
    """The name of the function of `re` that is called, or ""."""
    match call.func:
        case ast.Attribute(ast.Name("re"), name) if name in (*_METHODS, "compile"):
            return name
    return ""


def _patterns_in(
    value: object, place: str, module: ModuleType, depth: int = 0
) -> Iterator[tuple[re.Pattern[Any], str]]:
    items: list[tuple[object, str]] = []
    if isinstance(value, re.Pattern):
        yield value, place
    elif depth == _DEEPEST:
        return
    elif isinstance(value, dict):
        items = [(item, place) for pair in value.items() for item in pair]
    elif isinstance(value, list | tuple | set | frozenset) and len(value) < 500:
        items = [(item, f"{place}[{number}]") for number, item in enumerate(value)]
    elif inspect.isclass(value) and value.__module__ == module.__name__:
        items = [(item, f"{place}.{name}") for name, item in vars(value).items()]
    elif is_dataclass(value) and not isinstance(value, type):
        items = [(getattr(value, f.name, None), f"{place}.{f.name}") for f in fields(value)]
    for item, item_place in items:
        yield from _patterns_in(item, item_place, module, depth + 1)


def _pattern_and_flags(call: ast.Call, names: dict[str, Any]) -> tuple[Any, int]:
    flags = [keyword.value for keyword in call.keywords if keyword.arg == "flags"]
    last_argument = call.args[-1]
    if not flags and len(call.args) > 1 and ast.unparse(last_argument).startswith("re."):
        flags = [last_argument]
    pattern: Any = ast.fix_missing_locations(_WithoutLocals(names).visit(call.args[0]))
    value, flag = (
        eval(compile(ast.Expression(node), "<test>", "eval"), names)
        for node in (pattern, flags[0] if flags else ast.Constant(0, lineno=1, col_offset=0))
    )
    return value.pattern if isinstance(value, re.Pattern) else value, flag


class _WithoutLocals(ast.NodeTransformer):
    """Puts the word "x" for what can be computed only within the function."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.FormattedValue | ast.BinOp):
            return self.generic_visit(node)
        if isinstance(node, ast.expr):
            try:
                eval(compile(ast.Expression(node), "<test>", "eval"), self._names)
            except NameError:
                return ast.Constant("x")
        return node


def texts(pattern: re.Pattern[Any], size: int) -> Iterator[Any]:
    """Texts of about `size` characters: what the pattern begins with or contains, again and again,
    and what it repeats, after its beginning.
    """
    binary = isinstance(pattern.pattern, bytes)
    runs: set[tuple[str, str]] = {("", character) for character in " 7a\n-"}
    _example(parser.parse(pattern.pattern, pattern.flags), "", runs)
    for start, repeated in sorted(runs):
        if 0 < len(repeated) < 60:
            run = start + (repeated * size)[:size]
            for text in (f"{run}!", f"a{run}a"):
                yield text.encode("latin-1", "replace") if binary else text


def _example(tree: Any, text_before: str, runs: set[tuple[str, str]]) -> str:
    """A text that the pattern begins to match. Beginnings of the pattern are in `text_before`;
    `runs` gets pairs of a beginning and what may be repeated after it.
    """
    text = ""
    for code, value in tree:
        part = ""
        if code is codes.LITERAL:
            part = chr(value)
        elif code in (codes.NOT_LITERAL, codes.ANY):
            part = "x"
        elif code is codes.IN:
            part = _characters(value)[0]
            runs.update(("", character) for character in _characters(value)[:8])
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            part = _example(value[2], text_before + text, runs) * max(1, value[0])
            runs.add((text_before + text, part))
        elif code is codes.SUBPATTERN:
            part = _example(value[3], text_before + text, runs)
        elif code is codes.ATOMIC_GROUP:
            part = _example(value, text_before + text, runs)
        elif code is codes.BRANCH:
            choices = [_example(branch, text_before + text, runs) for branch in value[1]]
            runs.update(("", text + choice) for choice in choices[:8])
            part = choices[0]
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            _example(value[1], text_before + text, runs)
        text += part
        runs.add(("", part))
        if code is not codes.LITERAL:
            runs.add(("", text))
    runs.update((("", text), ("", text_before + text)))
    return text


def _characters(items: Any) -> list[str]:
    """Characters of a set such as [a-z]; of a negated one, a character that it does not list."""
    listed = []
    for code, value in items:
        if code is codes.LITERAL:
            listed.append(chr(value))
        elif code is codes.RANGE:
            listed.append(chr(value[0]))
        elif code is codes.CATEGORY:
            listed.append(_CATEGORIES[value])
    if items[0][0] is not codes.NEGATE:
        return listed
    return [character for character in "x 7-\n" if character not in listed] or ["é"]
