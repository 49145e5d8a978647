"""How the methods that others published are trained: recipes that `models.methods.Method.recipe` names, as data.

Each states everything that its stages need: what they read, with which encoders, and how each stage is trained. A
number of epochs is given as how many times the scale's `other_epochs` it is, which are 100 at `paper` scale.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from datasets.modalities import depth, imu, skeleton, video
from models.methods import TUNED
from models.spec import EncoderSpec, HeadSpec
from orchestrator.plan import overrides
from orchestrator.plan.recipe import Recipe, StageRecipe
from orchestrator.plan.recipes import TILT, recipe_of
from orchestrator.plan.spec import Optimization

# Of frames, whose encoders start with frozen blocks of I3D. The settings are those of recipe `transfer`, so that shards
# of clips serve both. Nothing varies the frames, for what the blocks make of a clip is computed once.
FRAMES = {
    "video": video.Settings(crop="motion", spare_frames=1.5, spare_size=1.125),
    "depth": depth.Settings(spare_frames=1.5, spare_size=1.125),
}
LAPTOP = {"laptop": {name: {"frames": 32, "size": 112} for name in FRAMES}}

# CMC-CMKM's of UTD-MHAD, by its code (github.com/razzu/cmc-cmkm): Adam at 1e-3, here at a constant rate. Its signals'
# noise, factors and order of axes act on channels where time was meant; these are what they are meant to be, of which
# rotation stands for another order of axes. Skeletons: the standard deviations of its ranges, crops of 80 to 90 %.
SIGNAL = imu.Augmentation(noise=0.1, scale=0.2, rotation=24, warp=0.2)
PERSON = skeleton.Augmentation(rotation=5.8, scale=0.15, noise=0.1, crop=0.2, shear=0.2)


def _adam(batch: int) -> Optimization:
    return Optimization(1e-3, 0.0, batch, 1)


def _projected(temperature: float) -> HeadSpec:
    return HeadSpec(hidden=256, temperature=temperature)


CMC_CMKM = Recipe(
    inputs={"imu": imu.Settings(resampled=50), "skeleton": skeleton.Settings(resampled=50)},
    encoders={"imu": EncoderSpec("cnn-transformer"), "skeleton": EncoderSpec("co-occurrence")},
    stages={
        "simclr_imu": StageRecipe(_projected(0.05), _adam(128), {"imu": SIGNAL}, times_epochs=3),
        "simclr_skeleton": StageRecipe(_projected(0.5), _adam(32), {"skeleton": PERSON}, times_epochs=3),
        "probe_imu": StageRecipe(HeadSpec(hidden=None), _adam(64)),
        "probe_skeleton": StageRecipe(HeadSpec(hidden=None), _adam(64)),
        "cmc": StageRecipe(_projected(0.1), _adam(64), {"imu": SIGNAL, "skeleton": PERSON}),
        "cmkm": StageRecipe(_projected(0.1), _adam(64), {"imu": SIGNAL, "skeleton": PERSON}),
        "cmkm_classifier": StageRecipe(HeadSpec(hidden=256), _adam(64)),
        "cmkm_supervised": StageRecipe(
            HeadSpec(hidden=256), _adam(64), {"skeleton": skeleton.Augmentation(crop=0.3, noise=0.01, rotation=2.9)}
        ),
    },
)

# VSKD's, by its code (github.com/jiany-ctrl/Crossmodal-KD-for-Vision-to-Sensor-HAR), without augmentation.
STUDENT = StageRecipe(HeadSpec(hidden=None), Optimization(2e-4, 1e-5, 16, 1))
VSKD = Recipe(
    inputs={"imu": imu.Settings(resampled=64)} | FRAMES,
    encoders={"imu": EncoderSpec("gramian-resnet18")} | {m: EncoderSpec(f"features-{m}") for m in FRAMES},
    stages={
        "vskd_student": STUDENT,
        "vskd_teacher": StageRecipe(HeadSpec(hidden=256), Optimization(1e-3, 5e-4, 16, 1, "sgd", "step")),
        "vskd_dask": STUDENT,
    },
    scaled=LAPTOP,
)


def _of_segments(stage: str, width: int, dropout: float, join: str) -> Recipe:
    """HAMLET's and MuMu's; models/methods says which of it are readings.

    100 epochs at `laptop` scale and 200 at `paper` scale, the least of the authors' 200 to 500: after 50 HAMLET still
    learns.
    """
    settings = {"width": width, "dropout": dropout}
    how = Optimization(3e-4, 1e-2, 16, 1, "adamw", "warm-restarts")
    return Recipe(
        inputs={"imu": imu.Settings(resampled=128), "skeleton": skeleton.Settings(resampled=64)} | FRAMES,
        encoders={m: EncoderSpec(f"segments-{m}", settings) for m in ("imu", "skeleton", *FRAMES)},
        stages={stage: StageRecipe(HeadSpec(hidden=width, join=join), how, times_epochs=2)},
        scaled=LAPTOP,
    )


RECIPES = {
    "cmc-cmkm": CMC_CMKM,
    "hamlet": _of_segments("hamlet", 256, 0.3, "hierarchical-attention"),
    "mumu": _of_segments("mumu", 128, 0.4, "guided-attention"),
    "vskd": VSKD,
}

# Of each stage what --set would say: the setting of `experiments/recipe_search.py --method` with most clips of four
# folds of odd-even's training subjects right, of those that had more than the authors' (experiments/LOG.md has all).
# Of SimCLR on skeletons none of seven had. VSKD's student is trained alike with and without a teacher. A key
# "NAME READ" has the settings of a stage that reads exactly READ; other stages have those of "NAME".
_ONE_CYCLE = {
    "optimization.schedule": "one-cycle", "optimization.lr": 1.92e-3, "optimization.weight_decay": 1.33e-3,
    "times_epochs": 1.5, "augmentation.imu.rotation": 14.4, "augmentation.imu.noise": 0.111,
    "augmentation.imu.warp": 0.326, "augmentation.imu.scale": 0.228,
}  # fmt: skip
_BOTH = _ONE_CYCLE | {
    "augmentation.skeleton.rotation": 21.4, "augmentation.skeleton.noise": 0.062, "augmentation.skeleton.warp": 0.256,
    "augmentation.skeleton.scale": 0.0867, "augmentation.skeleton.crop": 0.292,
}  # fmt: skip
_SMOOTHED = {"model.label_smoothing": 0.1}
CHOSEN: dict[str, dict[str, dict[str, Any]]] = {
    "cmc-cmkm-tuned": {
        "simclr_imu": {
            "optimization.schedule": "one-cycle", "optimization.lr": 4.34e-4, "optimization.weight_decay": 5.5e-5,
            "times_epochs": 1.5, "augmentation.rotation": 24.7, "augmentation.noise": 0.117,
            "augmentation.warp": 0.424, "augmentation.scale": 0.153,
        },
        "cmc": _BOTH,
        "cmkm": {
            "optimization.lr": 1.52e-3, "optimization.weight_decay": 3.57e-3, "times_epochs": 1.5,
            "augmentation.imu.rotation": 23.7, "augmentation.imu.noise": 0.198, "augmentation.imu.warp": 0.35,
            "augmentation.imu.scale": 0.0117, "augmentation.skeleton.rotation": 13.4,
            "augmentation.skeleton.noise": 0.0188, "augmentation.skeleton.warp": 0.376,
            "augmentation.skeleton.scale": 0.0646, "augmentation.skeleton.crop": 0.0453,
        },
        "cmkm_supervised": _BOTH | _SMOOTHED,
    },
    "hamlet-tuned": {
        "hamlet": _SMOOTHED | {
            "optimization.lr": 1.25e-4, "optimization.weight_decay": 0.0854, "times_epochs": 1.0,
            "augmentation.imu.rotation": 26.9, "augmentation.imu.noise": 0.0691, "augmentation.imu.warp": 0.591,
            "augmentation.imu.scale": 0.00862, "augmentation.skeleton.rotation": 10.6,
            "augmentation.skeleton.noise": 0.0381, "augmentation.skeleton.warp": 0.458,
            "augmentation.skeleton.scale": 0.282, "augmentation.skeleton.crop": 0.0959,
        },
    },
    "hamlet-tuned frames+skeleton": {
        "hamlet": _SMOOTHED | {
            "optimization.schedule": "one-cycle", "augmentation.skeleton.rotation": 10,
            "augmentation.skeleton.noise": 0.02, "augmentation.skeleton.warp": 0.3,
            "augmentation.skeleton.scale": 0.1, "augmentation.skeleton.crop": 0.1,
        },
    },
    "mumu-tuned": {
        "mumu": _SMOOTHED | {
            "optimization.schedule": "one-cycle", "optimization.lr": 1e-3,
            "augmentation.imu.rotation": 15, "augmentation.imu.noise": 0.1, "augmentation.imu.warp": 0.3,
            "augmentation.imu.scale": 0.1, "augmentation.skeleton.rotation": 10, "augmentation.skeleton.noise": 0.02,
            "augmentation.skeleton.warp": 0.3, "augmentation.skeleton.scale": 0.1, "augmentation.skeleton.crop": 0.1,
        },
    },
    "vskd-tuned": dict.fromkeys(("vskd_student", "vskd_dask"), _ONE_CYCLE | _SMOOTHED),
}  # fmt: skip


def _tuned(recipe: Recipe, chosen: dict[str, dict[str, Any]]) -> Recipe:
    changes = {f"{stage}.{name}": value for stage, values in chosen.items() for name, value in values.items()}
    return replace(overrides.apply(recipe, changes), chosen_on=(1, 3, 5, 7))


RECIPES |= {name: _tuned(RECIPES[name.split(TUNED)[0]], chosen) for name, chosen in CHOSEN.items()}


def _for_mmact(recipe: Recipe) -> Recipe:
    """Signals at 50 Hz, which aren't turned, for three channels are angles; skeletons are turned within the image.
    CMC-CMKM's batches and temperatures of MMAct; VSKD says nothing of which accelerometer it takes there, so it is the
    watch, as in its predecessor SAKDN."""
    turned, stages = {"imu": 0.0, "skeleton": TILT}, {}
    for name, stage in recipe.stages.items():
        varied = {m: replace(how, rotation=turned[m]) for m, how in stage.augmentation.items()}
        stages[name] = replace(stage, augmentation=varied)
    for name, batch in (("simclr_imu", 64), ("simclr_skeleton", 128), ("cmc", 128), ("cmkm", 128)):
        if name in stages:
            heat = 0.2 if name.startswith("simclr") else stages[name].head.temperature
            head = replace(stages[name].head, temperature=heat)
            how = replace(stages[name].optimization, batch=batch)
            stages[name] = replace(stages[name], head=head, optimization=how)
    encoders = dict(recipe.encoders)
    if encoders["imu"].name == "gramian-resnet18":
        encoders["imu"] = EncoderSpec("gramian-resnet18", {"first": 3})
    inputs = recipe.inputs | {"imu": replace(recipe.inputs["imu"], rate=50)}
    return replace(recipe, inputs=inputs, encoders=encoders, stages=stages)


MMACT_RECIPES = {name: _for_mmact(recipe) for name, recipe in RECIPES.items()}


def rival_recipe(name: str, layout: str, read: Sequence[str] = ()) -> Recipe:
    """The recipe of this name, of a stage that reads these modalities, for a corpus of this layout.

    A corpus that is neither UTD-MHAD nor MMAct gets UTD-MHAD's; none of its scores had a say in that.
    """
    found = MMACT_RECIPES if layout == "mmact" else RECIPES
    own = f"{name} {'+'.join(sorted('frames' if modality in FRAMES else modality for modality in read))}"
    name = own if own in found else name
    if name not in found:
        return recipe_of(name, layout)
    return found[name] if layout == "utd-mhad" else replace(found[name], chosen_on=())
