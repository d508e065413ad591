"""Progress bars: seen in every terminal, and in no log."""

import os
import pty
import subprocess
import sys

import pytest
from adapted import examples
from test_loop import HELD_OUT, setup_of

from analysis import everything
from tl import bars
from tl.evaluate import evaluate
from tl.runs import Run

LOOP = "from tl.bars import bar\nfor _ in bar(range(3), 'a loop'): pass\n"


def in_terminal(code):
    """What a program writes to the stderr of a pseudo-terminal, which has 0 columns and 0 lines."""
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True)
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:  # that is how the end of a terminal looks
            os.close(ours)
            return said.decode()


def test_a_bar_is_seen_in_a_terminal_that_does_not_know_its_size():
    said = in_terminal(LOOP)
    assert "a loop" in said
    assert "0/3" in said
    assert max(map(len, said.split("\r"))) < bars.COLUMNS


def test_a_log_has_no_bar():
    answer = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, check=True)
    assert answer.stderr == b""


def test_an_evaluation_has_a_bar(monkeypatch, capsys):
    setup = setup_of()
    made = examples(setup.task, HELD_OUT)
    evaluate(setup, made, "test")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv(bars.PASSED_ON, "60")
    evaluate(setup, made, "test")
    assert "test:" in capsys.readouterr().err


def test_the_bars_of_a_dump_are_passed_on_and_its_error_is_kept(tmp_path, monkeypatch, capsys):
    script = tmp_path / "eval.py"
    root = str(everything.EVAL.parent)
    script.write_text(
        f"import sys\nsys.path.insert(0, {root!r})\n{LOOP}sys.exit('eval.py: error: no states')\n"
    )
    monkeypatch.setattr(everything, "EVAL", script)
    for columns in ("", "60"):
        monkeypatch.setenv(bars.PASSED_ON, columns)
        with pytest.raises(ValueError, match=r"no hidden of .*: no states$"):
            everything.dump(Run(tmp_path), "hidden", [])
        assert ("a loop" in capsys.readouterr().err) == bool(columns)
