"""Tables of runs: groups, spreads, refusals, and the command line of all analyses."""

import json

import pytest

from analysis import __main__ as command_line
from analysis import tables
from analysis.finished import in_short, options_of


def write_run(parent, name="lora--abc", seed=0, **changes):
    """A finished run directory, without a model."""
    f1 = changes.pop("f1", 0.9)
    options = changes.pop("options", "")
    scores = {"precision": f1, "recall": f1, "f1": f1}
    device = changes.pop("device_name", "cpu")
    result = {
        "command": f"python train.py --task ner --strategy lora{options}"
        + (f" --seed {seed}" if seed else ""),
        "task": "ner",
        "data": "newsroom",
        "data_name": "newsroom",
        "data_fingerprint": "0123",
        "strategy": "lora",
        "seed": seed,
        "metric": "f1",
        "train_examples": 700,
        "scores": {"validation": scores, "test": scores},
        "trainable_parameters": 1000,
        "total_parameters": 100_000,
        "train_seconds": 60.0 + seed,
        "peak_memory_mib": {"total": 100.0 + seed},
        "checkpoint_bytes": 2**20,
        **changes,
    }
    folder = parent / "ner" / f"minilm--{name}--s{seed}"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "env.json").write_text(json.dumps({"device": device}))
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def load(paths):
    with tables.loaded(paths) as found:
        return found


def main(*words):
    return command_line.main([str(word) for word in words])


def test_seeds_become_one_row_whatever_their_directories_are_called(tmp_path):
    for seed, f1 in enumerate((0.90, 0.92, 0.97)):
        write_run(tmp_path, seed=seed, f1=f1).rename(tmp_path / f"x{seed}")
    (table,) = load([tmp_path])
    (row,) = table.rows
    assert (table.task, table.data_name, table.split) == ("ner", "newsroom", "test")
    assert row.seeds == (0, 1, 2)
    assert row.scores["f1"].mean == pytest.approx(0.93)
    # n − 1: √((0.03² + 0.01² + 0.04²) / 2)
    assert row.scores["f1"].deviation == pytest.approx(0.0013**0.5)
    assert (row.seconds, row.peak_mib, row.saved_mib) == (61.0, 101.0, 1.0)
    assert "evaluation seconds" not in tables.markdown(table)
    assert row.command == "python train.py --task ner --strategy lora"


def test_evaluation_has_columns_where_a_run_has_counted_it(tmp_path):
    for seed in (0, 1):
        counted = {"evaluation_seconds": 8.0 + seed, "evaluation_examples_per_second": 200.0}
        write_run(tmp_path, "full--new", seed=seed, options=" --epochs 9", **counted)
    (table,) = load([tmp_path])
    assert "peak MiB | evaluation seconds | evaluated/s |" in tables.markdown(table)
    write_run(tmp_path, "full--old")
    (table,) = load([tmp_path])
    head, *rows = tables.cells(table)
    place = head.index("evaluation seconds")
    assert sorted(row[place : place + 2] for row in rows) == [["-", "-"], ["8", "200"]]


@pytest.mark.parametrize(
    ("values", "text"),
    [([0.93, 0.932], ".931 ± .001"), ([0.5], ".500"), ([1.0, 1.0], "1.000 ± .000")],
)
def test_spread_as_text(values, text):
    assert str(tables.Spread.of(values)) == text


def test_options_in_short():
    command = (
        "python train.py --task ner --data my/data --strategy lora --seed 3 --model ai/bert "
        "--epochs 9 --no-strategy.norms --strategy.r 16 --task.max-length 64"
    )
    shown = ("model bert", "epochs 9", "no norms", "r 16", "max-length 64")
    assert in_short(options_of(command)) == shown


def test_rows_tables_and_their_order(tmp_path):
    write_run(tmp_path, "lora--a")
    write_run(tmp_path, "lora--b", options=" --strategy.r 16", trainable_parameters=2000)
    write_run(tmp_path, "lora--c", options=" --data other", data="other", data_name="other")
    first, second = load([tmp_path])
    assert [row.label for row in first.rows] == ["lora (r 16)", "lora"]
    assert (second.data_name, len(second.rows)) == ("other", 1)


def test_the_same_run_twice_counts_once(tmp_path):
    write_run(tmp_path / "runs")
    write_run(tmp_path / "runs" / "reference")
    (table,) = load([tmp_path, tmp_path / "runs"])
    assert table.rows[0].seeds == (0,)


def test_two_runs_of_one_seed_are_refused(tmp_path):
    write_run(tmp_path / "a", f1=0.8)
    write_run(tmp_path / "b", f1=0.9)
    with pytest.raises(ValueError, match="one configuration and one seed"):
        load([tmp_path])


@pytest.mark.parametrize("changes", [{"data_fingerprint": "4567"}, {"train_examples": 70}])
@pytest.mark.parametrize("name", ["lora--abc", "lora--other"])
def test_different_data_are_refused(tmp_path, changes, name):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, name, seed=1, **changes)
    with pytest.raises(ValueError, match=next(iter(changes))):
        load([tmp_path])


