"""Fine-tuning of tiny models, and the files that its tasks are read from."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bali.cli.main import app
from bali.cli.tasks import read_table
from bali_platform.base.errors import BaliError, UsageError
from bali_trainers.evaluation import (
    ClassificationTask,
    Classified,
    Example,
    Recipe,
    Scored,
    Setup,
    evaluate_classes,
    evaluate_fine_tuned,
    read_questions,
    report,
    split_task,
)
from bali_trainers.evaluation.classifier import mark

RECIPE = Recipe(seeds=2, epochs=8, learning_rate=5e-3, max_length=16)


def relation(i: int, label: str) -> Example:
    """Mark two words; the label says which of both stands first."""
    text = f"w{i} w{40 + i % 9} w7"
    first, last = ((0, text.index(" ")),), ((len(text) - 2, len(text)),)
    return Example((text,), (first, last) if label == "up" else (last, first), label, text)


@pytest.fixture(scope="module")
def relations() -> ClassificationTask:
    train, test = (
        [relation(i, ("up", "down")[i % 2]) for i in numbers]
        for numbers in (range(10, 60), range(60, 72))
    )
    return split_task("relations", "toy", train, test)


def test_what_is_marked_is_learned_and_a_killed_call_goes_on(
    tiny_model: Callable[..., Path], relations: ClassificationTask, tmp_path: Path
) -> None:
    kept = Setup(device="cpu", cache=tmp_path / "vectors")
    (found,) = evaluate_fine_tuned(str(tiny_model()), relations, RECIPE, kept)
    assert isinstance(found, Classified)
    assert found.predicted.shape == (2, 12)
    assert (found.predicted == found.wanted).mean() > 0.9
    made = report(relations, [found, replace(found, model="again")])
    assert made.sections["all"].differences["again"]["accuracy"].p == 1

    one, other = sorted((tmp_path / "fine-tuned").iterdir())
    before = one.read_bytes(), other.stat().st_mtime_ns
    one.unlink()
    (again,) = evaluate_fine_tuned(str(tiny_model()), relations, RECIPE, kept)
    assert (one.read_bytes(), other.stat().st_mtime_ns) == before, "the same bits, once made"
    assert again.notes == found.notes


def test_frozen_layers_are_as_many_as_there_are(
    tiny_model: Callable[..., Path], relations: ClassificationTask
) -> None:
    few = replace(RECIPE, seeds=1, epochs=1, frozen_layers=2)
    (found,) = evaluate_fine_tuned(str(tiny_model()), relations, few)
    assert found.notes["epochs"] == {"fold 1, seed 1": 1}
    with pytest.raises(UsageError, match="the model has 2 layers"):
        evaluate_fine_tuned(str(tiny_model()), relations, replace(few, frozen_layers=3))


def test_marks_stand_around_every_mention_of_a_thing() -> None:
    text, (one, other) = mark("a b c a", [((0, 1), (6, 7)), ((2, 5), (4, 5))])
    assert text == "<< a >> [[ b [[ c ]] ]] << a >>"
    assert [text[start:end] for start, end in one] == ["<< a >>", "<< a >>"]
    assert sorted(text[start:end] for start, end in other) == ["[[ b [[ c ]] ]]", "[[ c ]]"]


MEDQA = [
    {
        "question": f"w{i} w{i + 1}",
        "options": {letter: f"w{60 if letter == right else 20 + i} w{i}" for letter in "ABC"},
        "answer_idx": right,
    }
    for i, right in enumerate("ABC" * 12)
]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    text = "\n".join(map(json.dumps, rows))
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_one_of_several_options_is_chosen(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    train = lines(tmp_path / "a.jsonl.gz", MEDQA[:27])
    task = read_questions(train, lines(tmp_path / "b.jsonl", MEDQA[27:]))
    assert task.classes == ["A", "B", "C"]
    assert task.facts["test"] == 9
    (found,) = evaluate_fine_tuned(str(tiny_model()), task, RECIPE)
    assert isinstance(found, Scored)
    assert found.scores["accuracy"].shape == (2, 9)
    assert found.scores["accuracy"].mean() > 0.8
    with pytest.raises(UsageError, match="add --fine-tune"):
        evaluate_classes(str(tiny_model()), task)


def test_answers_of_medmcqa_count_from_one_or_from_zero(tmp_path: Path) -> None:
    options = dict(zip(("opa", "opb", "opc", "opd"), "pqrs", strict=True))
    rows = [{"question": f"q{i}", **options, "cop": i % 4} for i in range(40)]
    later = [row | {"cop": int(str(row["cop"])) + 1} for row in rows]
    for copy in (rows, later):
        task = read_questions(lines(tmp_path / "m.jsonl", copy))
        assert [example.label for example in task.examples[:5]] == [*"ABCDA"]
        assert task.examples[0].options == ("p", "q", "r", "s")
        assert sorted(np.concatenate([fold.test for fold in task.folds]).tolist()) == [*range(40)]


def bioasq(path: Path) -> Path:
    answers = [{"exact_answer": ["yes"], "snippets": [{"text": "s"}, {"text": "t"}]},
               {"answer": "no", "snippets": ["u"]}]  # fmt: skip
    rows = [{"id": f"i{n}", "body": f"w{n}", "type": "yesno", **answers[n % 2]} for n in range(40)]
    path.write_text(json.dumps({"questions": [*rows, {"id": "x", "type": "list", "body": "w"}]}))
    return path


def test_bioasq_with_snippets_or_the_question_only(tmp_path: Path) -> None:
    task = read_questions(bioasq(tmp_path / "b.json"))
    assert len(task.examples) == 40, "lists are not asked"
    assert task.examples[0].texts == ("w0", "s t")
    assert (task.examples[1].texts, task.examples[1].label) == (("w1", "u"), "no")
    alone = read_questions(tmp_path / "b.json", question_only=True)
    assert alone.examples[0].texts == ("w0",)
    assert alone.about == "BioASQ, question only"
    with pytest.raises(BaliError, match="holds questions of MedQA"):
        read_questions(tmp_path / "b.json", lines(tmp_path / "m.jsonl", MEDQA))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "not questions of"),
        ([{"question": "q", "opa": "a", "cop": -1}], "questions without answers"),
        ([{"question": "q"}], "not questions of .*answer_idx"),
        ([MEDQA[0], MEDQA[1] | {"options": {"A": "a"}}], "questions have 1 to 3 options"),
        ([MEDQA[0] | {"answer_idx": "E"}], "answer 'E' is none of A, B, C"),
    ],
)
def test_bad_options_are_named(rows: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(BaliError, match=problem):
        read_questions(lines(tmp_path / "q.jsonl", rows))


def test_tables_as_typed(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"w{i} w8{i % 2},w{i},{i % 2}\n" for i in range(40))
    path.write_text(f"text_a,text_b,label\n{rows}")
    assert read_table(path)[1] == Example(("w1 w81", "w1"), (), "1", "w1 w81 w1")
    arguments = ["evaluate", "classify", str(tiny_model()), "--train", str(path), "--fine-tune"]
    few = ["--seeds", "1", "--epochs", "4", "--learning-rate", "5e-3", "--folds", "2", "--json"]
    result = CliRunner().invoke(app, [*arguments, *few])
    found = json.loads(result.stdout)
    assert found["facts"]["fine_tuned"]["epochs"] == 4
    assert found["facts"]["folds"] == 2
    assert len(found["notes"][str(tiny_model())]["epochs"]) == 2
    path.write_text("text,name\na,b\n")
    with pytest.raises(UsageError, match="no column 'label'"):
        read_table(path)
    path.write_text("TEXT,Label\na,b\n,c\n")
    with pytest.raises(BaliError, match="line 3: needs label, and text or"):
        read_table(path)
    path.write_text("text,text_a,text_b,label\na,,,x\n,b,c,y\n")
    with pytest.raises(BaliError, match="some rows have a text, others a pair"):
        read_table(path)
