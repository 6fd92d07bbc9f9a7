"""The commands of docs/text.md: from a file of one's own to a trained, evaluated model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest
import torch
from typer.testing import CliRunner

import bali
from bali.cli.main import app
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_platform.text.corpus import Mention, read_sentences

pytestmark = pytest.mark.services


def run(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if result.exception:
        raise result.exception
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def _graph(driver: neo4j.Driver, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.execute_query("MATCH (n) DETACH DELETE n")
    driver.execute_query(
        """
        CREATE (:Release {graph_version: 'commands', version: 'x', relation_types: ['RO']}),
               (a:Concept {cui: 'C0000001', name: 'w1', names: ['w1 w2', 'w3 w4']}),
               (b:Concept {cui: 'C0000002', name: 'w5', names: ['w5 w6', 'w3 w4']}),
               (:Concept {cui: 'C0000003', name: 'w7', names: ['w7 w8']}),
               (a)-[:RO {sabs: ['X']}]->(b)
        """
    )
    for name in ("home", "cache"):
        monkeypatch.setenv(f"BALI_{name.upper()}", str(getattr(settings, name)))


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    path = tmp_path / "gold.pubtator"
    path.write_text("12345678|t|w3 w4 with w7 w8\n12345678\t0\t5\tw3 w4\tDisease\tD000001\n")
    return path


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    path = tmp_path / "codes.tsv"
    path.write_text("D000001\tC0000002\n")
    return path


@pytest.fixture
def _arithmetic_as_before() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


def test_from_a_file_to_a_linked_evaluated_corpus(
    gold: Path, codes: Path, tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    model = tiny_model()
    text = tmp_path / "text.txt"
    text.write_text("w5 w6 and w3 w4 here.\n\nNothing.")

    imported = run("corpus", "import", gold, "--codes", codes, "-o", tmp_path / "gold")
    assert imported["details"]["identifiers"] == {"MSH": {"mapped": 1}}
    arguments = ["corpus", "link", text, gold, "-o", tmp_path / "linked", "--withheld", 0]
    skipped = run(*arguments)
    assert (skipped["sentences"], skipped["mentions"]) == (2, 2)
    decided = run(*arguments, "--model", model, "--threshold", -1, "--jobs", 2)
    assert decided["mentions"] == 4
    first = next(iter(read_sentences(tmp_path / "linked")))
    assert first.mentions[0] == Mention(0, 5, "C0000002")
    nothing = run(*arguments, "--model", model, "--threshold", 1)
    assert nothing["mentions"] == 2
    assert run("corpus", "score", tmp_path / "gold", "--model", model)["spans"]["wanted"] == 1

    about = ["evaluate", "mentions", model]
    from_file = run(*about, "--corpus", gold, "--codes", codes, "--encoding", "mixed")
    assert from_file["facts"].items() >= {"mentions": 1, "overlapping": 0}.items()
    assert from_file["facts"]["subsets"] == {"all": 1, "refined": 1}
    training = ["--corpus", tmp_path / "gold", "--training", tmp_path / "linked"]
    with pytest.raises(BaliError, match="such as 12345678, are also in the training"):
        run(*about, *training)
    forced = run(*about, *training, "--force")
    assert forced["facts"]["overlapping"] == 1
    # The name is shared: the rule prefers the smaller CUI, as both rank it second.
    (shown,) = forced["sections"]["all"]["models"].values()
    assert shown["acc@1"]["value"] == 0
    assert shown["acc@1 expected"]["value"] == 0.5


@pytest.fixture
def linker(settings: Settings) -> Iterator[Path]:
    """Where a linker decides for the whole home, which is as it was afterwards."""
    folder = settings.home / "linker"
    yield folder
    shutil.rmtree(folder)


def test_a_linker_is_trained_asked_beside_the_model_below_it_and_decides_from_then_on(
    codes: Path, linker: Path, tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "train.pubtator"
    file.write_text(
        "\n\n".join(f"{n}|t|w3 w4 of w{n}\n{n}\t0\t5\tw3 w4\tDisease\tD000001" for n in range(30))
    )
    run("corpus", "import", file, "--codes", codes, "-o", tmp_path / "train")
    train = ["train", "linker", str(tmp_path / "train"), "--model", str(tiny_model())]
    trained = CliRunner().invoke(app, train)
    assert "links what 30 mentions of 1 corpora taught it" in " ".join(trained.stdout.split())
    looks = tmp_path / "looks at edges"
    CliRunner().invoke(app, [*train, "--edges", "real", "--output", str(looks)])
    linkers = "--linker", linker, "--linker", looks
    found = run("evaluate", "mentions", "--corpus", file, "--codes", codes, *linkers)
    model, own, general, *with_edges = found["sections"]["all"]["models"].values()
    assert model["acc@1"]["value"] == 0, "the rule prefers the smaller CUI"
    assert own["acc@1"]["value"] == 1, "this corpus means the other one"
    assert general["acc@5"]["value"] == 1
    assert [each["acc@5"]["value"] for each in with_edges] == [1, 1]
    weighed = json.loads((looks / "linker.json").read_bytes())["weights"]["own"]
    assert "neighbours in the document" in json.dumps(weighed)
    assert found["notes"][f"{linker}, own"]["among the candidates"] == 1
    (gains, *_) = (found["sections"][f"edges, {subset}"] for subset in ("all", "refined"))
    assert set(gains["differences"]) == {
        f"{looks}, {view}, over none" for view in ("own", "general")
    }
    with pytest.raises(BaliError, match="name a model, or a linker"):
        run("evaluate", "mentions", "--corpus", file, "--codes", codes)

    second = tmp_path / "second"
    CliRunner().invoke(app, [*train, "--seed", "2", "--output", str(second)])
    both = "--linker", linker, "--linker", second
    found = run("evaluate", "mentions", "--corpus", file, "--codes", codes, *both)
    joined = (f"{linker} and 1 more seeds, {view}" for view in ("own", "general"))
    assert {*joined} < found["sections"]["all"]["models"].keys()

    note = tmp_path / "note.txt"
    note.write_text("w7 w8 came first. Then\nw3 w4 of w99. w5 w6.")
    link = "corpus", "link", note, "-o"

    def meant(corpus: str, *options: object) -> dict[str, str]:
        run(*link, tmp_path / corpus, *options)
        return {
            sentence.text[mention.start : mention.end]: mention.cui
            for sentence in read_sentences(tmp_path / corpus)
            for mention in sentence.mentions
        }

    others = {"w7 w8": "C0000003", "w5 w6": "C0000002"}
    assert meant("linked") == others | {"w3 w4": "C0000002"}
    assert meant("apart", "--jobs", 2) == meant("linked")
    assert meant("without", "--linker", "none") == others | {"w3 w4": "C0000001"}
    _, told, _ = bali.link(note.read_text()).mentions
    assert (told.cui, told.name, told.alternatives) == ("C0000002", "w5 w6", ("C0000001",))
    assert told.score == 1, "all such mentions meant it"
    with pytest.raises(UsageError, match="--linker none"):
        run(*link, tmp_path / "far", "--workers")
    with pytest.raises(BaliError, match="there is no linker in nowhere"):
        run(*link, tmp_path / "wrong", "--linker", "nowhere")


@pytest.mark.usefixtures("_arithmetic_as_before")
def test_from_a_text_of_ones_own_to_a_trained_evaluated_model(
    gold: Path, codes: Path, tiny_model: Callable[..., Path], settings: Settings, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("\n\n".join(f"w{n} w5 w6 near w7 w8." for n in range(10, 30)))
    linked = run("corpus", "link", notes, "--preset", "training", "-o", tmp_path / "notes")
    assert (linked["sentences"], linked["mentions"]) == (20, 40)
    assert linked["details"]["withheld"] == 0.1, "as training withholds"

    config = tmp_path / "my.toml"
    config.write_text(
        f"""
        name = "of-my-own"
        [model]
        base = '{tiny_model()}'
        [data]
        corpus = '{tmp_path / "notes"}'
        batch_size = 4
        max_length = 12
        [graph_encoder]
        layers = 1
        [run]
        max_steps = 3
        device = "cpu"
        """
    )
    trained = CliRunner().invoke(app, ["train", str(config), "--local"])
    assert trained.exception is None, trained.stdout
    (folder,) = settings.home.glob("jobs/of-my-own-*")

    models = tiny_model(), folder / "model"
    evaluated = ["evaluate", "mentions", *models, "--corpus", gold, "--codes", codes]
    report = run(*evaluated, "--training", tmp_path / "notes", "--encoding", "context")
    every = report["sections"]["all"]
    assert list(every["models"]) == [f"{m}, context" for m in models]
    assert report["facts"]["overlapping"] == 0
    assert list(every["differences"]) == [f"{folder / 'model'}, context"]


def test_a_marked_corpus_is_cut_to_train_choose_and_test(codes: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.pubtator"
    documents = (f"{n}|t|w3 w4 w{n}\n{n}\t0\t5\tw3 w4\tDisease\tD000001\n" for n in range(10, 30))
    marked.write_text("\n".join(documents))
    run("corpus", "import", marked, "--codes", codes, "-o", tmp_path / "all")
    parts = run("corpus", "split", tmp_path / "all", "-o", tmp_path / "parts")
    assert {part: info["sentences"] for part, info in parts.items()} == {
        "train": 16,
        "dev": 2,
        "test": 2,
    }
    assert run("corpus", "stats", tmp_path / "parts" / "dev")["mentions"] == 2
