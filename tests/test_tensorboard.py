"""How TensorBoard shows several runs in one directory: its page of hyperparameters."""

import shutil

import pytest
from running import scalars, trained
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, get_experiment, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context

from tl.record import Recorder
from tl.results import hyperparameters, overall
from tl.runs import Run

SHOWN = 5  # columns of options and of metrics that the page shows before any is chosen


def page(folder):
    """The options in their order, the metrics, and a row for each run."""
    runs = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    provider = MultiplexerDataProvider(runs, str(folder))
    context, asked = Context(TBContext(data_provider=provider)), RequestContext()
    request = api_pb2.GetExperimentRequest()
    experiment = get_experiment.Handler(asked, context, "", request).run()
    request = api_pb2.ListSessionGroupsRequest(slice_size=100, allowed_statuses=[1, 2, 3, 0])
    for metric in experiment.metric_infos:
        request.col_params.add(metric=metric.name)
    groups = list_session_groups.Handler(asked, context, "", request).run().session_groups
    rows = [
        (group.hparams, {value.name.tag: value.value for value in group.metric_values})
        for group in groups
    ]
    options = [info.name for info in experiment.hparam_infos]
    return options, {info.name.tag for info in experiment.metric_infos}, rows


@pytest.fixture(scope="module")
def several(finished, model_folder, tagged_folder, tmp_path_factory):
    """A directory with a run of classification and two of ner, by LoRA of two ranks."""
    folder = tmp_path_factory.mktemp("several")
    shutil.copytree(finished.path, folder / "classification")
    words = ["--task", "ner", "--data", str(tagged_folder), "--model", str(model_folder)]
    for r in ("2", "3"):
        trained([*words, "--epochs", "1", "--strategy", "lora", "--strategy.r", r], folder / r)
    return folder


def test_runs_of_several_tasks_have_all_their_options_and_scores_on_one_page(several, finished):
    options, metrics, rows = page(several)
    assert {"strategy", "task", "strategy.r", "task.pool", "training.clip"} <= set(options)
    assert {"test/f1", "test/f1_macro", "validation/accuracy", "test/loss"} <= metrics
    assert len(rows) == 3
    found = {(o["strategy"].string_value, o["strategy.r"].number_value): s for o, s in rows}
    assert set(found) == {("full", 0), ("lora", 2), ("lora", 3)}
    f1_macro = finished.read_result()["scores"]["test"]["f1_macro"]
    assert found["full", 0]["test/f1_macro"] == pytest.approx(f1_macro)
    assert "test/f1" in found["lora", 2]


def test_the_page_begins_with_the_options_in_which_runs_differ(several):
    options, _, _ = page(several)
    assert {"strategy", "strategy.r", "task"} < set(options[:SHOWN])


def test_one_run_alone_shows_its_strategy_first(finished):
    options, metrics, _ = page(finished.path)
    assert options[:SHOWN] == ["data", "lr", "model", "seed", "strategy"]
    assert not any(name.startswith(("train/", "grad_norm/", "lr/")) for name in metrics)


def test_the_curves_of_a_run_hold_no_plot_of_one_dot_for_its_result(finished):
    names = {name for name, _ in scalars(finished)}
    assert not any(name.startswith("best") for name in names)
    steps = {step for name, step in scalars(Run(finished.final)) if name == "test/f1_macro"}
    assert len(steps) == 1


def test_an_end_that_was_cut_short_and_repeated_leaves_one_row(tmp_path):
    recorder = Recorder(Run(tmp_path))
    for value in (0.25, 0.5):
        recorder.hyperparameters(3, {"strategy": "full"}, {"test/f1": value})
    recorder.close()
    _, _, rows = page(tmp_path)
    assert [scores for _, scores in rows] == [{"test/f1": 0.5}]


def test_scores_of_single_types_are_no_columns():
    scores = {"f1": 0.5, "PER/f1": 0.4, "PER/support": 3.0, "loss": 1.0}
    assert overall(scores) == {"f1": 0.5, "loss": 1.0}
    members = {"mean": 0.4, "ner/f1": 0.5, "ner/PER/f1": 0.4, "ner/PER/support": 3.0}
    assert overall(members) == {"mean": 0.4, "ner/f1": 0.5}


def test_every_option_has_a_column(finished):
    from tl.trained import config_of

    config = config_of(finished)
    assert len(hyperparameters(config)) == len(config.flags())
