"""Training batches: a pure function of (spec, graph, epoch, index, rank)."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.streaming.codec import Arrays
from bali_platform.streaming.source import BatchKey
from bali_platform.subgraphs import Neighbourhood, NeighbourhoodSource
from bali_platform.text.corpus import open_corpus
from bali_trainers.batches.abbreviating import Abbreviator
from bali_trainers.batches.controls import BrokenGraph
from bali_trainers.batches.edges import without_withheld
from bali_trainers.batches.families import families
from bali_trainers.batches.linearised import Lineariser
from bali_trainers.batches.lookalikes import LookAlikes
from bali_trainers.batches.masking import mask_tokens
from bali_trainers.batches.mentions import concept_label, pool_mentions, token_cover
from bali_trainers.batches.names import NameDrawer, numbered
from bali_trainers.batches.negatives import draw_negatives
from bali_trainers.batches.order import DEV_EPOCH, epoch_order, split, steps_per_epoch
from bali_trainers.batches.randomness import Purpose, generator
from bali_trainers.batches.sentences import LinkedSentences, SentenceBatch
from bali_trainers.batches.spec import DataSpec
from bali_trainers.batches.swapping import Swapper
from bali_trainers.batches.tokens import Pieces, WordPieces
from bali_trainers.batches.trees import grow_trees


class BatchBuilder:
    """Builds the batches that a :class:`DataSpec` describes.

    Raises :class:`BaliError` when the corpus or the graph is not the one of the spec, or when the
    corpus has too few sentences for one batch.
    """

    def __init__(self, spec: DataSpec, source: NeighbourhoodSource) -> None:
        _check_origin(spec, source)
        self._spec = spec
        self._source = without_withheld(source, spec.withheld_edges)
        self._sentences = LinkedSentences(spec)
        if spec.graph != "real":
            self._source = BrokenGraph(
                self._source,
                self._sentences.concepts.tolist(),
                kind=spec.graph,
                relation_types=spec.relation_types,
                seed=spec.seed,
            )
        self._step = spec.batch_size * spec.world_size
        _check_size(spec, len(self._sentences))
        held_out = spec.dev_batches * self._step
        self._train, self._dev = split(len(self._sentences), held_out, seed=spec.seed)
        self._pieces = WordPieces(spec.tokenizer)
        self._names = NameDrawer(source, spec.withheld)
        # Under shuffled links, those of swapped mentions would be the only right ones.
        self._swapper = Swapper(spec.swapped if spec.links == "real" else 0.0, self._names)
        self._abbreviator = Abbreviator(spec.abbreviated, spec.withheld)
        self._relations = {name: i for i, name in enumerate(spec.relation_types)}
        self._order = lru_cache(maxsize=2)(self._epoch_order)
        self._linearise = (
            Lineariser(
                self._pieces,
                spec.relation_types,
                name_length=spec.name_length,
                graph_length=spec.graph_length,
            )
            if spec.encoder == "linearised"
            else None
        )

    @cached_property
    def _look_alikes(self) -> LookAlikes:
        """Names of all concepts of the corpus, read once they are needed."""
        return LookAlikes(self._sentences.concepts.tolist(), self._source)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of each rank in an epoch."""
        return steps_per_epoch(len(self._train), self._step)

    def keys(self, epochs: int) -> list[BatchKey]:
        """Return every batch of a run, in order: those to evaluate on, then ``epochs``."""
        steps = [(DEV_EPOCH, index) for index in range(self._spec.dev_batches)]
        steps += [(epoch, i) for epoch in range(epochs) for i in range(self.steps_per_epoch)]
        return [BatchKey(*step, rank) for step in steps for rank in range(self._spec.world_size)]

    def build(self, key: BatchKey) -> Arrays:
        """Build one batch; the same key gives the same arrays on any host.

        Batches of ``DEV_EPOCH`` hold the sentences that other epochs never show.

        | array | dtype, shape | meaning |
        | --- | --- | --- |
        | input_ids, labels | int32 [B, L] | masked sentences; -100 where nothing is predicted |
        | attention_mask | uint8 [B, L] | 1 for a token, 0 for padding |
        | mention_tokens | int32 [T] | flat positions, ``row * L + column`` |
        | mention_offsets | int32 [M + 1] | where the tokens of each mention begin; none is empty |
        | mention_concept | int64 [M] | :func:`concept_label` of its concept |
        | negative_concept | int64 [H] | the same of each hard negative |
        | lost_mentions | int32 [1] | mentions that truncation cut or whose concept is gone |

        and for graph encoders

        | array | dtype, shape | meaning |
        | --- | --- | --- |
        | name_input_ids, name_attention_mask | int32, uint8 [N, Ln] | distinct names |
        | node_name | int32 [V] | name of each node |
        | node_concept | int64 [V] | :func:`concept_label` of each node |
        | edge_index, edge_type | int32 [2, E], int32 [E] | as in :class:`Trees` |
        | target_node | int32 [M] | node of each mention |
        | negative_node | int32 [H] | node of each hard negative |
        | further_node | int32 [F] | node of each concept drawn from the whole graph |
        | pair_concept | int64 [S] | label of each concept mentioned, then of each further one |
        | name_pairs | int32 [2, S] | two names of each; one twice, where there is no other |
        | mention_name | int32 [M] | a name of each mention: the one drawn, or its own text |
        | families | int64 [2, K] | with ``relatives = "left out"``, see :func:`families` |

        or, linearised, graph_input_ids and graph_attention_mask, int32 and uint8 [M + H, Lg].
        A concept has one mention vector per sentence, over the tokens of all its mentions there.
        Where other ranks have mentions, a batch may be left without.
        """
        spec = self._spec
        batch = self._swapper(
            self._sentences.take(self._rows(key)), self._random(Purpose.SWAPS, key)
        )
        shown = self._abbreviator.sentences(batch, self._random(Purpose.ABBREVIATIONS, key))
        pieces = self._pieces.encode(shown.texts, spec.max_length)
        cover = token_cover(shown, pieces, spec.max_length)
        kept, group, targets = self._resolve(batch, cover)
        if not targets and spec.world_size == 1:
            raise BaliError(
                f"batch {key.index} of epoch {key.epoch} has no mention left within "
                f"{spec.max_length} word pieces: raise [data] max_length or batch_size"
            )
        tokens, offsets = pool_mentions(cover[kept], batch.row[kept], group)
        negatives = self._negatives(targets, key)
        return {
            **self._masked(pieces, key),
            "mention_tokens": tokens,
            "mention_offsets": offsets,
            "mention_concept": _labels([target.cui for target in targets]),
            "negative_concept": _labels([negative.cui for negative in negatives]),
            "lost_mentions": np.array([np.count_nonzero(~kept)], dtype=np.int32),
            **self._graph(targets, self._texts(batch, kept, group), negatives, key),
        }

    def _epoch_order(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the sentences of each step of an epoch."""
        sentences = self._dev if epoch == DEV_EPOCH else self._train
        lengths = self._sentences.lengths[sentences]
        order = epoch_order(lengths, self._step, seed=self._spec.seed, epoch=epoch)
        return [sentences[step] for step in order]

    def _rows(self, key: BatchKey) -> NDArray[np.int64]:
        order = self._order(key.epoch)
        if not (0 <= key.index < len(order) and 0 <= key.rank < self._spec.world_size):
            raise BaliError(
                f"no batch {key.index} for rank {key.rank}: epoch {key.epoch} has {len(order)} "
                f"batches for each of {self._spec.world_size} ranks"
            )
        return order[key.index][key.rank :: self._spec.world_size]

    def _resolve(
        self, batch: SentenceBatch, cover: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], list[Neighbourhood]]:
        """Follow mentions to live concepts: (kept [M], group of each kept one, group's concept)."""
        visible = cover.any(axis=1)
        distinct, which = np.unique(batch.cui[visible], return_inverse=True)
        cuis: list[str] = distinct.tolist()
        found = self._source.neighbourhoods(cuis).found
        live = sorted({n.cui: n for n in found.values()}.values(), key=lambda n: n.cui)
        number = {n.cui: i for i, n in enumerate(live)}
        numbers = np.array([number[found[c].cui] if c in found else -1 for c in cuis], dtype=int)
        concept = np.full(len(cover), -1)
        concept[visible] = numbers[which]
        kept = concept >= 0
        pairs, group = np.unique(batch.row[kept] * len(live) + concept[kept], return_inverse=True)
        return kept, group, [live[pair % len(live)] for pair in pairs.tolist()]

    def _texts(
        self, batch: SentenceBatch, kept: NDArray[np.bool_], group: NDArray[np.int64]
    ) -> list[str]:
        """Return what each group's first mention says, if that is to be read."""
        if not self._spec.mention_texts:
            return []
        first = np.flatnonzero(kept)[np.unique(group, return_index=True)[1]]
        spans = zip(batch.row[first], batch.start[first], batch.end[first], strict=True)
        return [batch.texts[row][start:end] for row, start, end in spans]

    def _masked(self, pieces: Pieces, key: BatchKey) -> Arrays:
        spec = self._spec
        ids, labels = mask_tokens(
            pieces.ids,
            (pieces.mask == 1) & ~self._pieces.special[pieces.ids],
            probability=spec.mlm_probability,
            mask_id=self._pieces.special_id("mask") if spec.mlm_probability else 0,
            vocabulary=self._pieces.ordinary,
            random=self._random(Purpose.MASKING, key),
        )
        return {"input_ids": ids, "attention_mask": pieces.mask, "labels": labels}

    def _negatives(self, targets: list[Neighbourhood], key: BatchKey) -> list[Neighbourhood]:
        if not self._spec.hard_negatives:
            return []
        return draw_negatives(
            targets,
            self._source,
            self._names,
            self._look_alikes,
            count=self._spec.hard_negatives,
            random=self._random(Purpose.NEGATIVES, key),
        )

    def _graph(
        self,
        targets: list[Neighbourhood],
        texts: list[str],
        negatives: list[Neighbourhood],
        key: BatchKey,
    ) -> Arrays:
        spec = self._spec
        further = self._further(key)
        roots = [*targets, *negatives, *further]
        trees = grow_trees(
            roots,
            self._source,
            self._relations,
            count=spec.neighbours,
            hops=spec.hops,
            random=self._random(Purpose.NEIGHBOURS, key),
            telling=spec.choice == "telling",
        )
        drawn = self._names.draw(trees.cuis, self._random(Purpose.NAMES, key))
        shown = self._hide(drawn, len(roots), key)
        related = self._families(roots, trees.cuis, drawn)
        if self._linearise:
            ids, mask = self._linearise(trees, *numbered(shown), len(roots))
            return {"graph_input_ids": ids, "graph_attention_mask": mask, **related}
        every = np.arange(len(roots), dtype=np.int32)
        target, negative, beyond = np.split(every, np.cumsum([len(targets), len(negatives)]))
        paired = np.concatenate([target, beyond]) if spec.synonyms else every[:0]
        first = [drawn[node] for node in paired]
        second = self._second_names([trees.cuis[node] for node in paired], first, texts, key)
        called = texts or [drawn[node] for node in target]
        names, row = numbered([*shown, *second, *called, *first])
        node, other, mention, one = np.split(row, np.cumsum([len(shown), len(second), len(called)]))
        ids, mask = self._pieces.encode_names(names, spec.name_length)
        labels = _labels(trees.cuis)
        return {
            "name_input_ids": ids,
            "name_attention_mask": mask,
            "node_name": node,
            "node_concept": labels,
            "edge_index": trees.edge_index,
            "edge_type": trees.edge_type,
            "target_node": target,
            "negative_node": negative,
            "further_node": beyond,
            "pair_concept": labels[paired],
            "name_pairs": np.stack([one, other]),
            "mention_name": mention,
            **related,
        }

    def _hide(self, names: list[str], roots: int, key: BatchKey) -> list[str]:
        """Replace a share of the names of roots, which come first, by the mask token."""
        if not self._spec.hidden_names:
            return names
        hidden = self._random(Purpose.HIDDEN, key).random(roots) < self._spec.hidden_names
        mask = self._pieces.special_token("mask")
        seen = [mask if hide else name for name, hide in zip(names, hidden.tolist(), strict=False)]
        return [*seen, *names[roots:]]

    def _families(
        self, roots: list[Neighbourhood], cuis: list[str], names: list[str]
    ) -> dict[str, NDArray[np.int64]]:
        if self._spec.relatives == "negatives":
            return {}
        return {"families": families(roots, cuis, names)}

    def _second_names(
        self, cuis: list[str], first: list[str], texts: list[str], key: BatchKey
    ) -> list[str]:
        """Draw a name beside the ``first`` one of each concept; ``texts`` are those of mentions."""
        others = self._names.another(cuis, first, self._random(Purpose.SYNONYMS, key))
        random = self._random(Purpose.SHORT_NAMES, key)
        short = self._abbreviator.names(first, others, random)
        return [*texts[: len(cuis)], *short[len(texts) :]]

    def _further(self, key: BatchKey) -> list[Neighbourhood]:
        if self._linearise:
            return []
        random = self._random(Purpose.FURTHER, key)
        cuis = self._names.draw_concepts(self._spec.further_concepts, random)
        found = self._source.neighbourhoods(cuis).found
        return [found[cui] for cui in cuis]

    def _random(self, purpose: Purpose, key: BatchKey) -> np.random.Generator:
        return generator(self._spec.seed, purpose, epoch=key.epoch, index=key.index, rank=key.rank)


def _labels(cuis: list[str]) -> NDArray[np.int64]:
    return np.array([concept_label(cui) for cui in cuis], dtype=np.int64)


def _check_size(spec: DataSpec, sentences: int) -> None:
    step, held_out = spec.batch_size * spec.world_size, spec.dev_batches
    if sentences < step * (1 + held_out):
        beside = f" beside {held_out} to evaluate on" if held_out else ""
        raise BaliError(
            f"{spec.corpus} has {sentences} linked sentences, too few for a batch of "
            f"{spec.batch_size} on {spec.world_size} ranks{beside}: lower [data] batch_size"
        )
    train = sentences - step * held_out
    if train // steps_per_epoch(train, step) < spec.world_size:
        raise BaliError(
            f"{train} sentences in batches of {spec.batch_size} leave one of {spec.world_size} "
            "ranks without a sentence: raise [data] batch_size"
        )


def _check_origin(spec: DataSpec, source: NeighbourhoodSource) -> None:
    if source.graph_version != spec.graph_version:
        raise BaliError(
            f"the job was queued for graph {spec.graph_version} but {source.graph_version} is "
            "live: queue it again"
        )
    if open_corpus(spec.corpus).sha != spec.corpus_sha:
        raise BaliError(f"{spec.corpus} has changed since the job was queued: queue it again")
