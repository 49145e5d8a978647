"""The order of a plan's runs: which is released next, when its parents are done and it fits beside what is running."""

from dataclasses import dataclass, field

from models.encoders import ENCODERS
from orchestrator.plan.plan import Plan
from orchestrator.plan.spec import RunSpec


@dataclass(frozen=True)
class Need:
    """CPUs and GPUs a run takes from the cluster, all workers and its data tasks together."""

    cpus: float
    gpus: float

    def fits(self, cpus: float, gpus: float) -> bool:
        return self.cpus <= cpus + 1e-6 and self.gpus <= gpus + 1e-6


@dataclass
class Schedule:
    """Which run of a plan is next. Pure: knows neither Ray nor time."""

    plan: Plan
    needs: dict[str, Need]
    cpus: float
    gpus: float
    concurrency: int | None = None
    done: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.order = [key for key in by_urgency(self.plan) if key not in self.done]

    def next(self) -> str | None:
        """The most urgent run whose parents are done, if it fits; a smaller one never overtakes it, so none starves."""
        ready = [key for key in self.order if self.done.issuperset(self.plan.parents(key))]
        if not ready or (self.concurrency and len(self.running) >= self.concurrency):
            return None
        taken = [self.needs[key] for key in self.running]
        free = self.cpus - sum(n.cpus for n in taken), self.gpus - sum(n.gpus for n in taken)
        if not self.needs[ready[0]].fits(*free):
            return None
        self.order.remove(ready[0])
        self.running.add(ready[0])
        return ready[0]

    def again(self, key: str) -> None:
        """One whose trial was lost comes next."""
        self.running.discard(key)
        self.order.insert(0, key)

    def ended(self, key: str, done: bool) -> None:
        """Of a run that failed, all that descends from it is skipped."""
        self.running.discard(key)
        if done:
            self.done.add(key)
            return
        self.failed.add(key)
        lost = {key}
        for other in list(self.order):
            missing = lost.intersection(self.plan.parents(other))
            if missing:
                lost.add(other)
                self.order.remove(other)
                names = ", ".join(f"{self.plan.runs[m].name} ({m})" for m in sorted(missing))
                self.skipped[other] = f"needs {names}, which didn't end well"

    @property
    def finished(self) -> bool:
        return not self.order and not self.running


def by_urgency(plan: Plan) -> list[str]:
    """Runs whose work lies behind many clip-epochs first, parents always before children."""
    children = plan.children()
    ahead: dict[str, float] = {}
    for key in reversed(list(plan.runs)):
        spec = plan.runs[key]
        own = seconds_a_clip(spec) * spec.optimization.epochs * spec.data.ratio
        ahead[key] = own + max((ahead[child] for child in children[key]), default=0.0)
    return sorted(plan.runs, key=lambda key: (plan.runs[key].seed, -ahead[key]))


def seconds_a_clip(spec: RunSpec) -> float:
    """An estimate, never measured: of a training step at `paper` scale on one A40; what was trained costs half."""
    each = sum(ENCODERS[encoder.name].seconds for encoder in spec.network.encoders.values())
    return each / 2 if spec.parents else each
