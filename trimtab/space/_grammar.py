"""The grammar of expressions: text to a tree of tuples, and a tree back to text.

Idea    A tokenizer of one regular expression and a parser by precedence. Nothing is ever compiled or evaluated by
        Python, so text read from a file or a database can do nothing but compare numbers, strings and lists.
Tree    ("const", value) ("name", "a.b") ("list", (node, …)) ("call", "min", (node, …)) ("-", a) ("+", a, b) …
        ("compare", (a, b, c), ("<", "<=")) ("and", (…)) ("or", (…)) ("not", a)
Names   Dotted names stand bare; any other name is written in backquotes: `val/loss` <= 3. A name that the caller knows
        may stand bare too ("val/loss <= 3"), and then wins over the division it could be.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Any, TypeAlias

from trimtab.errors import SpaceError

Node: TypeAlias = tuple[Any, ...]

MAX_LENGTH = 4000  # characters; a guess: the longest rule anyone types is ten times shorter
MAX_DEPTH = 40  # far below Python's own limit of frames, so that deep nesting is an error and not a crash
MAX_OPERATORS = 200
FUNCTIONS = {"min": (1, 9), "max": (1, 9), "abs": (1, 1), "log": (1, 1), "log2": (1, 1), "log10": (1, 1)} | {
    "sqrt": (1, 1),
    "exp": (1, 1),
    "round": (1, 1),
}
LITERALS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
WORDS = frozenset({"and", "or", "not", "in", *LITERALS})
COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")
NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "==", "in": "not in", "not in": "in"}

_PLAIN = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<quoted>`(?:[^`]|``)+`)
    | (?P<name>[^\W\d]\w*(?:\.\w+)*)
    | (?P<sign>\*\*|<=|>=|==|!=|&&|\|\||[-+*/%<>()\[\],=!&|^])
    | (?P<end>$)
    )""",
    re.VERBOSE,
)
_HINTS = {"=": "==", "&&": "and", "||": "or", "&": "and", "|": "or", "!": "not", "^": "**"}


def parse(text: str, known: Collection[str] = ()) -> Node:
    """The tree of an expression, or SpaceError naming the place that can't be read."""
    if len(text) > MAX_LENGTH:
        raise SpaceError(f"{text[:40]!r}…: an expression of {len(text)} characters; at most {MAX_LENGTH} are read.")
    return _Parser(text, _tokens(text, known)).whole()


def _tokens(text: str, known: Collection[str]) -> list[tuple[str, str]]:
    odd = [name for name in known if not _PLAIN.fullmatch(name) and "`" not in name]
    odd.sort(key=len, reverse=True)
    tokens, at = [], 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        for name in odd:  # the longest known odd name that stands here as a whole word
            if text.startswith(name, at) and not re.match(r"\w", text[at + len(name) :]):
                tokens.append(("name!", name))
                at += len(name)
                break
        else:
            match = _TOKEN.match(text, at)
            if match is None:
                raise SpaceError(
                    f"{text!r}: can't read {text[at : at + 12]!r}. A name with odd signs goes in `backquotes`."
                )
            kind, at = str(match.lastgroup), match.end()
            tokens.append((kind, match[kind]))
            if kind == "end":
                return tokens


