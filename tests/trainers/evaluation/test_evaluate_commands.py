"""``bali evaluate`` as typed, on files."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bali.cli.main import app
from bali.cli.tasks import pairs_of_document
from bali_loaders.corpora import Annotation, Document, Relation
from bali_platform.base.settings import load_settings
from bali_platform.jobs import JobState, JobStore, connect
from bali_platform.jobs.cards import Cards
from bali_platform.jobs.lease import claim_next
from bali_platform.jobs.training import run_job


def run(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if result.exception:
        raise result.exception
    return json.loads(result.stdout)


def test_pairs_of_a_document_carry_their_relation() -> None:
    annotations = (
        Annotation(0, 1, ("D1",), "Disease"),
        Annotation(2, 3, ("672", "673"), "Gene"),
        Annotation(4, 5, ("D1",), "Disease"),
    )
    document = Document("7", "a b c", annotations, (Relation("Bind", "673", "D1"),))
    found = {(kinds, e.marked, e.label, e.document) for kinds, e in pairs_of_document(document)}
    disease, gene = ((0, 1), (4, 5)), ((2, 3),)
    assert found == {
        (frozenset({"Disease", "Gene"}), (disease, gene), "none", "7"),
        (frozenset({"Disease", "Gene"}), (disease, gene), "Bind", "7"),
        (frozenset({"Gene"}), (gene, gene), "none", "7"),
    }


def pubtator(first: int, last: int) -> str:
    blocks = []
    for i in range(first, last):
        lines = [
            f"{i}|t|w{i} w8{i % 2} w9",
            f"{i}\t0\t{1 + len(str(i))}\tw{i}\tDisease\tD1",
            f"{i}\t{2 + len(str(i))}\t{5 + len(str(i))}\tw8{i % 2}\tGene\t672",
        ]
        if i % 2:
            lines.append(f"{i}\tBind\tD1\t672")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def test_relations_of_documents(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    train, test = tmp_path / "train.pubtator", tmp_path / "test.pubtator"
    train.write_text(pubtator(10, 40))
    test.write_text(pubtator(50, 60))
    report = run("evaluate", "relations", tiny_model(), "--train", train, "--test", test)
    assert report["facts"]["classes"] == {"Bind": 20, "none": 20}
    assert report["sections"]["all"]["models"][str(tiny_model())]["micro F1"]["value"] == 1


def test_masked_tokens_of_documents(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(f"w{i} w{i + 1} w{i + 2} w{i + 3}. W9 w8." for i in range(30)))
    report = run("evaluate", "language", tiny_model(), "--text", path)
    (notes,) = report["notes"].values()
    assert 10 < notes["texts"] <= 60
    assert notes["texts"] <= notes["tokens"] < 80
    page = tmp_path / "report.html"
    arguments = ["evaluate", "language", tiny_model(), "--text", path, "--output", page]
    shown = CliRunner().invoke(app, [*map(str, arguments)])
    assert "masked tokens of 60 sentences" in shown.stdout
    assert "masked tokens of 60 sentences" in page.read_text()
    (found,) = report["sections"]["all"]["models"].values()
    assert f"{found['perplexity']['value']:.2f} (" in page.read_text()
    run("evaluate", "language", tiny_model(), "--text", path, "--output", tmp_path / "report.md")
    assert f"{found['perplexity']['value']:.2f} (" in (tmp_path / "report.md").read_text()


def test_a_misspelt_task_is_no_model() -> None:
    result = CliRunner().invoke(app, ["evaluate", "mention", "m"])
    assert result.exit_code == 2
    assert "No such command 'mention'" in result.output


def test_everyday_sentences(tiny_model: Callable[..., Path]) -> None:
    # The tiny tokenizer knows no everyday word: two tiny models may well agree on all neighbours.
    models = "minilm", str(tiny_model())
    report = run("evaluate", "language", *models)
    assert report["facts"]["triplets"] == 60
    agreement = report["sections"]["agreement"]["models"]
    assert 0 < agreement[models[1]]["neighbours kept"]["value"] < 1
    shown = CliRunner().invoke(app, ["evaluate", "language", *models])
    assert "60 everyday sentences" in shown.stdout
    assert "60 everyday sentences: agreement" in shown.stdout


@pytest.mark.services
def test_a_queued_evaluation_is_done_by_a_worker_that_has_nothing_but_the_store(
    tiny_model: Callable[..., Path],
    mortal_redis: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = tmp_path / "first"
    shutil.copytree(tiny_model(), first / "tiny")
    (first / "train.pubtator").write_text(pubtator(10, 40))
    (first / "test.pubtator").write_text(pubtator(50, 60))
    monkeypatch.chdir(first)
    for name, value in {
        "HOME": first / "home",
        "STORE": tmp_path / "store",
        "REDIS_URL": mortal_redis.url,
        "NEO4J_URI": "bolt://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(f"BALI_{name}", str(value))
    asked = ["relations", "tiny", "--train=train.pubtator", "--test", "test.pubtator"]
    wanted = run("evaluate", *asked)
    typed = CliRunner().invoke(app, ["evaluate", "--queue", *asked])
    job_id = re.findall(r"job (\w+)", typed.output)[0]
    refused = CliRunner().invoke(app, ["evaluate", "report", job_id])
    assert "is queued: it has left no report here" in str(refused.exception)

    first.rename(tmp_path / "lost")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BALI_HOME", str(tmp_path / "second"))
    settings = load_settings()
    claimed = claim_next(JobStore(connect(), settings.home), Cards((), settings))
    assert claimed is not None
    run_job(*claimed, threading.Event())
    job = JobStore(connect()).get(job_id)
    assert job.state == JobState.SUCCEEDED, job.message

    monkeypatch.setenv("BALI_HOME", str(tmp_path / "third"))
    (tmp_path / "second").rename(tmp_path / "lost too")
    found = run("evaluate", "report", job_id)
    assert found["facts"] == wanted["facts"]
    (scores,) = found["sections"]["all"]["models"].values()
    assert scores == wanted["sections"]["all"]["models"]["tiny"]
