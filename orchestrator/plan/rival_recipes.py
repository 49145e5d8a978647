"""How the methods that others published are trained: recipes that `models.methods.Method.recipe` names, as data.

Each states everything that its stages need: what they read, with which encoders, and how each stage is trained. A
number of epochs is given as how many times the scale's `other_epochs` it is, which are 100 at `paper` scale.
"""

from dataclasses import replace

from datasets.modalities import depth, imu, skeleton, video
from models.spec import EncoderSpec, HeadSpec
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
            stages[name] = replace(stages[name], head=_projected(heat), optimization=_adam(batch))
    encoders = dict(recipe.encoders)
    if encoders["imu"].name == "gramian-resnet18":
        encoders["imu"] = EncoderSpec("gramian-resnet18", {"first": 3})
    inputs = recipe.inputs | {"imu": replace(recipe.inputs["imu"], rate=50)}
    return replace(recipe, inputs=inputs, encoders=encoders, stages=stages)


MMACT_RECIPES = {name: _for_mmact(recipe) for name, recipe in RECIPES.items()}


def rival_recipe(name: str, layout: str) -> Recipe:
    """The recipe of this name for a corpus of this layout; a corpus that neither paper has gets UTD-MHAD's."""
    found = MMACT_RECIPES if layout == "mmact" else RECIPES
    return found[name] if name in found else recipe_of(name, layout)
