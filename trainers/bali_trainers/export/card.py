"""The model card of an exported model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bali_trainers.batches.spec import DataSpec
from bali_trainers.training.config import Config

_HELD_OUT = "dev/"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def model_card(config: Config, spec: DataSpec, metrics: Mapping[str, Any]) -> str:
    """Return the card: data, graph version, metrics and settings, with no path of this machine.

    ``metrics`` are as the run reported them; those named ``dev/...`` are of held-out sentences.
    """
    base = _base(config.model.base)
    return f"""---
library_name: sentence-transformers
pipeline_tag: feature-extraction
tags: [bali, sentence-transformers, feature-extraction, knowledge-graph]
base_model: {base}
---
# {config.name}

A language model aligned with a knowledge graph by BALI (arXiv 2509.07588). A name's or a
mention's vector is the mean of its token states; compare vectors by cosine.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{config.name}")  # the path of this folder
model.similarity(model.encode(["heart attack"]), model.encode(["myocardial infarction"]))
```

`AutoModel` loads the encoder, `AutoModelForMaskedLM` its masked-token head too. `graph_encoder`
holds the other half: `bali explain` reads it, and a run whose `[model] base` is this folder
goes on from both.

| | |
| --- | --- |
| base model | {base} |
| corpus | {spec.corpus.name} ({spec.corpus_sha}) |
| graph | {spec.graph_version}, {len(spec.relation_types)} relation types |
| graph encoder | {config.graph_encoder.kind} |
| names withheld from training | {spec.withheld:.0%} of synonyms |
| edges withheld from training | {spec.withheld_edges:.0%} of related pairs |

Names and relations of the graph shaped these weights: the licences of its sources apply.

## Metrics when training was left

{_metrics(metrics)}

## Settings

```json
{_settings(config)}
```
"""


def _base(base: str) -> str:
    """Name the base model: a folder by its last part, so that the card holds no path."""
    return MINILM if base == "minilm" else _last(base)


def _metrics(metrics: Mapping[str, Any]) -> str:
    """Return a table; of a model kept for its evaluation, with a column of what that gave."""
    trained = {name: value for name, value in metrics.items() if not name.startswith(_HELD_OUT)}
    held_out = {name.removeprefix(_HELD_OUT): metrics[name] for name in metrics.keys() - trained}
    lines = ["| metric | in training | on held-out sentences |", "| --- | --- | --- |"]
    for name in sorted(trained | held_out):
        cells = [f"{part[name]:.4g}" if name in part else "" for part in (trained, held_out)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _settings(config: Config) -> str:
    data = {"replay": None, "corpus": _last(config.data.corpus or "")}
    shown = config.model_copy(
        update={
            "model": config.model.model_copy(update={"base": _base(config.model.base)}),
            "data": config.data.model_copy(update=data),
        }
    )
    return shown.model_dump_json(indent=2, exclude_none=True)


def _last(path: str) -> str:
    return Path(path).name if Path(path).is_absolute() else path