def test_smaller_training_sets_have_a_table_of_their_own(tmp_path):
    write_run(tmp_path, "lora--whole")
    for size in (1000, 300):
        small = {"options": f" --train-size {size}", "train_examples": size}
        for seed in (0, 1):  # every seed has a training split of its own
            fingerprint = f"of seed {seed}"
            write_run(tmp_path, f"lora--{size}", seed, data_fingerprint=fingerprint, **small)
    whole, small = load([tmp_path])
    assert [row.seeds for row in whole.rows] == [(0,)]
    assert [row.label for row in small.rows] == ["lora (train-size 300)", "lora (train-size 1000)"]
    assert [row.seeds for row in small.rows] == [(0, 1), (0, 1)]
    assert (whole.title, small.title) == (
        "ner on newsroom",
        "ner on newsroom, smaller training sets",
    )


def test_what_needs_no_model_stands_below_the_rows(tmp_path):
    for seed, of_seed in enumerate((0.3, 0.5)):
        lead = {"precision": of_seed, "recall": 0.2, "f1": 0.25, "loss": 9.0}
        write_run(tmp_path, seed=seed, baselines={"test": {"lead-7": lead}, "validation": {}})
    (table,) = load([tmp_path])
    *_, last = tables.cells(table)
    assert last == [
        "no model: lead-7",
        "-",
        ".400 ± .141",
        ".200 ± .000",
        ".250 ± .000",
        *["-"] * 5,
    ]
    assert "| no model: lead-7 | - | .400 ± .141 |" in tables.markdown(table)


def test_equal_baselines_have_no_deviation(tmp_path):
    majority = {"precision": 0.3, "recall": 0.2, "f1": 0.25}
    for seed in (0, 1):
        write_run(tmp_path, seed=seed, baselines={"test": {"majority": majority}})
    (table,) = load([tmp_path])
    assert tables.cells(table)[-1][:5] == ["no model: majority", "-", ".300", ".200", ".250"]


def test_several_tasks_together_show_what_decides_for_each(tmp_path):
    scores = {"mean": 0.6, "classification/accuracy": 0.8, "classification/f1_macro": 0.7}
    scores |= {"ner/f1": 0.5, "ner/PER/f1": 0.4, "loss": 1.0}
    write_run(tmp_path, task="multitask", metric="mean", scores={"test": scores})
    (table,) = load([tmp_path])
    assert list(table.rows[0].scores) == ["mean", "classification/f1_macro", "ner/f1"]


def test_one_task_with_two_metrics_is_two_tables(tmp_path):
    write_run(tmp_path, "full--a", task="instruction")
    scores = {"test": {"accuracy": 0.5, "f1_macro": 0.4}}
    write_run(tmp_path, "full--b", task="instruction", metric="f1_macro", scores=scores)
    titles = [table.title for table in load([tmp_path])]
    assert titles == ["instruction on newsroom, by f1", "instruction on newsroom, by f1_macro"]


