"""Say whether a run can be exported, to transformers and to PEFT, before it is trained."""

from tl.build import Setup
from tl.exchange import peft, plain, plain_generator


def exports(setup: Setup) -> dict[str, str | None]:
    """For each tool that `tl.checkpoint export` writes for: None, or why it cannot.

    Args:
        setup: with weights, or on the meta device.
    """
    in_full = plain_generator if setup.task.generates else plain
    return {"transformers": _reason(in_full, setup), "PEFT": _reason(peft, setup)}


def _reason(form: object, setup: Setup) -> str | None:
    try:
        form.check(setup)
    except ValueError as error:
        return str(error)
    return None
