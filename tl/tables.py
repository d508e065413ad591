"""Results and plans as text: what a run prints at its end, and what TensorBoard shows."""

Rows = list[list[str]]


def aligned(rows: Rows) -> str:
    """Columns as wide as their widest cell; all but the first are right-aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(rows: Rows) -> str:
    """A Markdown table; the first row is its head, and a "|" in a name ends no column."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    head, *body = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([head, "|---" + "|---:" * (len(rows[0]) - 1) + "|", *body])


def score_rows(result: dict) -> Rows:
    """Validation and test scores beside the scores before training."""
    splits = list(result["scores"])
    rows = [["score", *(f"{split} {when}" for split in splits for when in ("before", "after"))]]
    for name in result["scores"][splits[0]]:
        row = [name]
        for split in splits:
            for scores in (result["scores_before"][split], result["scores"][split]):
                row.append(f"{scores[name]:.4f}" if name in scores else "-")
        if not name.endswith("/support"):
            rows.append(row)
    return rows


def baseline_rows(result: dict) -> Rows:
    """Scores without a model, beside those of the model, of the last split; none if unknown."""
    split = list(result["scores"])[-1]
    baselines = result["baselines"][split]
    if not baselines:
        return []
    names = list(next(iter(baselines.values())))
    every = baselines | {result["strategy"]: result["scores"][split]}
    rows = [[name, *(f"{scores[n]:.4f}" for n in names)] for name, scores in every.items()]
    return [[f"{split}, without a model", *names], *rows]


def cost_rows(result: dict) -> Rows:
    """What it cost: parameters, time, memory."""
    learning, total = result["trainable_parameters"], result["total_parameters"]
    return [
        ["learning / total parameters", f"{learning:,} / {total:,} ({learning / total:.2%})"],
        ["training time (steps only)", f"{result['train_seconds']:.1f} s"],
        ["training speed", f"{result['examples_per_second']:.0f} texts/s"],
        ["evaluation time", f"{result['evaluation_seconds']:.1f} s"],
        ["evaluation speed", f"{result['evaluation_examples_per_second']:.0f} texts/s"],
        ["peak memory", f"{result['peak_memory_mib']['total']:.0f} MiB"],
        ["saved weights", f"{result['checkpoint_bytes'] / 2**20:.2f} MiB"],
        ["best epoch", f"{result['best_epoch']} of {result['epochs']}, by validation "
         f"{result['metric']}"],
    ]  # fmt: skip


MEMORY = {  # see `tl.ledger`
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "activations": "activations",
    "copies": "copies of weights in bfloat16",
    "forward": "highest while it goes forward",
    "backward": "highest while it goes backward",
    "update": "highest while weights change",
}


def memory_rows(predicted: dict, measured: dict | None = None) -> Rows:
    """Where the memory of a step goes, in MiB, as predicted and, if it was, as measured."""
    columns = [("predicted", predicted)] + ([] if measured is None else [("measured", measured)])
    rows = [["memory of a step, in MiB", *(title for title, _ in columns)]]
    for name, what in MEMORY.items():
        cells = [f"{column[name]:.1f}" if name in column else "-" for _, column in columns]
        rows.append([what, *cells])
    return rows


def memory_of(result: dict) -> Rows:
    memory = result["peak_memory_mib"]
    return memory_rows(memory["predicted"], memory)


def result_table(result: dict) -> str:
    title = f"{result['strategy']} on {result['task']} ({result['data']}, {result['model']})"
    costs = "\n".join(f"{name:<28}  {value}" for name, value in cost_rows(result))
    tables = [aligned(rows) for rows in (score_rows(result), baseline_rows(result)) if rows]
    notes = [f"note: {note}" for note in result["notes"]]
    return "\n\n".join([title, *tables, aligned(memory_of(result)), costs, *notes])


def result_markdown(result: dict) -> str:
    costs = [["cost", "value"], *cost_rows(result)]
    tables = [score_rows(result), baseline_rows(result), memory_of(result), costs]
    return "\n\n".join([*(markdown(rows) for rows in tables if rows), *result["notes"]])


def export_lines(exports: dict) -> str:
    """Whether a run can be exported, a line for each tool; see `tl.exchange.possible`."""
    return "\n".join(
        f"{f'export to {tool}':<28}  " + ("yes" if reason is None else f"no: {reason}")
        for tool, reason in exports.items()
    )


def plan_table(plan: dict) -> str:
    """What a dry run prints: the groups, and the sums."""
    rows = [["group", "learning", "peak rate", "weight decay"]]
    for group in plan["parameter_groups"]:
        rate, decay = f"{group['lr']:.3g}", f"{group['weight_decay']:g}"
        rows.append([group["name"], f"{group['count']:,}", rate, decay])
    learning, total = plan["trainable_parameters"], plan["total_parameters"]
    texts, length = plan["batch"]
    batch = f"{texts} texts of {length} word pieces, in {plan['precision']}"
    return (
        f"{plan['strategy']} on {plan['task']} ({plan['data']}, {plan['model']})\n\n"
        f"{aligned(rows)}\n\n"
        f"{aligned(memory_rows(plan['memory_mib']))}\n\n"
        f"learning / total parameters   {learning:,} / {total:,} ({learning / total:.2%})\n"
        f"training examples             {plan['train_examples']:,}\n"
        f"optimizer steps               {plan['steps']:,}\n"
        f"memory is for                 {batch}\n"
        f"{export_lines(plan['exports'])}"
    )
