"""Rankings, metrics and intervals against brute force and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import permutation_test
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score

from bali_trainers.evaluation import ranking
from bali_trainers.evaluation.metrics import bootstrap, compare, estimate, holm, rank_metrics
from bali_trainers.evaluation.ranking import Bearers, Ranks, rank_concepts


def grid_vectors(random: np.random.Generator, count: int) -> np.ndarray:
    """Vectors of small integers: their dot products are exact, and tie often."""
    return random.integers(-2, 3, (count, 3)).astype(np.float32)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    concepts=st.integers(1, 8),
    names=st.integers(1, 12),
    queries=st.integers(1, 6),
    block=st.integers(1, 9),
    sparse=st.booleans(),
)
def test_ranks_are_those_of_brute_force(
    seed: int, concepts: int, names: int, queries: int, block: int, sparse: bool
) -> None:
    random = np.random.default_rng(seed)
    own = [
        random.choice(names, random.integers(1, names + 1), replace=False) for _ in range(concepts)
    ]
    pairs = [(c, int(n), place) for c in range(concepts) for place, n in enumerate(own[c])]
    name_vectors, query_vectors = grid_vectors(random, names), grid_vectors(random, queries)
    gold = [
        np.sort(random.choice(concepts, random.integers(1, concepts + 1), replace=False))
        for _ in range(queries)
    ]
    sizes = random.integers(1, 4, concepts)
    bearers = Bearers(*np.array(pairs, dtype=np.int64).T, sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "_PAIRS_AT_ONCE", block)
        patch.setattr(ranking, "scores_at_once", lambda device: block * block)
        vectors = [query_vectors, name_vectors.astype(np.float16)]
        if sparse:
            vectors = [csr_array(query_vectors), csr_array(name_vectors)]
        ranks = rank_concepts(*vectors, bearers, gold)
    for q in range(queries):
        near = {
            which: max(
                (float(query_vectors[q] @ name_vectors[n]), -p) for c, n, p in pairs if c == which
            )
            for which in range(concepts)
        }
        ordered = sorted(near, key=lambda c: (-near[c][0], -sizes[c], -near[c][1], c))
        best = max(near[c][0] for c in gold[q])
        assert ranks.rank[q] == 1 + min(ordered.index(c) for c in gold[q])
        assert ranks.nearer[q] == sum(value > best for value, _ in near.values())
        assert ranks.tied[q] == sum(value == best for value, _ in near.values())
        assert ranks.wanted[q] == sum(near[c][0] == best for c in gold[q])


def test_rounding_takes_no_concept_out_of_its_own_tie() -> None:
    # Close vectors, as those of language models are, in half precision: sums round differently in
    # one product and in a block of them.
    random = np.random.default_rng(0)
    names = random.standard_normal((9000, 384)) + 2 * random.standard_normal(384)
    names = (names / np.linalg.norm(names, axis=1, keepdims=True)).astype(np.float16)
    every = np.arange(len(names))
    bearers = Bearers(every, every, np.zeros_like(every), np.ones_like(every))
    ranks = rank_concepts(names[:4000], names, bearers, [np.array([i]) for i in range(4000)])
    assert (ranks.tied == 1).all()
    assert (ranks.rank == 1).all()


def test_metrics_by_hand() -> None:
    ranks = Ranks(
        nearer=np.array([0, 0, 1, 3]),
        ahead=np.array([0, 1, 0, 2]),
        tied=np.array([1, 4, 1, 3]),
        wanted=np.array([1, 2, 1, 1]),
    )
    metrics = {name: values.tolist() for name, values in rank_metrics(ranks).items()}
    assert metrics == {
        "acc@1": [1, 0, 0, 0],
        "acc@1 expected": [1, 0.5, 0, 0],
        "acc@5": [1, 1, 1, 0],
        "mrr": [1, 0.5, 0.5, 1 / 6],
    }


def test_metrics_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(3)
    queries, names = random.normal(size=(200, 8)), random.normal(size=(30, 8))
    gold = random.integers(0, 30, 200)
    ranks = rank_concepts(
        queries.astype(np.float32),
        names.astype(np.float32),
        Bearers(
            np.arange(30), np.arange(30), np.zeros(30, dtype=np.int64), np.ones(30, dtype=np.int64)
        ),
        [np.array([wanted]) for wanted in gold],
    )
    metrics = {name: values.mean() for name, values in rank_metrics(ranks).items()}
    scores = queries @ names.T
    labels = np.arange(30)
    assert metrics["acc@1"] == pytest.approx(top_k_accuracy_score(gold, scores, k=1, labels=labels))
    assert metrics["acc@5"] == pytest.approx(top_k_accuracy_score(gold, scores, k=5, labels=labels))
    assert metrics["mrr"] == pytest.approx(
        label_ranking_average_precision_score(np.eye(30)[gold], scores)
    )


def test_intervals_agree_with_theory_and_scipy() -> None:
    values = np.repeat([0.0, 1.0], [300, 700])
    ours = estimate(values)
    assert ours.value == pytest.approx(0.7)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 1000)
    assert ours.low == pytest.approx(0.7 - half, abs=0.004)
    assert ours.high == pytest.approx(0.7 + half, abs=0.004)
    theirs = scipy_bootstrap(
        (values,), np.mean, method="percentile", n_resamples=2000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.005)
    assert ours.high == pytest.approx(theirs.high, abs=0.005)


def test_resamples_of_two_values_by_hand() -> None:
    means = bootstrap(np.array([0.0, 1.0]), resamples=4000)
    share = {value: float((means == value).mean()) for value in (0.0, 0.5, 1.0)}
    assert sum(share.values()) == 1
    assert share[0.0] == pytest.approx(0.25, abs=0.04)
    assert share[0.5] == pytest.approx(0.5, abs=0.04)


def test_certain_values_have_no_width() -> None:
    constant = estimate(np.ones(50))
    assert (constant.value, constant.low, constant.high) == (1, 1, 1)


def test_comparison_is_paired() -> None:
    random = np.random.default_rng(5)
    baseline = (random.random(400) < 0.5).astype(float)
    better = baseline.copy()
    better[np.flatnonzero(baseline == 0)[:20]] = 1
    difference = compare({"acc": better}, {"acc": baseline})["acc"]
    assert difference.value == pytest.approx(0.05)
    assert 0 < difference.low < 0.05 < difference.high
    assert difference.p < 0.001
    same = compare({"acc": baseline}, {"acc": baseline})["acc"]
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_chance_level_agrees_with_scipy() -> None:
    random = np.random.default_rng(6)
    a, b = random.random(60) + 0.06, random.random(60)
    ours = compare({"m": a}, {"m": b})["m"].p
    theirs = permutation_test(
        (a - b,), np.sum, permutation_type="samples", n_resamples=20_000, rng=random
    ).pvalue
    assert ours == pytest.approx(theirs, abs=0.02)


def test_clusters_are_drawn_whole() -> None:
    values = np.repeat([0.0, 1.0, 1.0, 0.0], 250)
    clusters = np.repeat(np.arange(4), 250)
    means = bootstrap(values, clusters)
    assert set(means.tolist()) == {0, 0.25, 0.5, 0.75, 1}
    wide, narrow = estimate(values, clusters), estimate(values)
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)
    uneven = bootstrap(np.array([1.0, 0.0, 0.0]), np.array([0, 1, 1]))
    assert {round(mean, 6) for mean in uneven.tolist()} == {0, round(1 / 3, 6), 1}


def test_seeds_are_drawn_as_well_as_queries() -> None:
    random = np.random.default_rng(7)
    right = (random.random(300) < 0.6).astype(float)
    same, apart = np.stack([right] * 3), np.stack([right, right, 0 * right])
    alone, together = estimate(right), estimate(same)
    assert (alone.low, alone.high) == pytest.approx((together.low, together.high))
    assert estimate(apart).value == pytest.approx(right.mean() * 2 / 3)
    assert estimate(apart).low < 0.3 * right.mean(), "three unlucky seeds"
    gain = compare({"m": apart}, {"m": 0 * right})["m"]
    assert gain.p < 0.001
    assert gain.low == pytest.approx(estimate(apart).low)


def test_few_clusters_prove_little() -> None:
    gain = np.repeat([1.0, 0.0], 500)
    none = np.zeros(1000)
    alone = compare({"m": gain}, {"m": none})["m"]
    in_two_documents = compare({"m": gain}, {"m": none}, np.repeat([0, 1], 500))["m"]
    assert alone.p < 0.001
    assert in_two_documents.p == 1


def test_holm_by_hand() -> None:
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1; never less than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9, 0.6]) == [1, 1, 1]


@settings(max_examples=50, deadline=None)
@given(p=st.lists(st.floats(0, 1), max_size=9), level=st.sampled_from([0.05, 0.3, 0.9]))
def test_holm_rejects_what_its_definition_says(p: list[float], level: float) -> None:
    rejected = set()
    for tests_left, number in zip(
        range(len(p), 0, -1), sorted(range(len(p)), key=p.__getitem__), strict=True
    ):
        if p[number] * tests_left > level:
            break
        rejected.add(number)
    assert {number for number, value in enumerate(holm(p)) if value <= level} == rejected
