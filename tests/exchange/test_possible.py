"""What is said before training of where a run can go is what `tl.checkpoint export` then does."""

import json

import pytest
from running import trained
from tiny import save_model, save_sentiment, save_tagged, sentiment_records, write_splits

import train
from tl.checkpoint.__main__ import main

BOTH, NONE = {"transformers": True, "PEFT": True}, {"transformers": False, "PEFT": False}
WHOLE = {"transformers": True, "PEFT": False}
CASES = {
    "mean": ("bert", ["classification", "--strategy", "lora"], NONE),
    "cls": ("bert", ["classification", "--strategy", "lora", "--task.pool", "cls"], BOTH),
    "mix": ("bert", ["ner", "--strategy", "feature_extraction", "--strategy.states", "mix"], NONE),
    "words": ("gpt2", ["instruction", "--strategy", "ia3", "--task.max-length", "48"], WHOLE),
    "fused": ("gpt2", ["ner", "--strategy", "lora"], WHOLE),
}


@pytest.mark.parametrize("case", CASES)
def test_a_dry_run_and_the_end_of_a_run_say_what_an_export_does(case, tmp_path, capsys):
    family, (task, *words), expected = CASES[case]
    save = save_tagged if task == "ner" else save_sentiment
    model = save_model(tmp_path / "model", family, generates=task == "instruction")
    words = ["--task", task, *words, "--data", str(save(tmp_path / "data")), "--epochs", "1"]
    words += ["--model", str(model), "--device", "cpu", "--precision", "fp32"]
    assert train.main([*words, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out.splitlines()[-1])["exports"]
    assert {tool: reason is None for tool, reason in planned.items()} == expected
    run = trained(words, tmp_path / "runs")
    at_the_end = capsys.readouterr().out
    for tool, reason in planned.items():
        (line,) = [x for x in at_the_end.splitlines() if x.startswith(f"export to {tool} ")]
        assert line.endswith("yes" if reason is None else f"no: {reason}")
        out = ["export", str(run.path), "--to", tool.lower(), str(tmp_path / tool)]
        assert main(out) == (0 if reason is None else 2)
        assert reason is None or reason in capsys.readouterr().err


def test_the_table_of_a_dry_run_has_a_line_for_each_tool(tmp_path, capsys):
    records = [{"text": r["text"], "summary": r["label"]} for r in sentiment_records(8)]
    data = write_splits(tmp_path / "data", {"train": records, "validation": records})
    model = save_model(tmp_path / "model", "t5", generates=True)
    words = ["--task", "summarization", "--strategy", "full", "--data", str(data)]
    assert train.main([*words, "--model", str(model), "--dry-run"]) == 0
    table = capsys.readouterr().out
    assert "export to transformers        yes" in table
    assert "export to PEFT                no: PEFT has no form for" in table
