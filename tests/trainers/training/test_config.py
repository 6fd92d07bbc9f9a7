from __future__ import annotations

import pytest

from bali_platform.base.errors import UsageError
from bali_trainers.training.config import Config, load_config, parse_config, shipped_configs


@pytest.fixture
def write(tmp_path):
    def make(text):
        path = tmp_path / "run.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_the_published_settings():
    config = load_config("published")
    assert config.data.batch_size == 256
    assert config.data.max_length == 128
    assert config.data.neighbours == 3
    assert (config.graph_encoder.kind, config.graph_encoder.layers) == ("gatv2", 5)
    assert (config.optimiser.text_lr, config.optimiser.graph_lr) == (2e-5, 1e-4)
    assert config.objectives.alignment.temperature == 0.07
    assert set(config.objectives.active) == {"alignment", "mlm"}
    assert config.run.epochs == 10


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_configuration_is_valid_and_survives_json(name):
    config = load_config(name)
    assert config.name == name
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_defaults_are_the_published_objectives(write):
    config = load_config(write('name = "x"'))
    assert {name: o.weight for name, o in config.objectives.active.items()} == {
        "alignment": 1.0,
        "mlm": 1.0,
    }


def test_named_objectives_replace_the_defaults(write):
    config = load_config(write('name = "x"\n[objectives.mlm]\nweight = 2'))
    assert set(config.objectives.active) == {"mlm"}


def test_overrides_replace_single_keys(write):
    path = write('name = "x"\n[data]\nbatch_size = 8\nmax_length = 64')
    config = load_config(path, data={"batch_size": 2})
    assert (config.data.batch_size, config.data.max_length) == (2, 64)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[data]\nbacth_size = 8", "unknown key 'data.bacth_size' (did you mean 'batch_size'?)"),
        ("[modle]\nbase = 'x'", "unknown key 'modle' (did you mean 'model'?)"),
        ("[objectives.alignmnt]", "(did you mean 'alignment'?)"),
        ("[objectives.alignment]\ntemprature = 1", "(did you mean 'temperature'?)"),
        ("[data]\nbatch_size = 0", "data.batch_size = 0: input should be greater than or equal"),
        ("[data]\nbatch_size = 'many'", "data.batch_size = 'many'"),
        ("[graph_encoder]\nkind = 'gcn'", "graph_encoder.kind = 'gcn'"),
        ("[run]\nprecision = 'fp16'\ndevice = 'cpu'", "needs a GPU"),
        ("[graph_encoder]\nbackend = 'dgl'\n[run]\ndevice = 'cuda'", "runs on the CPU only"),
        ("[graph_encoder]\nkind = 'linearised'\nheads = 4", "'heads' does not apply to"),
        ("[graph_encoder]\nkind = 'sage'\nrelations = false", "'relations' does not apply"),
        ("[data]\nsource = 'replay'", "[data] source = 'replay' and replay = FILE"),
        ("[data]\nmlm_probability = 0.0\n[objectives.mlm]", "no masked token to predict"),
        ("[objectives.mlm]\nweight = 0", "nothing would be learned"),
        ("[run]\nepochs = 2\nmax_steps = 5", "epochs or max_steps, not both"),
        (
            "[graph_encoder]\nkind = 'linearised'\n[objectives.text_to_graph]",
            "[objectives.text_to_graph] needs nodes",
        ),
        ("[run]\nparallel = 'fsdp'", "shards over several processes: set processes"),
        ("[run]\nparallel = 'fsdp'\nprocesses = 2\nchunk = 4", "leave out chunk"),
        ("[run]\nparallel = 'fsdp'\nprocesses = 2\nprecision = 'fp16'", "'bf16'"),
        ("[run]\nparallel = 'fsdp'\nprocesses = 2\ncompile = true", "leave out compile"),
        ("[run]\npacked = true\nchunk = 4", "does not go with chunk"),
        ("[run]\ncheckpoint_every = '10 sec'", "run.checkpoint_every"),
        ("[run]\npatience = 2", "set [data] dev_batches"),
        ("[data]\nhops = 5", "data.hops = 5: input should be less than or equal to 4"),
        ("[run]\nbest = 'loss'", "[run] best needs sentences to evaluate on"),
        ("[data]\ndev_batches = 1\n[run]\nbest = 'linking/acc@1'", "a metric of [linking]"),
        ("[linking]\ncorpus = 'c'", "[linking] needs sentences to evaluate on"),
        (
            "[data]\ndev_batches = 1\n[linking]\ncorpus = 'c'\n"
            "[run]\nparallel = 'fsdp'\nprocesses = 2",
            "not with parallel = 'fsdp'",
        ),
        ("[run]\nbest = 'mlmm/loss'", "no metric of this run (did you mean 'mlm/loss'?)"),
        ("[run]\nbest = 'alignment/top2'", "(did you mean 'alignment/top1'?); there are loss, "),
        ("[run]\nbest = 'lss'", "(did you mean 'loss'?)"),
        ("[objectives.mlm]\n[run]\nbest = 'alignment/top1'", "there are loss, mlm/loss, mlm/acc"),
        (
            "[data]\ndev_batches = 1\n[linking]\ncorpus = 'c'\n[run]\nbest = 'linking/acc'",
            "(did you mean 'linking/acc@1'?)",
        ),
        ("[run]\nloggers = ['tensorbord']", "run.loggers.0 = 'tensorbord'"),
        ("[objectives.mention_text]", "set [data] mention_texts"),
        (
            "[graph_encoder]\nkind = 'linearised'\n[objectives.name_name]",
            "[objectives.name_name] needs nodes",
        ),
        ("[run]\ndevice = 'tpu'", "run.device = 'tpu'"),
        ("[data", "is not TOML"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(write, text, line):
    path = write(f'name = "x"\n{text}')
    with pytest.raises(UsageError) as error:
        load_config(path)
    message = str(error.value)
    assert line in message
    assert str(path) in message
    assert "\n" not in message


def test_a_name_is_required(write):
    with pytest.raises(UsageError, match="'name' is missing"):
        load_config(write(""))


def test_an_unknown_configuration_lists_the_shipped_ones(tmp_path):
    with pytest.raises(UsageError, match="demo, minilm-small, published"):
        load_config(tmp_path / "absent.toml")


def test_data_that_is_no_table_is_refused():
    with pytest.raises(UsageError, match=r"^here: "):
        parse_config([], "here")
