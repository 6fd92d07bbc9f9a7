"""Write a synthetic release: columns from numpy, rows from SQL, files from DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.resources import files
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from bali_loaders.releases.synthetic.atoms import KINDS, AtomCounter, atom_batches, ranks
from bali_loaders.releases.synthetic.details import (
    ATTRIBUTES,
    attribute_batches,
    definition_batches,
    hierarchy_batches,
    type_batches,
)
from bali_loaders.releases.synthetic.history import (
    cui_rows,
    deleted_rows,
    merged_rows,
    retired_concepts,
)
from bali_loaders.releases.synthetic.mappings import map_rows, simple_map_rows
from bali_loaders.releases.synthetic.network import write_network
from bali_loaders.releases.synthetic.relations import relation_batches
from bali_loaders.releases.synthetic.shape import Shape, version_of
from bali_loaders.releases.synthetic.vocabulary import (
    LANGUAGES,
    SOURCES,
    TERM_TYPES,
    inverse_relas,
)
from bali_loaders.releases.writing import documentation, new_release, write_file
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.progress import QUIET, Reporter

FEWEST = 200
MOST = 6_000_000
PIECE = 20_000
EMPTY = ("MRAUI", "MRHIST", "CHANGE/DELETEDLUI", "CHANGE/DELETEDSUI", "CHANGE/MERGEDLUI")

Row = tuple[str, ...]


def write(
    folder: Path,
    *,
    concepts: int = 300,
    seed: int = 0,
    edition: int = 0,
    reporter: Reporter = QUIET,
) -> Path:
    """Write a made-up release of ``concepts`` concepts to ``folder``, and return ``folder``.

    It has the statistics and the oddities of the UMLS, and none of its content. The same arguments
    give the same bytes. ``edition`` 1, 2, ... are the releases that follow ``edition`` 0: some
    concepts are retired or merged, some are new, the rest is as it was.
    """
    if not FEWEST <= concepts <= MOST:
        raise UsageError(f"a synthetic release has {FEWEST} to {MOST} concepts, not {concepts}")
    if not 0 <= seed < 2**32 or edition < 0:
        raise UsageError("the seed is 0 to 4294967295, and the edition 0 or more")
    shape = Shape(concepts, seed, edition)
    date = f"{shape.version[:4]}{'0505' if shape.version.endswith('AA') else '1103'}"
    with new_release(
        folder,
        version=shape.version,
        date=date,
        description="Made-up content, not the UMLS",
        reporter=reporter,
    ) as release:
        counter = AtomCounter()
        _write_tables(release, shape, counter, reporter)
        _write_lists(release, shape, counter)
        write_network(release)
    return folder


def _write_tables(release: Path, shape: Shape, counter: AtomCounter, reporter: Reporter) -> None:
    tables: dict[str, Iterator[pa.RecordBatch]] = {
        "MRCONSO": atom_batches(shape, counter),
        "MRREL": relation_batches(shape),
        "MRSTY": type_batches(shape),
        "MRDEF": definition_batches(shape),
        "MRSAT": attribute_batches(shape),
        "MRHIER": hierarchy_batches(shape),
    }
    (release / "META").mkdir()
    chunks = sum(1 for _ in shape.chunks())
    for name, batches in tables.items():
        with reporter.step(f"write {name}", chunks) as step:
            pieces = _pieces(batches, step.advance)
            _copy(pieces, name, release / "META" / f"{name}.RRF")


def _pieces(
    batches: Iterable[pa.RecordBatch], advance: Callable[[], None]
) -> Iterator[pa.RecordBatch]:
    """Cut batches small: then DuckDB's memory stays at half a gigabyte, whatever the size."""
    for batch in batches:
        for start in range(0, batch.num_rows, PIECE):
            yield batch.slice(start, PIECE)
        advance()


def _copy(batches: Iterator[pa.RecordBatch], name: str, path: Path) -> None:
    """Stream the batches through ``sql/NAME.sql`` into an RRF file, in order."""
    query = (files("bali_loaders.releases.synthetic") / "sql" / f"{name}.sql").read_text("utf-8")
    first = next(batches)
    reader = pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
    target = str(path).replace("'", "''")
    # One thread keeps the order by itself; DuckDB would keep it by holding rows back in memory.
    with duckdb.connect() as database:
        database.execute("SET threads = 1; SET preserve_insertion_order = false")
        database.register("rows", reader)
        try:
            database.execute(
                f"COPY ({query}) TO '{target}' (DELIMITER '|', QUOTE '', ESCAPE '', HEADER false)"
            )
        except duckdb.IOException as error:
            raise BaliError(f"cannot write {path}: {str(error).splitlines()[0]}") from error


def _write_lists(release: Path, shape: Shape, counter: AtomCounter) -> None:
    retired = retired_concepts(shape)
    last = version_of(shape.edition - 1)
    lists: dict[str, Callable[[], Iterable[Row]]] = {
        "MRCUI": partial(cui_rows, retired),
        "CHANGE/MERGEDCUI": partial(merged_rows, retired, last),
        "CHANGE/DELETEDCUI": partial(deleted_rows, retired, last),
        "MRMAP": partial(map_rows, shape),
        "MRSMAP": partial(simple_map_rows, shape),
        "MRRANK": _rank_rows,
        "MRSAB": partial(_source_rows, shape, counter),
        "MRDOC": partial(_documentation, shape),
    }
    for name, rows in lists.items():
        write_file(release, name, rows())
    for name in EMPTY:
        write_file(release, name)


def _rank_rows() -> Iterator[Row]:
    table = ranks()
    kinds = [(p, kind) for p, s in enumerate(SOURCES) for kind in map(KINDS.index, s.term_types)]
    for place, kind in sorted(kinds, key=lambda pair: -table[pair]):
        suppress = "Y" if KINDS[kind] in ("AB", "OP", "IS") else "N"
        yield f"{table[place, kind]:04}", SOURCES[place].sab, KINDS[kind], suppress


def _source_rows(shape: Shape, counter: AtomCounter) -> Iterator[Row]:
    for place, source in enumerate(SOURCES):
        sab, name = source.sab, f"Made-up vocabulary {place}"
        contact = "BALI platform;nobody@example.org"
        yield (
            *("", "", f"{sab}_{shape.version}", sab),
            *(name, sab[:6], shape.version, "", "", shape.version, "", contact, contact),
            *(str(source.category), str(counter.atoms[place]), str(counter.concepts[place])),
            *("FULL" if place == 1 else "", ",".join(sorted(source.term_types))),
            *(",".join(ATTRIBUTES), source.language, "UTF-8", "Y", "Y", name),
            f"{name}; generated, not published.",
        )


def _documentation(shape: Shape) -> list[Row]:
    rows = documentation(
        version=shape.version,
        inverses=inverse_relas(),
        term_types=TERM_TYPES,
        attributes=ATTRIBUTES,
        languages={language: f"language {language}" for language in LANGUAGES},
    )
    return list(rows)