class _Parser:
    """Recursive descent; one method a level of precedence."""

    def __init__(self, text: str, tokens: list[tuple[str, str]]) -> None:
        self.text, self.tokens, self.at, self.depth, self.operators = text, tokens, 0, 0, 0

    def whole(self) -> Node:
        node = self.either()
        if self.tokens[self.at][0] != "end":
            self.refuse()
        return node

    def refuse(self) -> None:
        kind, found = self.tokens[self.at]
        hint = f" Write {_HINTS[found]!r} instead." if found in _HINTS else ""
        where = "ends too early" if kind == "end" else f"can't be read at {found!r}"
        raise SpaceError(f"{self.text!r} {where}.{hint}")

    def peek(self, *signs: str) -> bool:
        kind, found = self.tokens[self.at]
        return found in signs and kind in ("sign", "name")

    def take(self, *signs: str) -> str | None:
        if self.peek(*signs):
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def need(self, sign: str) -> None:
        if self.take(sign) is None:
            self.refuse()

    def either(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise SpaceError(f"{self.text[:40]!r}…: nested more than {MAX_DEPTH} deep.")
        nodes = [self.both()]
        while self.take("or"):
            nodes.append(self.both())
        self.depth -= 1
        return nodes[0] if len(nodes) == 1 else ("or", tuple(nodes))

    def both(self) -> Node:
        nodes = [self.negation()]
        while self.take("and"):
            nodes.append(self.negation())
        return nodes[0] if len(nodes) == 1 else ("and", tuple(nodes))

    def negation(self) -> Node:
        count = 0
        while self.take("not"):
            count += 1
        node = self.comparison()
        return node if count == 0 else ("not", node) if count % 2 else ("not", ("not", node))

    def comparison(self) -> Node:
        operands, signs = [self.sum()], []
        while True:
            sign = self.take(*COMPARISONS, "in")
            if sign is None and self.peek("not") and self.tokens[self.at + 1] == ("name", "in"):
                self.at += 2
                sign = "not in"
            if sign is None:
                break
            signs.append(sign)
            operands.append(self.sum())
        return ("compare", tuple(operands), tuple(signs)) if signs else operands[0]

    def sum(self) -> Node:
        node = self.product()
        while sign := self.take("+", "-"):
            node = self.binary(sign, node, self.product())
        return node

    def product(self) -> Node:
        node = self.unary()
        while sign := self.take("*", "/", "%"):
            node = self.binary(sign, node, self.unary())
        return node

    def binary(self, sign: str, left: Node, right: Node) -> Node:
        self.operators += 1  # chains lean to the left: their length is the tree's depth
        if self.operators > MAX_OPERATORS:
            raise SpaceError(f"{self.text[:40]!r}…: more than {MAX_OPERATORS} arithmetic operators.")
        return (sign, left, right)

    def unary(self) -> Node:
        signs = []
        while sign := self.take("-", "+"):
            signs.append(sign)
        node = self.power()
        if signs.count("-") % 2 == 0:
            return node
        if node[0] == "const" and isinstance(node[1], int | float) and not isinstance(node[1], bool):
            return ("const", -node[1])
        return node[1] if node[0] == "-" and len(node) == 2 else ("-", node)

    def power(self) -> Node:
        node = self.atom()
        if self.take("**"):
            node = self.binary("**", node, self.unary())
        return node

    def atom(self) -> Node:
        kind, found = self.tokens[self.at]
        if kind == "sign" and found in ("(", "["):
            return self.bracket(found)
        if kind in ("end", "sign") or (kind == "name" and found in WORDS and found not in LITERALS):
            self.refuse()
        self.at += 1
        if kind == "number":
            whole = found.isdigit() and len(found) < 19  # a longer one is no count of anything
            return ("const", int(found) if whole else float(found))
        if kind == "text":
            return ("const", _unescape(found[1:-1]))
        if kind == "name" and found in LITERALS:
            return ("const", LITERALS[found])
        if kind == "name" and self.peek("("):
            return self.call(found)
        name = found[1:-1].replace("``", "`") if kind == "quoted" else found
        return ("name", unicodedata.normalize("NFC", name))  # as the names of a space are

    def bracket(self, opening: str) -> Node:
        self.at += 1
        if opening == "(":
            node = self.either()
            if not self.peek(","):
                self.need(")")
                return node
            nodes, closing = [node], ")"
        else:
            nodes, closing = ([] if self.peek("]") else [self.either()]), "]"
        while self.take(","):
            if self.peek(closing):
                break
            nodes.append(self.either())
        self.need(closing)
        return ("list", tuple(nodes))

    def call(self, function: str) -> Node:
        if function not in FUNCTIONS:
            raise SpaceError(
                f"{self.text!r}: there is no function {function!r}. Known: {', '.join(sorted(FUNCTIONS))}."
            )
        self.need("(")
        nodes = [self.either()]
        while self.take(","):
            nodes.append(self.either())
        self.need(")")
        least, most = FUNCTIONS[function]
        if not least <= len(nodes) <= most:
            raise SpaceError(
                f"{self.text!r}: {function}() takes {least}{f' to {most}' * (most > least)} values, not {len(nodes)}."
            )
        return ("call", function, tuple(nodes))


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), text, flags=re.DOTALL)


# ── back to text ──────────────────────────────────────────────────────────────

_RANK = {"or": 1, "and": 2, "not": 3, "compare": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "neg": 7, "**": 8}


def render(node: Node, rename: dict[str, str] | None = None) -> str:
    """Canonical text that parses to the same tree, with names changed by `rename`."""
    return _render(node, rename or {}, 0)


def _render(node: Node, rename: dict[str, str], outer: int) -> str:
    kind = node[0]
    if kind == "const":
        text = literal(node[1])
        return f"({text})" if outer > 7 and text.startswith("-") else text
    if kind == "name":
        name: str = node[1]
        return quoted(rename.get(name, name))
    if kind == "list":
        return f"[{', '.join(_render(n, rename, 0) for n in node[1])}]"
    if kind == "call":
        return f"{node[1]}({', '.join(_render(n, rename, 0) for n in node[2])})"
    rank = _RANK["neg"] if kind == "-" and len(node) == 2 else _RANK[kind]
    if kind in ("and", "or"):
        text = f" {kind} ".join(_render(n, rename, rank + 1) for n in node[1])
    elif kind == "not":
        text = f"not {_render(node[1], rename, rank + 1)}"
    elif kind == "compare":
        first, *rest = (_render(n, rename, rank + 1) for n in node[1])
        text = first + "".join(f" {sign} {operand}" for sign, operand in zip(node[2], rest, strict=True))
    elif len(node) == 2:
        text = f"-{_render(node[1], rename, rank)}"
    elif kind == "**":
        text = f"{_render(node[1], rename, rank + 1)} ** {_render(node[2], rename, rank - 1)}"
    else:
        text = f"{_render(node[1], rename, rank)} {kind} {_render(node[2], rename, rank + 1)}"
    return f"({text})" if rank < outer else text


def quoted(name: str) -> str:
    """The name as it is written in an expression."""
    if _PLAIN.fullmatch(name) and name not in WORDS:
        return name
    return f"`{name.replace('`', '``')}`"


def literal(value: Any) -> str:
    """A JSON value as it is written in an expression."""
    if isinstance(value, str):
        escaped = (
            value.replace("\\", "\\\\")
            .replace("'", "\\'")
            .replace("\n", "\\n")
            .replace("\r", "\\r")
            .replace("\t", "\\t")
        )
        return f"'{escaped}'"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "1e999" if value > 0 else "-1e999"
    return repr(value)
