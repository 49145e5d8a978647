"""Plan: the cells of the tables and figures, each pointing at a run, and the runs behind them, each once. No ray."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasets import modalities
from models.encoders import default
from models.methods import DEFAULT
from orchestrator.plan.spec import RunSpec

EXPERIMENTS = ("modalities", "ratio", "zero_shot", "stages", "fusions", "subsets", "methods")


@dataclass(frozen=True)
class Cell:
    """One number: which experiment it belongs to, what was trained, and the key of the run that gives it.

    `model` is a modality or, of several, the name of stage 2, by whichever method. `hidden` has classes by modality.
    """

    experiment: str
    model: str
    ratio: float
    seed: int
    key: str
    modalities: tuple[str, ...]
    hidden: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    protocol: str = "odd-even"  # of several folds the one it is of
    method: str = DEFAULT


@dataclass(frozen=True)
class Plan:
    """`runs` is in an order in which parents come before children."""

    name: str
    cells: tuple[Cell, ...]
    runs: Mapping[str, RunSpec]

    @staticmethod
    def of(name: str, cells: Iterable[Cell], runs: Mapping[str, RunSpec], only: Sequence[str] = ()) -> "Plan":
        """The cells that `only` asks for and the runs they stand on."""
        cells = tuple(matching(cells, only))
        needed: dict[str, RunSpec] = {}

        def need(key: str) -> None:
            for parent in runs[key].parents.values():
                need(parent)
            needed.setdefault(key, runs[key])

        for cell in cells:
            need(cell.key)
        return Plan(name, cells, needed)

    @property
    def modalities(self) -> tuple[str, ...]:
        """All that its runs read, in alphabetical order."""
        return tuple(sorted({modality for spec in self.runs.values() for modality in spec.modalities}))

    @property
    def inputs(self) -> tuple[tuple[str, Any], ...]:
        """What its runs read, by modality; of several Inputs with the same shards the first."""
        found: dict[str, tuple[str, Any]] = {}
        for spec in self.runs.values():
            for name, given in spec.data.inputs.items():
                found.setdefault(f"{name} {modalities.of(name).stored(given)}", (name, given))
        return tuple(found.values())

    @property
    def stages(self) -> dict[str, list[RunSpec]]:
        """The runs by the name of their stage, in the plan's order."""
        found: dict[str, list[RunSpec]] = {}
        for spec in self.runs.values():
            found.setdefault(spec.stage, []).append(spec)
        return found

    def parents(self, key: str) -> tuple[str, ...]:
        return tuple(self.runs[key].parents.values())

    def children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {key: [] for key in self.runs}
        for key in self.runs:
            for parent in self.parents(key):
                children.setdefault(parent, []).append(key)
        return children

    def stages_without_sharing(self) -> int:
        """Trainings that a script for each distinct result takes: its own and those that it stands on."""
        return sum(len(self.behind(key)) for key in {cell.key for cell in self.cells})

    def behind(self, key: str) -> list[str]:
        """All that a run stands on, parents before children, and the run itself."""
        before = [above for parent in self.parents(key) for above in self.behind(parent)]
        return [*dict.fromkeys(before), key]

    def describe(self, key: str = "") -> str:
        """What its runs see, with which encoders, and for how many epochs each stage trains; of a run those behind it.

        Where runs differ in one of these it says each.
        """
        specs = [self.runs[one] for one in (self.behind(key) if key else self.runs)]
        words = dict.fromkeys(text for spec in specs for text in _inputs(spec))
        words |= dict.fromkeys(text for spec in specs for text in _encoders(spec))
        epochs: dict[str, dict[str, None]] = {}
        for spec in specs:
            if spec.optimization.epochs:
                epochs.setdefault(spec.stage, {})[str(spec.optimization.epochs)] = None
        listed = ", ".join(f"{stage} {' or '.join(counts)}" for stage, counts in epochs.items())
        return ", ".join([*filter(None, words), *([f"epochs: {listed}"] if listed else [])])


def _inputs(spec: RunSpec) -> list[str]:
    return [modalities.of(name).describe(given) for name, given in spec.data.inputs.items()]


def _encoders(spec: RunSpec) -> list[str]:
    """Those that may start from weights, with what they start from, and those that aren't a modality's usual one."""
    words = []
    for modality, encoder in spec.network.encoders.items():
        if "weights" in encoder.settings:
            start = {"none": "from scratch", "kinetics400": "from Kinetics-400"}.get(encoder.weights, "from a file")
            words.append(f"{encoder.name.upper()} {start}")
        elif encoder.name != default(modality):
            words.append(f"{modality} by {encoder.name}")
    return words


def matching(cells: Iterable[Cell], only: Sequence[str]) -> list[Cell]:
    """Those of the named experiments and of the named models; a kind that isn't named restricts nothing.

    Raises ValueError for a word that is neither.
    """
    cells = list(cells)
    models = list(dict.fromkeys(cell.model for cell in cells))
    if unknown := [word for word in only if word not in (*EXPERIMENTS, *models)]:
        raise ValueError(f"--only {' '.join(unknown)}: choose from {', '.join((*EXPERIMENTS, *models))}.")
    experiments = [word for word in only if word in EXPERIMENTS] or EXPERIMENTS
    wanted = [word for word in only if word in models] or models
    return [cell for cell in cells if cell.experiment in experiments and cell.model in wanted]
