"""Plan: the cells of the tables and figures, each pointing at a run, and the runs behind them, each once. No ray."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.plan.spec import MODALITIES, Modality, RunSpec

EXPERIMENTS = ("modalities", "ratio", "zero_shot", "stages", "fusions")


@dataclass(frozen=True)
class Cell:
    """One number: which experiment it belongs to, what was trained, and the key of the run that gives it."""

    experiment: str
    model: Modality
    ratio: float
    hidden_imu: tuple[int, ...]
    hidden_video: tuple[int, ...]
    seed: int
    key: str
    protocol: str = "odd-even"  # of several folds the one it is of
    variant: str = ""  # of the fusion, as in orchestrator/plan/variants.py; "" is the paper's


@dataclass(frozen=True)
class Plan:
    """`runs` is in an order in which parents come before children."""

    name: str
    cells: tuple[Cell, ...]
    runs: Mapping[str, RunSpec]

    @staticmethod
    def of(name: str, cells: Iterable[Cell], runs: Mapping[str, RunSpec], only: Sequence[str] = ()) -> "Plan":
        """The cells that `only` asks for and the runs they stand on."""
        cells = tuple(cell for cell in cells if matches(cell, only))
        needed: dict[str, RunSpec] = {}

        def need(key: str) -> None:
            for _, parent in runs[key].parents:
                need(parent)
            needed.setdefault(key, runs[key])

        for cell in cells:
            need(cell.key)
        return Plan(name, cells, needed)

    def parents(self, key: str) -> tuple[str, ...]:
        return tuple(parent for _, parent in self.runs[key].parents)

    def children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {key: [] for key in self.runs}
        for key in self.runs:
            for parent in self.parents(key):
                children.setdefault(parent, []).append(key)
        return children

    def stages_without_sharing(self) -> int:
        """Trainings that a script for each distinct result takes: its own and, for a fusion, its two stage 1s."""
        return sum(1 + len(self.parents(key)) for key in {cell.key for cell in self.cells})


def matches(cell: Cell, only: Sequence[str]) -> bool:
    """One of the named experiments and one of the named models; a kind not named restricts nothing."""
    unknown = [word for word in only if word not in (*EXPERIMENTS, *MODALITIES)]
    if unknown:
        raise ValueError(f"--only {' '.join(unknown)}: choose from {', '.join((*EXPERIMENTS, *MODALITIES))}.")
    experiments = [word for word in only if word in EXPERIMENTS] or EXPERIMENTS
    models = [word for word in only if word in MODALITIES] or MODALITIES
    return cell.experiment in experiments and cell.model in models
