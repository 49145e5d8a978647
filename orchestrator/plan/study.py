"""Study: what all runs of a plan share (corpus, protocol, scale, recipe), and the cells and runs one can ask of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from datasets import splits
from datasets.manifest import Manifest
from datasets.spec import Sampling
from models.spec import ImuModel, VideoModel
from orchestrator.plan import overrides
from orchestrator.plan.plan import Cell
from orchestrator.plan.recipe import Recipe, recipe_of
from orchestrator.plan.scale import SCALES
from orchestrator.plan.spec import DataSpec, Modality, RunSpec
from orchestrator.plan.variants import vary


@dataclass
class Study:
    """`runs` collects the specs behind every cell asked for, each once."""

    manifest: Manifest
    scale: str
    recipe: str
    protocol: str = "odd-even"
    weights: str | None = None
    workers: dict[Modality, int] = field(default_factory=dict)
    given_gpus: dict[Modality, float] = field(default_factory=dict)
    runs: dict[str, RunSpec] = field(default_factory=dict)
    set: Mapping[str, Any] = field(
        default_factory=dict
    )  # what of the recipe is otherwise: orchestrator/plan/overrides.py

    @cached_property
    def recipe_used(self) -> Recipe:
        return overrides.apply(recipe_of(self.recipe, self.manifest.layout), self.set)

    @property
    def training_clips(self) -> int:
        """Of the protocol's first fold, with all of the training data."""
        return len(splits.split(self.manifest, splits.folds(self.manifest, self.protocol)[0])[0])

    @property
    def recipe_name(self) -> str:
        """With what was set otherwise: "tuned, video.augmentation.video 0.2"."""
        return ", ".join([self.recipe, *(f"{name} {value}" for name, value in self.set.items())])

    @property
    def gpus(self) -> dict[Modality, float]:
        """GPUs of a worker of each kind of run; decides where runs lie, never what they give."""
        return SCALES[self.scale].gpus | self.given_gpus

    def folds(self) -> "list[Study]":
        """A study for each split of the protocol; they collect their runs together."""
        return [replace(self, protocol=fold) for fold in splits.folds(self.manifest, self.protocol)]

    @cached_property
    def sampling(self) -> Sampling:
        scale, recipe = SCALES[self.scale], self.recipe_used
        frames, size = round(scale.frames * recipe.spare_frames), round(scale.size * recipe.spare_size)
        imu = recipe.models["imu"]
        assert isinstance(imu, ImuModel)
        samples = self.manifest.samples_at(recipe.rate) if recipe.rate else self.manifest.max_samples
        return Sampling(frames, size, samples, recipe.crop, imu.channels, recipe.rate)

    def hidden(self, count: int, seed: int) -> tuple[int, ...]:
        """`count` classes of the training clips, nested draws (facts on figure 3)."""
        train, _ = splits.split(self.manifest, self.protocol)
        return splits.hidden_classes(splits.labels(self.manifest)[train], count, seed)

    def cell(
        self, experiment: str, modality: Modality, seed: int, *, ratio: float = 1.0,
        hidden_imu: Sequence[int] = (), hidden_video: Sequence[int] = (), variant: str = "",
    ) -> Cell:  # fmt: skip
        """One number of a table or figure, with the runs behind it."""
        hide: dict[Modality, tuple[int, ...]] = {"imu": tuple(hidden_imu), "video": tuple(hidden_video)}
        if modality == "fusion":
            parents: dict[Modality, RunSpec] = {m: self._run(m, seed, ratio, {m: hide[m]}) for m in ("imu", "video")}
            run = self._share(vary(self._spec("fusion", seed, ratio, hide, parents), variant, parents))
        else:
            run = self._run(modality, seed, ratio, {modality: hide[modality]})
        hidden = hide["imu"], hide["video"]
        return Cell(experiment, modality, ratio, *hidden, seed, run.key, self.protocol, variant)

    @cached_property
    def _stage1(self) -> dict[tuple, RunSpec]:
        return {}

    def _run(self, modality: Modality, seed: int, ratio: float, hide: dict) -> RunSpec:
        """Stage 1. A plan asks for each of them several times: as a cell of its own and as a parent."""
        asked = (modality, seed, ratio, hide[modality])
        if asked not in self._stage1:
            self._stage1[asked] = self._share(self._spec(modality, seed, ratio, hide))
        return self._stage1[asked]

    def _share(self, spec: RunSpec) -> RunSpec:
        """The one run there is of this spec."""
        return self.runs.setdefault(spec.key, spec)

    def _spec(self, modality: Modality, seed: int, ratio: float, hide: dict, parents: dict | None = None) -> RunSpec:
        scale, recipe, sampling = SCALES[self.scale], self.recipe_used, self.sampling
        model = recipe.models[modality]
        if isinstance(model, VideoModel):
            if self.weights and model.backbone != "s3d":
                raise ValueError(f"--weights are S3D's, and {model.backbone} is trained from scratch.")
            model = replace(model, weights=self.weights or (scale.weights if model.backbone == "s3d" else "none"))
        workers, batch = self.workers.get(modality, scale.workers[modality]), recipe.optimization[modality].batch
        if batch < 2 * workers:
            raise ValueError(f"--workers {modality} {workers}: a batch of {batch} gives each less than two clips.")
        if workers > 1 and 0 < self.gpus[modality] < 1:
            raise ValueError(
                f"{workers} workers of an {modality} run with {self.gpus[modality]:g} of a GPU each may lie on one GPU,"
                f" where NCCL refuses them: give each a whole one (--gpus {modality} 1), or take one worker."
            )
        reads_imu, reads_video = modality != "video", modality != "imu"
        return RunSpec(
            model=model,
            data=DataSpec(
                manifest=self.manifest.digest,
                protocol=self.protocol,
                ratio=ratio,
                samples=sampling.samples if reads_imu else None,
                frames=scale.frames if reads_video else None,
                size=scale.size if reads_video else None,
                resampled=recipe.resampled if reads_imu else None,
                stored_frames=sampling.frames if reads_video and sampling.frames != scale.frames else None,
                stored_size=sampling.size if reads_video and sampling.size != scale.size else None,
                crop=sampling.crop if reads_video else "frame",
                channels=recipe.channels if reads_video else "colour",
                hidden_imu=hide.get("imu", ()),
                hidden_video=hide.get("video", ()),
                rate=recipe.rate if reads_imu else None,
            ),
            optimization=replace(
                recipe.optimization[modality], epochs=round(scale.epochs[modality] * recipe.times_epochs[modality])
            ),
            seed=seed,
            augmentation=recipe.augmentation[modality],
            workers=workers,
            threads=scale.threads[modality],
            parents=tuple((m, p.key) for m, p in (parents or {}).items()),
        )
