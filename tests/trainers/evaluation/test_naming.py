"""Which names are asked about, and what models answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer

from bali_platform.base.errors import BaliError
from bali_platform.graph.names import is_withheld, name_key
from bali_trainers.evaluation import (
    build_name_task,
    evaluate_names,
    report,
)
from bali_trainers.inference.embedding import NameEncoder

NAME = st.sampled_from([f"{case}{i}" for i in range(12) for case in ("name ", "Name ", "name  ")])
CONCEPTS = st.lists(st.lists(NAME, min_size=1, max_size=5, unique=True), min_size=1, max_size=8)


@given(concepts=CONCEPTS, fraction=st.sampled_from([0.2, 0.5]))
def test_the_task_is_what_the_rules_say(concepts: list[list[str]], fraction: float) -> None:
    named = [(f"C{i}", tuple(names)) for i, names in enumerate(concepts)]
    shown = {
        (i, name)
        for i, (_, names) in enumerate(named)
        for place, name in enumerate(names)
        if place == 0 or not is_withheld(name, fraction)
    }
    keys = {name_key(name) for _, name in shown}
    wanted: dict[str, set[int]] = {}
    for i, (_, names) in enumerate(named):
        for name in names:
            if (i, name) not in shown and name_key(name) not in keys:
                wanted.setdefault(name_key(name), set()).add(i)
    if not wanted:
        with pytest.raises(BaliError, match="nothing to evaluate"):
            build_name_task(named, withheld=fraction)
        return
    task = build_name_task(named, withheld=fraction)
    table = task.table
    assert {(c, table.names[n]) for c, n, _ in table.bearers.tolist()} == shown
    assert all(named[c][1][place] == table.names[n] for c, n, place in table.bearers.tolist())
    assert len(set(table.names)) == len(table.names)
    got = {name_key(q): set(g) for q, g in zip(task.queries, task.gold, strict=True)}
    assert got == wanted


def test_a_limit_keeps_the_same_queries_whatever_else_there_is() -> None:
    few = [(f"C{i}", (f"w{i}", f"synonym {i}")) for i in range(300)]
    more = [*few, *((f"D{i}", (f"v{i}", f"other {i}")) for i in range(300))]
    some = build_name_task(few, withheld=0.3, limit=20)
    every = build_name_task(more, withheld=0.3)
    assert len(some.queries) == 20
    order = [query for query in every.queries if query in some.queries]
    assert order == list(some.queries)


@pytest.fixture
def words() -> list[tuple[str, tuple[str, ...]]]:
    return [(f"C{i}", tuple(f"w{i} w{j}" for j in range(i, i + 8))) for i in range(40)]


def test_vectors_are_mean_states_of_unit_length(tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model()
    names = ["w1 w2", "w3", "w5 w6 w7 w8 w9", "w1 w2", "w1  w2"]
    embedded = NameEncoder(str(folder)).encode(names)
    assert len(set(embedded.row[[0, 3, 4]].tolist())) == 1
    assert len(embedded.vectors) == 3
    model, tokenizer = (
        AutoModel.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    for name, row in zip(names, embedded.row, strict=True):
        with torch.no_grad():
            states = model(**tokenizer(name, return_tensors="pt")).last_hidden_state[0]
        mean = states.mean(0).numpy()
        np.testing.assert_allclose(embedded.vectors[row], mean / np.linalg.norm(mean), atol=2e-6)


def test_names_longer_than_allowed_are_cut(tiny_model: Callable[..., Path]) -> None:
    encoder = NameEncoder(str(tiny_model()), name_length=5)
    embedded = encoder.encode(["w1 w2 w3", "w1 w2 w3 w4"])
    assert embedded.row[0] == embedded.row[1]


def test_models_are_evaluated_and_compared(
    tiny_model: Callable[..., Path], words: list[tuple[str, tuple[str, ...]]]
) -> None:
    task = build_name_task(words, withheld=0.2)
    (base,) = evaluate_names(str(tiny_model()), task)
    (wide,) = evaluate_names(str(tiny_model(hidden_size=32)), task)
    assert all(len(scores) == len(task.queries) for scores in base.scores.values())
    assert (base.scores["acc@1"] <= base.scores["acc@5"]).all()
    assert (base.scores["acc@1 expected"] <= base.scores["acc@1"]).all()
    (again,) = evaluate_names(str(tiny_model()), task)
    assert all((again.scores[name] == base.scores[name]).all() for name in base.scores)
    found = report(task, [base, wide], graph_version="g")
    every = found.sections["all"]
    assert found.facts["graph_version"] == "g"
    assert list(every.models) == [base.model, wide.model]
    assert list(every.differences) == [wide.model]
    for metric, difference in every.differences[wide.model].items():
        gap = every.models[wide.model][metric].value - every.models[base.model][metric].value
        assert difference.value == pytest.approx(gap)
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_concepts_that_share_the_nearest_name_share_the_credit(
    tiny_model: Callable[..., Path],
) -> None:
    secret = next(f"w1 w{i}" for i in range(2, 95) if is_withheld(f"w1 w{i}", 0.3))
    # To this tokenizer, white space makes no difference between names.
    concepts = [("C0", ("w1  w2", secret)), ("C1", ("w1 w2",)), ("C2", ("w1 w2",))]
    (outcome,) = evaluate_names(str(tiny_model()), build_name_task(concepts, withheld=0.3))
    assert outcome.scores["acc@1"].tolist() == [1]
    assert outcome.scores["acc@1 expected"].tolist() == [1 / 3]


def test_a_folder_without_a_model_is_named(
    tmp_path: Path, words: list[tuple[str, tuple[str, ...]]]
) -> None:
    with pytest.raises(BaliError, match="is not a model: it has no config"):
        evaluate_names(str(tmp_path), build_name_task(words, withheld=0.2))
