"""Nothing that is read can run code: there is no way in for a pickle with code in it."""

import ast
from pathlib import Path

import numpy as np
import pytest
from test_layers import FILES, parsed

# Of weights (torch and safetensors): tests/backbones/test_pretrained.py; of a checkpoint:
# tests/test_state.py.
RUNS_CODE = {"eval", "exec", "compile", "__import__"}


class Trap:
    """Unpickling it calls `Path.touch`."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def calls(name):
    """Calls of a file, as ("torch.load", keywords)."""
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.Call):
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            yield ast.unparse(node.func), keywords


@pytest.mark.parametrize("name", FILES)
def test_no_file_unpickles_what_can_hold_code(name):
    for function, keywords in calls(name):
        if function == "torch.load":
            assert keywords["weights_only"] == "True"
        assert keywords.get("allow_pickle", "False") == "False", f"{name}: {function}"
        assert keywords.get("trust_remote_code", "False") == "False", f"{name}: {function}"
        assert not function.startswith(("pickle.", "joblib.", "dill.", "shelve."))
        # The registry executes the class statement of our own files.
        assert function not in RUNS_CODE or name == "tl.registry", f"{name}: {function}"


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_an_array_of_objects_is_refused_and_not_run(suffix, tmp_path):
    """What `np.load` does where it is not asked for more: so analysis reads predictions."""
    path = tmp_path / f"test.{suffix}"
    trap = np.array([Trap(tmp_path / "was run")], dtype=object)
    if suffix == "npz":
        np.savez(path, logits=trap)
    else:
        np.save(path, trap)
    with pytest.raises(ValueError, match="allow_pickle"):
        np.load(path)["logits"]
    assert not (tmp_path / "was run").exists()
