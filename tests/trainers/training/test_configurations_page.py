"""The table of configurations in docs/training.md says what the shipped files say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bali_trainers.training.config import Config, load_config, shipped_configs
from bali_trainers.training.loop import LONGEST_WARMUP

PAGE = Path(__file__).parents[3] / "docs/training.md"
BASES = {
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext": "PubMedBERT",
    "michiyasunaga/BioLinkBERT-base": "BioLinkBERT-base",
    "michiyasunaga/BioLinkBERT-large": "BioLinkBERT-large",
    "minilm": "MiniLM",
}
ROWS: dict[str, Callable[[Config], str]] = {
    "`base`": lambda c: BASES[c.model.base],
    "`pooling` of mentions, names": lambda c: f"{c.model.pooling}, mean",
    "sentences a step, `epochs`": lambda c: f"{c.data.batch_size}, {c.run.epochs}",
    "`max_length`, `name_length`": lambda c: f"{c.data.max_length}, {c.data.name_length}",
    "`graph_length` of a linearised subgraph": lambda c: (
        str(c.data.graph_length) if linearised(c) else ""
    ),
    "`neighbours`, `hops`": lambda c: f"{c.data.neighbours}, {c.data.hops}",
    "`graph_encoder`": lambda c: {"gatv2": "GATv2", "linearised": "the text"}[c.graph_encoder.kind],
    "its `layers`, `heads`, `dropout`": lambda c: (
        "none"
        if linearised(c)
        else f"{c.graph_encoder.layers}, {c.graph_encoder.heads}, {c.graph_encoder.dropout}"
    ),
    "`residual`": lambda c: (
        "none" if linearised(c) else ("yes" if c.graph_encoder.residual else "no")
    ),
    "`relations`": lambda c: (
        "as words" if linearised(c) else ("seen" if c.graph_encoder.relations else "not seen")
    ),
    "`temperature` of alignment": lambda c: str(c.objectives.active["alignment"].temperature),
    "weights of alignment and `mlm`": lambda c: " and ".join(
        f"{c.objectives.active[name].weight:g}" for name in ("alignment", "mlm")
    ),
    "`mlm_probability`, head": lambda c: f"{c.data.mlm_probability}, the base's own",
    "`text_lr`, `graph_lr`": lambda c: (
        f"{short(c.optimiser.text_lr)}, {short(c.optimiser.graph_lr)}"
    ),
    "`weight_decay`": lambda c: f"{c.optimiser.weight_decay}, not on biases and norms",
    "`warmup`": lambda c: f"{100 * c.optimiser.warmup:g} %, {LONGEST_WARMUP:,} steps at most",
    "`clip`, `accumulation`": lambda c: f"{c.optimiser.clip}, {c.optimiser.accumulation}",
    "`precision`": lambda c: {"auto": "bf16 on a GPU"}[c.run.precision],
    "`seed`": lambda c: str(c.seed),
    "`sentences_per_concept`": lambda c: {0: "all"}[c.data.sentences_per_concept],
    "`withheld` synonyms": lambda c: {0.0: "none"}[c.data.withheld],
}
NOT_SETTINGS = {"negatives", "expected on one H200, unconfirmed", "expected on eight, unconfirmed"}


def linearised(config: Config) -> bool:
    return config.graph_encoder.kind == "linearised"


def short(rate: float) -> str:
    return f"{rate:.0e}".replace("e-0", "e-")


def table() -> dict[str, dict[str, str]]:
    """Return the cells of each row by column; an empty one says what ``published`` says."""
    section = PAGE.read_text(encoding="utf-8").partition("### Configurations")[2]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    heads, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    cells = {first: dict(zip(heads[1:], rest, strict=True)) for first, *rest in rows}
    return {
        name: {head: cell or row["`published`"] for head, cell in row.items()}
        for name, row in cells.items()
    }


def differing(config: Config) -> dict[str, Any]:
    data = config.model_dump(exclude={"name"})
    return {f"{part}.{key}": value for part in data if isinstance(data[part], dict)
            for key, value in data[part].items()}  # fmt: skip


def test_every_setting_that_differs_has_a_row() -> None:
    named = set(" ".join(ROWS).replace("`", " ").replace(",", " ").split())
    every = [differing(load_config(name)) for name in shipped_configs() if name != "demo"]
    apart = {key.split(".")[1] for key in every[0] if len({str(one[key]) for one in every}) > 1}
    assert apart - {"kind", "batch_size"} <= named
    assert set(table()) == set(ROWS) | NOT_SETTINGS


@pytest.mark.parametrize("name", [name for name in shipped_configs() if name != "demo"])
def test_a_configuration_is_what_its_column_says(name: str) -> None:
    config = load_config(name)
    told = {row: cells[f"`{name}`"] for row, cells in table().items() if row in ROWS}
    assert told == {row: say(config) for row, say in ROWS.items()}
