"""Random damage to the files of a release, and the graph that its import files describe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tests.loaders.umls.small import Row, Tables, small_release

from bali_loaders.releases.catalogue import write_catalogue
from bali_loaders.releases.rrf import standard_files
from bali_loaders.umls.online.batches import Batches
from bali_platform.base.errors import BaliError

Damage = Callable[[Path], None]
Lines = list[bytes]

NAMES = [name.rpartition("/")[2] for name in standard_files()]
CELLS = [
    *(b"", b" ", b"|", b"\x00", b"\xff", b"\r", b"\n", b"\x1f", b"\xc3\xa9", b'"', b"\\", b"'"),
    *(b"C0000001", b"C0000002", b"C9999999", b"A1", b"A5", b"AT1", b"S1", b"S3", b"T047", b"0"),
    *(b"N", b"O", b"RO", b"CHD", b"isa", b"inverse_isa", b"has_part", b"R0", b"SY", b"DEL", b"-7"),
    *(b"1st (odd)", b"HAS ATOM", b"has_atom", b"`;--", b"\xe5\x90\x8d", b"A" * 3000, b"9" * 30),
]


def whole_release() -> Tables:
    """The small release with everything that a load can read."""
    return small_release() | {
        "MRSAT": [_attribute("AT7", "AUI", "A1"), _attribute("AT8", "CUI", "")],
        "MRHIER": [{"AUI": "A1", "PAUI": "A5", "SAB": "S1", "RELA": "isa", "HCD": "C14"}],
        "MRMAP": [
            {"MAPSETSAB": "S1", "FROMEXPR": "A5", "FROMTYPE": "SCUI", "TOEXPR": "I51.9"},
            {"MAPSETSAB": "S1", "FROMEXPR": "none", "FROMTYPE": "SCUI", "TOEXPR": "I52"},
        ],
    }


def _attribute(atui: str, kind: str, of: str) -> Row:
    row = {"CUI": "C0000001", "ATUI": atui, "ATN": "MN", "ATV": "C14.280", "SAB": "S1"}
    return row | {"STYPE": kind, "METAUI": of, "SUPPRESS": "N"}


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Draw what is done to one file: to its bytes, to its lines, or to its cells."""
    place = draw(st.integers(0, 10**6))
    edit = draw(st.one_of(_byte_edits(), _line_edits(), _cell_edits(), st.just(None)))

    def damage(release: Path) -> None:
        files = sorted(file for file in release.rglob("*") if file.is_file())
        file = files[place % len(files)]
        if edit is None:
            file.unlink()
        else:
            file.write_bytes(edit(file.read_bytes()))

    return damage


@st.composite
def _byte_edits(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    start, length = draw(st.integers(0, 10**6)), draw(st.integers(0, 40))
    new = draw(st.sampled_from([b"", *CELLS]))

    def edit(text: bytes) -> bytes:
        at = start % (len(text) + 1)
        return text[:at] + new + text[at + length :]

    def windows(text: bytes) -> bytes:
        return text.replace(b"\n", b"\r\n")

    return draw(st.sampled_from([edit, edit, edit, windows, lambda text: b""]))


@st.composite
def _line_edits(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    one, two = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))

    def drop(lines: Lines, a: int, b: int) -> Lines:
        return lines[:a] + lines[a + 1 :]

    def repeat(lines: Lines, a: int, b: int) -> Lines:
        return [*lines, lines[a]]

    def swap(lines: Lines, a: int, b: int) -> Lines:
        changed = list(lines)
        changed[a], changed[b] = lines[b], lines[a]
        return changed

    def widen(lines: Lines, a: int, b: int) -> Lines:
        return [*lines[:a], b"x|" + lines[a], *lines[a + 1 :]]

    change = draw(st.sampled_from([drop, repeat, swap, widen]))

    def edit(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        return b"".join(change(lines, one % len(lines), two % len(lines))) if lines else text

    return edit


@st.composite
def _cell_edits(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    row, column = draw(st.integers(0, 10**6)), draw(st.integers(0, 40))
    new = draw(st.sampled_from(CELLS))

    def edit(text: bytes) -> bytes:
        rows = [line.split(b"|") for line in text.split(b"\n")]
        cells = rows[row % max(1, len(rows) - 1)]
        cells[column % max(1, len(cells) - 1)] = new
        return b"\n".join(map(b"|".join, rows))

    return edit


def recount(release: Path) -> None:
    """Make MRFILES agree with the files again, where they can be counted at all."""
    try:
        write_catalogue(release / "META")
    except Exception:  # DuckDB's, of files that are beyond counting
        return


class Described:
    """What import files say of concepts, in the rows that Neo4j would answer with."""

    def __init__(self, batches: Batches) -> None:
        self._concepts: dict[str, tuple[str, dict[str, Any]]] = {}
        self._retired: dict[str, dict[str, Any]] = {}
        self._hanging: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        for stream in batches.streams():
            for lane, (_, rows) in stream.lanes.items():
                for kind, start, end, properties in batches.read(stream, lane, 0, rows):
                    self._add(stream.name, kind, start, end, properties)

    def _add(self, stream: str, kind: str, start: Any, end: Any, row: dict[str, Any]) -> None:
        if stream == "concepts":
            self._concepts[start] = kind, {k: v for k, v in row.items() if v is not None}
        elif stream == "retired":
            self._retired[start] = row
        elif stream == "has_atom":
            self._hanging[start[0]]["atoms"].append([row["aui"], row["sab"], row["name"]])
        elif stream == "defined_by":
            self._hanging[start[0]]["definitions"].append([row["atui"], row["sab"], row["text"]])
        elif stream == "has_semantic_type":
            self._hanging[start]["types"].append(end)
        elif stream == "replaced_by":
            self._hanging[start]["replacements"].append([end, row["rel"]])
        elif stream == "facts":
            said = [row["rel"], row["rela"], row["sabs"]]
            self._hanging[start]["edges"].append([True, kind, end, *said])
            self._hanging[end]["edges"].append([False, kind, start, *said])

    def concept(self, cui: str) -> dict[str, Any]:
        kind, properties = self._concepts.get(cui, ("", None))
        found = self._hanging[cui]
        parts = ("atoms", "types", "definitions", "edges")
        labels = kind.split(":") if kind else []
        return {"properties": properties, "labels": labels} | {p: found[p] for p in parts}

    def retired(self, cui: str) -> dict[str, Any]:
        reason = self._retired.get(cui, {}).get("reason")
        return {"reason": reason, "replacements": self._hanging[cui]["replacements"]}


def is_clean(error: BaliError) -> bool:
    """Whether a refusal is one line that names a file of the release."""
    return "\n" not in str(error) and any(name in str(error) for name in NAMES)
