"""The texts of a linked corpus's documents, as they were read: ``documents-*.parquet``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bali_platform.base.files import new_file

TEXTS = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("text", pa.string(), nullable=False)]
)
_ROWS_AT_ONCE = 1_000
_LONG = 100_000


@contextmanager
def text_writer(path: Path) -> Iterator[Callable[[str, str], None]]:
    """Yield what takes (id, text) of documents and writes them to one file, whole or not at all."""
    rows: list[dict[str, str]] = []
    with (
        new_file(path) as building,
        pq.ParquetWriter(building, TEXTS, compression="zstd") as writer,
    ):

        def write() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema=TEXTS))
            rows.clear()

        def keep(name: str, text: str) -> None:
            rows.append({"id": name, "text": text})
            if len(text) > _LONG or len(rows) == _ROWS_AT_ONCE:
                write()

        yield keep
        write()


def read_texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of a corpus's documents in order; none where they were not kept."""
    for part in sorted(folder.glob("documents-*.parquet")):
        for batch in pq.ParquetFile(part).iter_batches(batch_size=64):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