def test_without_a_test_split_the_head_says_so(tmp_path):
    scores = {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    write_run(tmp_path, scores={"validation": scores})
    (table,) = load([tmp_path])
    assert table.split == "validation"
    assert "no test split" in tables.markdown(table)


def test_a_table_names_the_devices_of_its_runs(tmp_path):
    write_run(tmp_path, "lora--a", device_name="GPU One")
    write_run(tmp_path, "lora--b", options=" --epochs 1")
    (table,) = load([tmp_path])
    assert "Measured on: GPU One, cpu." in tables.markdown(table)
    head, *rows = tables.cells(table)
    assert head[-1] == "device"
    assert {row[-1] for row in rows} == {"GPU One", "cpu"}


def test_reference_runs_count_only_where_they_are_named(tmp_path):
    write_run(tmp_path, "lora--a")
    write_run(tmp_path / "reference", "lora--b", options=" --epochs 1")
    assert [len(table.rows) for table in load([tmp_path])] == [1]
    assert [len(table.rows) for table in load([tmp_path / "reference"])] == [1]
    assert [len(t.rows) for t in load([tmp_path, tmp_path / "reference"])] == [2]


def test_markdown_is_a_table_with_commands(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, seed=seed)
    lines = tables.markdown(load([tmp_path])[0]).splitlines()
    bars = [line.count("|") for line in lines if line.startswith("|")]
    assert len(bars) == 3
    assert len(set(bars)) == 1
    assert lines[-1] == "- lora: `python train.py --task ner --strategy lora` with `--seed` 0, 1"


def test_plain_columns_stand_below_each_other(tmp_path):
    write_run(tmp_path, "lora--a")
    write_run(tmp_path, "lora--b", options=" --strategy.r 16")
    head, *rows = tables.plain(load([tmp_path])[0]).splitlines()[3:6]
    assert {len(row) for row in rows} == {len(head)}


def test_update_replaces_what_stands_between_the_markers(tmp_path, capsys):
    write_run(tmp_path / "runs")
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        assert main("tables", tmp_path / "runs", "--update", readme) == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{tables.BEGIN}\n### ner on newsroom")
    assert text.endswith(f"{tables.END}\nafter\n")
    assert "old" not in text
    assert text.count("### ") == 1


@pytest.mark.parametrize("text", ["", tables.BEGIN, f"{tables.END} {tables.BEGIN}"])
def test_update_needs_both_markers(tmp_path, capsys, text):
    write_run(tmp_path / "runs")
    readme = tmp_path / "README.md"
    readme.write_text(text)
    assert main("tables", tmp_path / "runs", "--update", readme) == 2
    assert tables.BEGIN in capsys.readouterr().err
    assert readme.read_text() == text


def test_unfinished_runs_are_named_and_left_out(tmp_path, capsys):
    write_run(tmp_path)
    unfinished = write_run(tmp_path, seed=1)
    (unfinished / "result.json").unlink()
    assert main("tables", tmp_path) == 0
    shown = capsys.readouterr()
    assert unfinished.name in shown.err
    assert "--seed 0\n" in shown.out
    assert main("tables", unfinished) == 2


@pytest.mark.parametrize("name", ["tables", "compare", "transfer", "abilities", "calibration"])
def test_broken_runs_are_all_named_at_once(name, tmp_path, capsys):
    """D9i: with five broken runs of five hundred, it took five calls to know them."""
    torn, bare, odd = (write_run(tmp_path, seed=seed) for seed in (1, 2, 3))
    (torn / "result.json").write_text('{"command":')
    (bare / "env.json").write_text("{}")
    (odd / "result.json").write_text('{"command": 7}')
    out = ["--out", tmp_path / "a.png"] if name == "compare" else []
    assert main(name, tmp_path, *out) == 2
    error = capsys.readouterr().err
    for path in (torn / "result.json", bare / "env.json", odd / "result.json"):
        assert str(path) in error
    assert "3 of 3 finished runs are broken" in error


def test_what_is_not_broken_is_shown(tmp_path, capsys):
    write_run(tmp_path)
    bare, part = write_run(tmp_path, seed=1), write_run(tmp_path, "x", options=" --epochs 9")
    (bare / "env.json").write_text("{}")
    result = json.loads((part / "result.json").read_text())
    (part / "result.json").write_text(json.dumps(result | {"scores": {"test": {"f1": 1}}}))
    picture = tmp_path / "a.png"
    for words in (("tables", tmp_path), ("compare", tmp_path, "--out", picture)):
        assert main(*words) == 2
        shown = capsys.readouterr()
        assert f"left out, broken: {bare / 'env.json'} has no device" in shown.err
        assert f"{part / 'result.json'} has no precision of test" in shown.err
        assert shown.err.endswith("repeat them or give other directories\n")
        assert "2 of 3 finished runs are broken" in shown.err
        assert "lora" in shown.out or picture.is_file()
    readme = tmp_path / "README.md"
    readme.write_text(f"{tables.BEGIN}\n{tables.END}")
    assert main("tables", tmp_path, "--update", readme) == 2
    assert "| lora | 1 |" in readme.read_text()


def test_bad_input_is_answered_in_words(tmp_path, capsys):
    for words, answer in (
        (("tables", tmp_path / "nowhere"), "there is no directory"),
        (("tables", tmp_path), "no finished run"),
        (("tabels", tmp_path), "Did you mean 'tables'?"),
    ):
        assert main(*words) == 2
        assert answer in capsys.readouterr().err


def test_a_result_without_command_says_what_to_do(tmp_path, capsys):
    folder = write_run(tmp_path)
    (folder / "result.json").write_text("{}")
    assert main("tables", tmp_path) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_help_lists_every_analysis(capsys, words):
    assert main(*words) == 0
    shown = capsys.readouterr().out
    for name in command_line.ANALYSES:
        assert f"  {name} " in shown
    lines = shown.splitlines()[3:]
    starts = {line.index(line[2:].split(maxsplit=1)[1]) for line in lines}
    assert len(starts) == 1  # what they say stands in one column


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": "make coffee"}, "no command of train.py"),
        ({"command": "python train.py 'ner"}, "no command of train.py"),
        ({"command": "python train.py ner --task"}, "no command of train.py"),
        ({"total_parameters": 0}, "more than 0 parameters"),
        ({"scores": {}}, "scores of neither validation nor test"),
        ({"scores": {"x": {"precision": 1, "recall": 1, "f1": 1}}}, "of neither validation nor"),
        ({"scores": {"test": {"f1": 1}}}, "no precision of test in its scores"),
        ({"task": None}, "task must be a str"),
    ],
)
def test_a_result_that_no_run_wrote_is_named(changes, message, tmp_path, capsys):
    folder = write_run(tmp_path, **changes)
    assert main("tables", tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(folder / "result.json") in error


def test_a_run_without_a_device_is_named(tmp_path, capsys):
    folder = write_run(tmp_path)
    (folder / "env.json").write_text("{}")
    assert main("tables", tmp_path) == 2
    assert f"{folder / 'env.json'} has no device; leave this run out" in capsys.readouterr().err
