"""Names of data are shown as they are: never as mathematics, as markup, or as the end of a cell."""

import importlib
import json
import re
import sys
import types

import numpy as np
import pytest
from made_runs import made_texts
from matplotlib.text import Text
from test_compare import row, table
from test_curves import RECORDS, RESULT
from test_curves import write_run as write_curves

from analysis import __main__ as command_line
from analysis import compare, curves
from analysis.attention import bertviz_pages
from analysis.plotting import styled
from analysis.projection import Cloud, Projection
from analysis.projection import figure as projection_figure
from analysis.text import as_code, in_markdown, markdown_table
from tl import tables as of_tensorboard
from tl.runs import write_arrays

DATA = r"$\frac{$"
CLASSES = ("$$", "cost $a^$", "$100-$200", r"\alpha|_b_")


@styled
def texts_of(figure):
    """What a figure says; it must be typeset by nobody, and drawn without an error."""
    figure.draw_without_rendering()
    found = [text for text in figure.findobj(Text) if text.get_text()]
    assert not [text.get_text() for text in found if text.get_parse_math()]
    said = "\n".join(text.get_text() for text in found)
    assert "mathdefault" not in said
    return said


def named(folder):
    """A run on data and classes with such names."""
    run = made_texts(folder)
    result = json.loads(run.result.read_text(encoding="utf-8"))
    command = f"{result['command']} --strategy.note '{DATA}'"
    run.result.write_text(
        json.dumps(result | {"data_name": DATA, "command": command, "trainable_parameters": 1})
    )
    n = 150
    for split in ("validation", "test"):
        ids = [f"{split.removeprefix('test')}text-{i}" for i in range(n)]
        logits = np.random.default_rng(len(split)).normal(size=(n, 4))
        arrays = {"ids": np.array(ids), "labels": np.arange(n) % 4,
                  "logits": logits, "label_names": np.array(CLASSES)}  # fmt: skip
        write_arrays(run.arrays("predictions", split), arrays)
    return run


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("probing", [f"label of {DATA}, mean"]),
        ("similarity", [DATA]),
        ("calibration", [DATA]),
    ],
)
def test_a_dollar_is_a_dollar_in_figures(name, expected, tmp_path, monkeypatch):
    run, drawn = named(tmp_path / "run"), []
    command = importlib.import_module(command_line.ANALYSES[name])
    save = command.save
    monkeypatch.setattr(command, "save", lambda one, path: (drawn.append(one), save(one, path)))
    assert command_line.main([name, str(run.path)]) == 0
    said = texts_of(drawn[0])
    assert all(part in said for part in expected)
    assert (run.path / "analysis" / f"{name}.png").is_file()


def test_so_it_is_of_classes_in_the_plane():
    points = np.random.default_rng(0).normal(size=(40, 2))
    clouds = tuple(Cloud(name, points, (0.1,), (0.2,)) for name in ("before", "after"))
    labels = np.arange(40) % 4
    found = Projection(f"label of {DATA}", "1", CLASSES, labels, labels, 0.25, clouds)
    said = texts_of(projection_figure([found], DATA))
    assert all(part in said for part in (f"label of {DATA}", *CLASSES))


def test_so_it_is_in_figures_of_training_and_of_many_runs(tmp_path):
    result = RESULT | {"data_name": DATA}
    assert command_line.main(["curves", str(write_curves(tmp_path / "run", result))]) == 0
    found = curves.compute(RECORDS, result)
    for drawn in (curves.figure(found), curves.layers_figure(found)):
        assert DATA in texts_of(drawn)
    panel = compare.compute(table(row("full", 9, [0.1], "model $x^$"), row("lora", 90, [0.1])))
    assert "model $x^$" in texts_of(compare.figure([panel])).replace("\n", " ")


def test_a_cell_of_markdown_holds_what_it_is_given():
    cells = ["a|b", "c\nd", "*e* `f` _g_ h_i", r"\|", "<b>", "$x^2$ [y](z) ~~w~~"]
    head, _, line = markdown_table([["name"] * 6, cells]).splitlines()
    found = re.split(r"(?<!\\)(?:\\\\)*\|", line.strip("| "))
    assert len(found) == len(cells) == head.count("name")
    shown = [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in re.split(r" (?<!\\)\| ", line[2:-2])]
    assert shown == [cell.replace("\n", " ") for cell in cells]
    assert in_markdown("f1_macro ± .01 (lr 0.001)") == "f1_macro ± .01 (lr 0.001)"
    assert as_code("python train.py --data 'a`b'") == "`` python train.py --data 'a`b' ``"
    assert as_code("python") == "`python`"


def test_a_bar_in_a_name_ends_no_column_for_tensorboard():
    assert of_tensorboard.markdown([["score"], ["A|B/f1"]]).splitlines()[-1] == r"| A\|B/f1 |"


def test_a_token_ends_no_script_of_a_page(tmp_path, monkeypatch):
    def view(layers, tokens, html_action):
        return types.SimpleNamespace(data=f"<script>{json.dumps(tokens)}</script>")

    fake = types.SimpleNamespace(head_view=view, model_view=view)
    monkeypatch.setitem(sys.modules, "bertviz", fake)
    for _, path in bertviz_pages.SCRIPTS.values():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("1")
    maps = {"after": np.full((1, 1, 2, 2), 0.5)}
    for page in bertviz_pages.pages(["</script>", "<!--"], maps, tmp_path).values():
        assert page.count("</script>") == 3 + 1  # three that are put inside, and the view's own
        assert "<!--" not in page
