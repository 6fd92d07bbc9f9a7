"""One page in two forms: Markdown, and HTML that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the page's own."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Columns and rows of text; the first column names its row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """An SVG; Markdown refers to it as a file of this name."""

    file: str
    title: str
    svg: str


Block = Heading | Text | Points | Table | Picture

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px; display: block;
        overflow-x: auto }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .7rem; text-align: left;
         font-variant-numeric: tabular-nums; white-space: nowrap }
th { background: #f4f6f8 }
svg { max-width: 100%; height: auto }
"""


def to_markdown(blocks: Sequence[Block]) -> str:
    """Write a page as Markdown."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block]) -> str:
    """Write a page as HTML with its pictures in it."""
    title = next(block.text for block in blocks if isinstance(block, Heading))
    body = "\n".join(line for block in blocks for line in _html(block))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Points(items):
            return "\n".join(f"- {item}" for item in items)
        case Table(columns, rows):
            lines = [columns, ["---"] * len(columns), *rows]
            cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
            return "\n".join(f"| {' | '.join(line)} |" for line in cells)
        case Picture(file, title, _):
            return f"![{title}]({file})"


def _html(block: Block) -> Iterator[str]:
    match block:
        case Heading(text, level):
            yield f"<h{level}>{escape(text)}</h{level}>"
        case Text(text):
            yield f"<p>{escape(text)}</p>"
        case Points(items):
            yield "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
        case Table(columns, rows):
            yield "<table><thead>" + _row("th", columns) + "</thead><tbody>"
            yield from (_row("td", row) for row in rows)
            yield "</tbody></table>"
        case Picture(_, title, svg):
            yield f"<figure>{svg}<figcaption>{escape(title)}</figcaption></figure>"


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
