"""The methods that a comparison's rows stand for; a new one is a file here and a line in METHODS. No torch.

A method declares its stages as data; `orchestrator/plan/study.py` makes a run of each. Its file may also hold a network
of its own (models/README.md).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from models.parts import check, part


@dataclass(frozen=True)
class Stage:
    """What one run trains: a network over modalities with an objective, from parents by role.

    A parent is an earlier stage of the method, by name; one whose role is a modality hands over its encoder of it.
    A recipe says how a stage of this name is trained. `changes` are of the recipe, by the names that --set has, less
    the stage's own: {"model.join": "attention"}. A function makes the value of "missing" or "times_epochs" from the
    recipe's own.
    """

    name: str
    modalities: tuple[str, ...]
    objective: str = "classification"
    parents: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False
    """It stands for all stages of the paper's method: trained as stage 1 of its largest encoder is, for the epochs of
    both stages."""
    tested: tuple[str, ...] = ()
    """Those of `modalities` that its predictions depend on, where a teacher alone sees the others; default: all."""


@dataclass(frozen=True)
class Method:
    """`stages` come in an order in which parents stand before children; the last is what is tested.

    `recipe` names the recipe of `orchestrator/plan` that says how all of its stages are trained, what they read and
    with which encoders, whatever --recipe says; without one they are trained by the study's. A method of RIVALS gives
    the name of its authors' settings; `method` says which of the two it is asked for.
    """

    label: str
    stages: Callable[[Sequence[str]], tuple[Stage, ...]]
    recipe: str = ""


DEFAULT = "two-stage"
METHODS = {
    "two-stage": "models.methods.two_stage:TWO_STAGE",
    "paper": "models.methods.two_stage:PAPER",
    "one-stage": "models.methods.two_stage:ONE_STAGE",
    "frozen": "models.methods.two_stage:FROZEN",
    "all": "models.methods.two_stage:ALL",
    "concatenation": "models.methods.two_stage:CONCATENATION",
    "attention": "models.methods.two_stage:ATTENTION",
    "dropout": "models.methods.two_stage:DROPOUT",
    "attention-dropout": "models.methods.two_stage:ATTENTION_DROPOUT",
}
# Those that others published, each by its authors' settings and, with TUNED behind the name, by settings that were
# chosen on training subjects as ours were.
RIVALS = {
    "simclr-imu": "models.methods.simclr:IMU",
    "simclr-skeleton": "models.methods.simclr:SKELETON",
    "cmkm-supervised": "models.methods.cmc_cmkm:SUPERVISED",
    "cmc": "models.methods.cmc_cmkm:CMC",
    "cmc-cmkm": "models.methods.cmc_cmkm:CMC_CMKM",
    "hamlet": "models.methods.hamlet:HAMLET",
    "mumu": "models.methods.mumu:MUMU",
    "vskd-student": "models.methods.vskd:STUDENT",
    "vskd-dask": "models.methods.vskd:DASK",
}
TUNED = "-tuned"
METHODS |= {name + suffix: path for name, path in RIVALS.items() for suffix in ("", TUNED)}


def method(name: str) -> Method:
    """Raises ValueError for one that isn't there."""
    check("method", name, METHODS, "models/methods")
    found = part(METHODS[name])
    if name.removesuffix(TUNED) not in RIVALS:
        return found
    if name in RIVALS:
        return replace(found, label=f"{found.label}, its authors' settings")
    return replace(found, label=f"{found.label}, settings chosen here", recipe=found.recipe + TUNED)
