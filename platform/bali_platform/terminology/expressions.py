"""The text of a value set: a subset of SNOMED's expression constraint language (ECL).

``<< MSH:D009203 MINUS < MSH:D000071960 {{ group = Disorder }}``. Before a code, ``<`` means its
descendants, ``>`` its ancestors, ``<!`` its children and ``>!`` its parents; doubled, the code
itself too. ``MSH:*`` are all codes of a vocabulary, ``^name`` those of a saved value set. ``AND``,
``OR`` and ``MINUS`` join; brackets say in which order. ``{{ }}`` filters what stands before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from bali_platform.base.errors import UsageError, did_you_mean

MAX_TEXT = 20_000
MAX_DEPTH = 50
OPERATORS = ("<<!", ">>!", "<<", ">>", "<!", ">!", "<", ">", "^")
FIELDS = ("group", "type", "source", "term")
_TOKEN = re.compile(
    r"\s*(?:/\*.*?\*/|(\{\{|\}\}|<<!|>>!|<<|>>|<!|>!|!=|[<>^()=,])"
    r'|"((?:[^"\\]|\\.)*)"|\|[^|]*\||([^\s(){}<>^=,!|"]+))',
    re.S,
)


@dataclass(frozen=True, slots=True)
class Codes:
    """A code, or all of a vocabulary (``*``), and what of its surroundings is meant."""

    operator: str
    code: str


@dataclass(frozen=True, slots=True)
class Saved:
    """The codes of a saved value set."""

    name: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Two or more sets, joined by AND, OR or MINUS."""

    word: str
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Keeps codes whose field is (``equal``), or is not, one of the values."""

    field: str
    equal: bool
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filtered:
    """A set, and the filters that all must admit a code."""

    of: Expression
    filters: tuple[Filter, ...]


Expression = Codes | Saved | Joined | Filtered


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Expression:
    """Read the text of a value set; raises :class:`UsageError` naming the column of a mistake.

    >>> parse("<< MSH:D009203")
    Codes(operator='<<', code='MSH:D009203')
    """
    if len(text) > MAX_TEXT:
        raise UsageError(f"a value set's text has at most {MAX_TEXT} characters, not {len(text)}")
    reader = _Reader(text)
    found = reader.joined(0)
    if token := reader.peek():
        reader.refuse(f"{token.text!r} is not expected here: join sets with AND, OR or MINUS")
    return found


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._place = text, 0
        self._tokens = list(self._scan())

    def peek(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def joined(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            self.refuse(f"brackets within brackets, more than {MAX_DEPTH} deep")
        parts, words = [self._filtered(depth)], []
        while word := self._take_word():
            words.append(word)
            parts.append(self._filtered(depth))
        if len(set(words)) > 1 or words.count("MINUS") > 1:
            self.refuse(
                f"{' and '.join(dict.fromkeys(words))} without brackets: say which comes first"
                if len(set(words)) > 1
                else "MINUS twice without brackets: say which comes first"
            )
        return Joined(words[0], tuple(parts)) if words else parts[0]

    def refuse(self, why: str) -> NoReturn:
        token = self.peek()
        column = (token.at if token else len(self._text.rstrip())) + 1
        raise UsageError(f"value set, column {column}: {why}")

    def _scan(self) -> list[_Token]:
        found, at = [], 0
        end = len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if not match:
                unread = self._text[at : at + 20]
                raise UsageError(f"value set, column {at + 1}: cannot read '{unread}'")
            mark, quoted, word = match.groups()
            start = match.end() - len(match[0].lstrip())
            if mark:
                found.append(_Token("mark", mark, start))
            elif quoted is not None:
                found.append(_Token("text", re.sub(r"\\(.)", r"\1", quoted), start))
            elif word:
                found.append(_Token("word", word, start))
            at = match.end()
        return found

    def _filtered(self, depth: int) -> Expression:
        found = self._simple(depth)
        while self._take("{{"):
            found = Filtered(found, self._filters())
        return found

    def _simple(self, depth: int) -> Expression:
        if self._take("("):
            found = self.joined(depth + 1)
            if not self._take(")"):
                self.refuse("a ')' is missing")
            return found
        token = self.peek()
        operator = ""
        if token and token.kind == "mark" and token.text in OPERATORS:
            operator = token.text
            self._place += 1
        name = self._name("a code such as MSH:D009203, or the name of a saved value set after ^")
        return Saved(name) if operator == "^" else Codes(operator, name)

    def _filters(self) -> tuple[Filter, ...]:
        found = [self._filter()]
        while self._take(","):
            found.append(self._filter())
        if not self._take("}}"):
            self.refuse("a '}}' is missing")
        return tuple(found)

    def _filter(self) -> Filter:
        field = self._name(f"one of {', '.join(FIELDS)}").lower()
        if field not in FIELDS:
            self._place -= 1
            self.refuse(f"no filter {field!r}{did_you_mean(field, FIELDS)}: {', '.join(FIELDS)}")
        equal = bool(self._take("="))
        if not equal and not self._take("!="):
            self.refuse("a filter needs = or != after its name")
        if not self._take("("):
            return Filter(field, equal, (self._name("a value"),))
        values = [self._name("a value")]
        while not self._take(")"):
            self._take(",")
            values.append(self._name("a value, or ')'"))
        return Filter(field, equal, tuple(values))

    def _take(self, mark: str) -> bool:
        token = self.peek()
        if token and token.kind == "mark" and token.text == mark:
            self._place += 1
            return True
        return False

    def _take_word(self) -> str | None:
        token = self.peek()
        if token and token.text.upper() in ("AND", "OR", "MINUS") and token.kind == "word":
            self._place += 1
            return token.text.upper()
        return "AND" if self._take(",") else None

    def _name(self, wanted: str) -> str:
        token = self.peek()
        if not token or token.kind == "mark":
            self.refuse(f"{wanted} is expected here")
        self._place += 1
        return token.text
