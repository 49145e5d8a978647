"""Study: what all runs of a plan share (corpus, protocol, scale, recipe), and the cells and runs one can ask of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from datasets import corpora, modalities, splits
from datasets.manifest import Manifest
from models.encoders import ENCODERS
from models.methods import DEFAULT, Stage, method
from models.spec import EncoderSpec, NetworkSpec
from orchestrator.plan import overrides
from orchestrator.plan.plan import Cell
from orchestrator.plan.recipe import Recipe, Scale
from orchestrator.plan.recipes import SCALES, recipe_of
from orchestrator.plan.rival_recipes import rival_recipe
from orchestrator.plan.spec import DataSpec, RunSpec

Hidden = Mapping[str, Sequence[int]]


@dataclass
class Outline:
    """A study before its recordings are read: which modalities each cell takes, and nothing of their runs."""

    modalities: tuple[str, ...]
    also: tuple[str, ...] = ()

    def hidden(self, count: int, seed: int) -> tuple[int, ...]:
        return tuple(range(count))

    def cell(
        self, experiment: str, read: str | Sequence[str], seed: int, *, ratio: float = 1.0,
        hidden: Hidden | None = None, method: str = DEFAULT,
    ) -> Cell:  # fmt: skip
        stages = stages_of(method, read)
        return _cell(experiment, stages[-1], seed, ratio, hidden, method, "", "")


@dataclass
class Study:
    """`runs` collects the specs behind every cell asked for, each once."""

    manifest: Manifest
    scale: str
    recipe: str
    protocol: str = "odd-even"
    modalities: tuple[str, ...] = ()
    """That its experiments are about; of those that the Manifest lacks no cell is to be trained."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """What encoders start from by backbone, and "" for every other one; default: the recipe's, or else the scale's."""
    workers: Mapping[str, int] = field(default_factory=dict)
    given_gpus: Mapping[str, float] = field(default_factory=dict)
    runs: dict[str, RunSpec] = field(default_factory=dict)
    set: Mapping[str, Any] = field(default_factory=dict)
    """What of the recipe is otherwise, as in `orchestrator/plan/overrides.py`. Of a recipe that is a method's own it
    changes how stages are trained, not what they read, nor with which encoders."""
    also: tuple[str, ...] = ()
    """Other modalities, of which its Table 2 alone has rows."""

    def __post_init__(self) -> None:
        self.modalities = self.modalities or self.manifest.modalities

    @cached_property
    def recipe_used(self) -> Recipe:
        return overrides.apply(recipe_of(self.recipe, self.manifest.layout), self.set)

    @property
    def scaled(self) -> Scale:
        return SCALES[self.scale]

    @property
    def training_clips(self) -> int:
        """Of the protocol's first fold, with all of the training data."""
        return len(splits.split(self.manifest, splits.folds(self.manifest, self.protocol)[0])[0])

    @property
    def recipe_name(self) -> str:
        """With what was set otherwise: "tuned, STAGE.times_epochs 2"."""
        return ", ".join([self.recipe, *(f"{name} {value}" for name, value in self.set.items())])

    @property
    def gpus(self) -> dict[str, float]:
        """GPUs of a worker of each stage; decides where runs lie, never what they give."""
        found: dict[str, float] = {}
        for spec in self.runs.values():
            share = self.given_gpus.get(spec.stage, self.scaled.gpus_of(spec.modalities))
            found[spec.stage] = max(share, found.get(spec.stage, 0.0))
        return found

    def folds(self) -> "list[Study]":
        """A study for each split of the protocol; they collect their runs together."""
        return [replace(self, protocol=fold) for fold in splits.folds(self.manifest, self.protocol)]

    def recipe_by(self, own: str, read: Sequence[str] = ()) -> Recipe:
        """The recipe by this name that is a method's own, of a stage on these modalities; of no name the study's."""
        if not own:
            return self.recipe_used
        recipe = rival_recipe(own, self.manifest.layout, read)
        changes = {name: value for name, value in self.set.items() if name.partition(".")[0] in recipe.stages}
        return overrides.apply(recipe, changes)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """By modality of the Manifest: what shards store of its recordings, and what networks see."""
        # What --set says of an input comes before the recipe's own of a scale, and that before the scale.
        return {name: self._input(name, self.recipe_used, set(self.set)) for name in self.manifest.modalities}

    def _input(self, name: str, recipe: Recipe, given: Collection[str] = ()) -> Any:
        """Of a modality, by a recipe and the scale; of the recipe alone what is `given`."""
        scaled = {**self.scaled.inputs.get(name, {}), **recipe.scaled.get(self.scale, {}).get(name, {})}.items()
        left = {k: value for k, value in scaled if not {k, f"{name}.{k}"} & set(given)}
        source = corpora.of(self.manifest.layout).source(name)
        longest = partial(self.manifest.longest, name)
        return modalities.of(name).input(replace(recipe.settings(name), **left), source, longest)

    def hidden(self, count: int, seed: int) -> tuple[int, ...]:
        """`count` classes of the training clips, nested draws (facts on figure 3)."""
        train, _ = splits.split(self.manifest, self.protocol)
        return splits.hidden_classes(splits.labels(self.manifest)[train], count, seed)

    def cell(
        self, experiment: str, read: str | Sequence[str], seed: int, *, ratio: float = 1.0,
        hidden: Hidden | None = None, method: str = DEFAULT,
    ) -> Cell:  # fmt: skip
        """One number of a table or figure, with the runs behind it; without a key where a modality wasn't read."""
        stages, own = stages_of(method, read), own_recipe(method)
        if not set(stages[-1].modalities) <= set(self.manifest.modalities):
            return _cell(experiment, stages[-1], seed, ratio, hidden, method, self.protocol, "")
        made: dict[str, RunSpec] = {}
        for stage in stages:
            asked = (own, repr(stage), seed, ratio, repr(hidden), *(made[name].key for name in stage.parents.values()))
            if asked not in self._asked:
                parents = {role: made[name].key for role, name in stage.parents.items()}
                starred = {m: tuple(hidden[m]) for m in stage.modalities if hidden and hidden.get(m)}
                spec = self._of_stage(stage, own)
                data = replace(spec.data, ratio=ratio, hidden=starred)
                spec = replace(spec, data=data, seed=seed, parents=parents)
                self._asked[asked] = self.runs.setdefault(spec.key, spec)
            made[stage.name] = self._asked[asked]
        return _cell(experiment, stages[-1], seed, ratio, hidden, method, self.protocol, made[stages[-1].name].key)

    @cached_property
    def _asked(self) -> dict[tuple, RunSpec]:
        """A plan asks for a stage several times: as a cell of its own and as a parent."""
        return {}

    def epochs(self, stage: str, recipe: Recipe) -> int:
        return round(self.scaled.epochs.get(stage, self.scaled.other_epochs) * recipe.stage(stage).times_epochs)

    def _encoder(self, modality: str, recipe: Recipe, given: Any) -> EncoderSpec:
        """As the recipe has it, with what the input decides and the weights that --weights or the scale start from."""
        found = recipe.encoder(modality)
        decided = modalities.of(modality).decided(given)
        changed = found.settings | {name: value for name, value in decided.items() if name in found.settings}
        if "weights" in changed:
            usual = self.scaled.weights if found.weights == "none" else found.weights
            changed["weights"] = self.weights.get(ENCODERS[found.name].backbone, self.weights.get("", usual))
        return replace(found, settings=changed)

    @cached_property
    def _stages(self) -> dict[tuple[str, str], RunSpec]:
        """A plan asks for a stage with many seeds."""
        return {}

    def _of_stage(self, stage: Stage, own: str) -> RunSpec:
        """With seed 0, all the data, nothing hidden and no parents."""
        asked = (own, repr(stage))
        if asked not in self._stages:
            self._stages[asked] = self._spec(stage, own)
        return self._stages[asked]

    def _spec(self, stage: Stage, own: str) -> RunSpec:
        read, recipe = stage.modalities, self.recipe_by(own, stage.modalities)
        inputs = {m: self._input(m, recipe) if own else self.inputs[m] for m in read}
        recipe = overrides.apply(recipe, {f"{stage.name}.{name}": v for name, v in stage.changes.items()})
        how = recipe.stage(stage.name)
        epochs, optimization, augmentation = self.epochs(stage.name, recipe), how.optimization, how.augmentation
        head = how.head.of(read)
        if stage.alone:
            largest = max(read, key=lambda m: ENCODERS[recipe.encoder(m).name].megabytes)
            first = recipe.stage(largest)
            epochs, optimization = epochs + self.epochs(largest, recipe), first.optimization
            augmentation = {m: varied for m, varied in augmentation.items() if m != largest}
            augmentation |= {m: varied for m, varied in first.augmentation.items() if m == largest}
            head = replace(head, label_smoothing=first.head.label_smoothing)
        workers = self.workers.get(stage.name, 1)
        self._check_workers(stage, workers, optimization.batch)
        return RunSpec(
            stage=stage.name,
            network=NetworkSpec({m: self._encoder(m, recipe, inputs[m]) for m in read}, head, stage.objective),
            data=DataSpec(
                recordings=self.manifest.digest_of(read),
                inputs=inputs,
                protocol=self.protocol,
            ),
            optimization=replace(optimization, epochs=epochs if optimization.epochs else 0),
            seed=0,
            augmentation={m: varied for m, varied in augmentation.items() if m in read},
            missing=how.missing,
            workers=workers,
            threads=self.scaled.threads_of(read),
        )

    def _check_workers(self, stage: Stage, workers: int, batch: int) -> None:
        """Raises ValueError."""
        if batch < 2 * workers:
            raise ValueError(f"--workers {stage.name} {workers}: a batch of {batch} gives each less than two clips.")
        share = self.given_gpus.get(stage.name, self.scaled.gpus_of(stage.modalities))
        if workers > 1 and 0 < share < 1:
            raise ValueError(
                f"{workers} workers of a {stage.name} run with {share:g} of a GPU each may lie on one GPU, where NCCL"
                f" refuses them: give each a whole one (--gpus {stage.name} 1), or take one worker."
            )


def own_recipe(name: str) -> str:
    """Of a method, the name of its own recipe; "" where it is trained by the study's."""
    return method(name).recipe


def stages_of(name: str, read: str | Sequence[str]) -> tuple[Stage, ...]:
    """Of a method on one modality or several, in alphabetical order: a network has them in that one."""
    return method(name).stages((read,) if isinstance(read, str) else tuple(sorted(read)))


def _cell(
    experiment: str, stage: Stage, seed: int, ratio: float, hidden: Hidden | None, method: str, protocol: str, key: str
) -> Cell:
    starred = {m: tuple(classes) for m, classes in (hidden or {}).items() if classes}
    model = stages_of(DEFAULT, stage.modalities)[-1].name
    return Cell(experiment, model, ratio, seed, key, stage.modalities, starred, protocol, method)
