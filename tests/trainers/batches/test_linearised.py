"""The graph written out as text, for the encoder that reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer

from bali_platform.streaming.source import BatchKey
from bali_trainers.batches.builder import BatchBuilder

MakeBuilder = Callable[..., BatchBuilder]


def test_the_linearised_graph_reads_as_facts(
    make_builder: MakeBuilder, tokenizer: Tokenizer, graph: Any
) -> None:
    batch = make_builder(encoder="linearised", withheld=0.0).build(BatchKey(0, 0))
    facts = {
        f"{source} {relation.lower().replace('_', ' ')} {target}"
        for concept in graph.concepts.values()
        for edge in concept.edges
        for relation in [edge.type]
        for pair in [(concept, graph.concepts[edge.neighbour])]
        for head, tail in [pair if edge.outgoing else pair[::-1]]
        for source in map(plain(tokenizer), head.names)
        for target in map(plain(tokenizer), tail.names)
    }
    shown = 0
    for ids, mask in zip(batch["graph_input_ids"], batch["graph_attention_mask"], strict=True):
        text = tokenizer.decode(ids[mask == 1].tolist(), skip_special_tokens=False)
        assert text.startswith("[CLS] ")
        assert text.endswith(" [SEP]")
        _, *rest = text.removeprefix("[CLS] ").removesuffix(" [SEP]").split(" [SEP] ")
        assert set(rest) <= facts
        shown += len(rest)
    assert shown


def plain(tokenizer: Tokenizer) -> Callable[[str], str]:
    return lambda text: tokenizer.decode(tokenizer.encode(text).ids)


def test_the_linearised_graph_keeps_whole_facts_within_its_length(
    make_builder: MakeBuilder, tokenizer: Tokenizer
) -> None:
    long = make_builder(encoder="linearised", graph_length=128).build(BatchKey(0, 0))
    short = make_builder(encoder="linearised", graph_length=40).build(BatchKey(0, 0))
    end = tokenizer.token_to_id("[SEP]")
    assert short["graph_input_ids"].shape[1] <= 40 < long["graph_input_ids"].shape[1]
    rows = zip(
        *(
            batch[f"graph_{part}"]
            for batch in (short, long)
            for part in ("input_ids", "attention_mask")
        ),
        strict=True,
    )
    for cut, cut_mask, whole, whole_mask in rows:
        kept = cut[cut_mask == 1].tolist()
        assert kept == whole[whole_mask == 1].tolist()[: len(kept)]
        assert kept[-1] == end
