"""What a task is asked for by a tool."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class TestOptions:
    """What a test is asked for besides its metrics.

    Args:
        config: Config file, for messages.
        out: File for the predictions; None for none.
        show_dir: Folder for pictures; None for none.
        scratch: Folder that is deleted after the test.
    """

    __test__ = False  # no class of tests, for pytest

    config: str
    out: str | None
    show_dir: str | None
    scratch: str


@dataclass
class InferOptions:
    """What :func:`projects.core.engine.infer` is asked for.

    Args:
        checkpoint: Its file, for messages.
        out_dir: Folder to write to; None for the task's own.
        score_thr: Least score of what is drawn.
        batch_size: Inputs that go through the model together.
        writing: How a text is written or a sample made, as far as the user said so;
            arguments of :func:`projects.core.engine.infer` by name.
    """

    checkpoint: str
    out_dir: str | None
    score_thr: float
    batch_size: int
    writing: dict[str, Any] = field(default_factory=dict)


@dataclass
class LookOptions:
    """What a look inside a model on one input is asked for.

    Args:
        checkpoint: Its file, for messages.
        class_: Name or number of the class to explain; None for the likeliest.
        detection: Number of the detection to explain, from 0, the surest; None for
            the surest ones.
    """

    checkpoint: str
    class_: str | int | None = None
    detection: int | None = None
