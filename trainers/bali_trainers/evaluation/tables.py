"""Tables of texts with a label each, such as GAD's."""

from __future__ import annotations

import csv
from pathlib import Path

from bali_platform.base.errors import BaliError
from bali_trainers.evaluation.classification import Example

_TEXTS = (("text",), ("text_a", "text_b"))


def read_table(path: Path) -> list[Example]:
    """Read a table with a header, ``.csv`` or tab-separated, one example a row.

    Its columns are ``text`` or ``text_a`` and ``text_b``, and ``label``; ``document``, where there
    is one, says which rows are not independent. Others are not read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = "," if path.suffix == ".csv" else "\t"
            rows = list(csv.DictReader(file, delimiter=delimiter, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise BaliError(f"{path} cannot be read as a table: {error}") from None
    columns = list(rows[0]) if rows else []
    texts = next((names for names in _TEXTS if {*names, "label"} <= {*columns}), None)
    if texts is None:
        raise BaliError(f"{path}: no columns text (or text_a and text_b) and label, and a row")
    examples = []
    for number, row in enumerate(rows, start=1):
        cells = [row[name] for name in (*texts, "label")]
        if None in cells or None in row:
            raise BaliError(
                f"{path}, row {number}: it has not the {len(columns)} cells of its header"
            )
        *own, label = cells
        document = row.get("document") or " ".join(own)
        examples.append(Example(tuple(own), (), label.strip(), document))
    return examples
