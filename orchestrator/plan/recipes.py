"""The scales and the recipes that there are, as data."""

from dataclasses import replace
from typing import Any

from datasets.modalities import depth, imu, skeleton, video
from models.spec import EncoderSpec, HeadSpec
from orchestrator.plan.paper import TABLE1
from orchestrator.plan.recipe import Recipe, Scale, StageRecipe
from orchestrator.plan.spec import Optimization


def _frames(frames: int, size: int) -> dict[str, dict[str, Any]]:
    return {name: {"frames": frames, "size": size} for name in ("video", "depth")}


SCALES = {
    # To see the whole grid at work in minutes: one thread a run, so that two run side by side on two cores.
    "demo": Scale(
        _frames(8, 32), "none", {"imu": 40, "skeleton": 20, "video": 3, "depth": 3, "fusion": 4}, 10,
        {"imu": 1, "video": 1, "depth": 1}, {"imu": 0, "video": 0, "depth": 0},
    ),
    # Real recordings on two cores; epochs chosen for time, experiments/LOG.md says what a run takes.
    "laptop": Scale(
        _frames(16, 64), "none",
        # Layers on frozen encoders cost little, so these train as long as their authors'.
        {"imu": 150, "skeleton": 50, "video": 8, "depth": 8, "fusion": 10}
        | dict.fromkeys(("probe_imu", "probe_skeleton", "cmkm_classifier", "vskd_teacher"), 100),
        50,
        {"imu": 1, "video": 2, "depth": 2}, {"imu": 0, "video": 0, "depth": 0},
    ),
    # The paper's, on A40s: 64 frames at UTD-MHAD's 15 Hz hold all but the longest clips. Only GPUs can show it.
    "paper": Scale(
        _frames(64, 224), "kinetics400", {"imu": 300, "skeleton": 100, "video": 50, "depth": 50, "fusion": 50}, 100,
        {"imu": 1, "video": 4, "depth": 4}, {"imu": 0.25, "skeleton": 0.25, "video": 1, "depth": 1},
    ),
}  # fmt: skip

HEADS = {
    "imu": HeadSpec(hidden=1024),
    "video": HeadSpec(hidden=None, dropout=0.2),
    "depth": HeadSpec(hidden=None, dropout=0.2),
    "fusion": HeadSpec(hidden=512, finetuned=dict.fromkeys(("video", "depth"), ("Mixed_4c", "Mixed_5c"))),
}


def _table1(corpus: str) -> Recipe:
    """Adam at a constant rate, last epoch. The paper has no depth: it is trained as the paper trains video."""
    table = TABLE1[corpus] | {"depth": TABLE1[corpus]["video"]}
    stages = {
        name: StageRecipe(HEADS[name], Optimization(epochs=1, **given))  # pyright: ignore[reportArgumentType]
        for name, given in table.items()
    }
    return Recipe(stages=stages)


SENSOR = imu.Augmentation(rotation=24, noise=0.016, warp=0.34, crop=0.05)
PERSON = skeleton.Augmentation(rotation=10, scale=0.1, noise=0.02, warp=0.2, crop=0.1)

# Of UTD-MHAD's layout; MMAct's stand below.
RECIPES = {
    "paper": _table1("UTD-MHAD"),
    # Chosen by cross-validation on odd-even's training subjects: IMU by a search of 24 settings, video and fusion by
    # looks at some settings against the paper's, skeletons by looks and a search that ended after five settings;
    # experiments/LOG.md says which, and which nobody looked at. Of depth, from scratch, four convolutions that keep the
    # averages over 36 parts of a clip apart have 185 of 215 clips of two folds; S3D has 173 and takes longer.
    "tuned": Recipe(
        inputs={
            "imu": imu.Settings(resampled=128),
            "video": video.Settings(crop="motion", channels="motion", spare_frames=1.5, spare_size=1.125),
            "depth": depth.Settings(channels="motion", spare_frames=1.5, spare_size=1.125),
        },
        encoders={
            "imu": EncoderSpec("cnn", {"filters": (48, 96, 144), "dropout": 0.08}),
            "skeleton": EncoderSpec("co-occurrence"),
            "video": EncoderSpec("s3d", {"precision": "bf16"}),
            "depth": EncoderSpec("thin-depth", {"parts": (4, 3, 3)}),
        },
        stages={
            "imu": StageRecipe(
                replace(HEADS["imu"], label_smoothing=0.1),
                Optimization(8e-4, 1.5e-3, 16, 1, "adam", "one-cycle"),
                {"imu": SENSOR},
                times_epochs=2 / 3,
            ),
            "skeleton": StageRecipe(
                HeadSpec(hidden=None, dropout=0.2, label_smoothing=0.1),
                Optimization(1e-3, 1e-3, 16, 1, "adamw", "one-cycle"),
                {"skeleton": PERSON},
            ),
            "video": StageRecipe(
                replace(HEADS["video"], dropout=0.5, label_smoothing=0.1),
                Optimization(2e-3, 1e-2, 16, 1, "adamw", "one-cycle"),
                {"video": video.Augmentation(video=0.3)},
                times_epochs=6,
            ),
            "depth": StageRecipe(
                replace(HEADS["depth"], dropout=0.5, label_smoothing=0.1),
                Optimization(3e-3, 1e-3, 16, 1, "adamw", "one-cycle"),
                {"depth": depth.Augmentation(crop=0.3)},
                times_epochs=6,
            ),
            # Depth's encoder stays as stage 1 left it: fused with inertial signals and skeletons it has 316 of 323
            # clips of three folds of training subjects right, and fine-tuned 311.
            "fusion": StageRecipe(
                replace(HEADS["fusion"], finetuned={"video": ("Mixed_4c", "Mixed_5c"), "depth": ()}),
                Optimization(5e-4, 1e-2, 16, 1, "adam", "one-cycle"),
                {"imu": SENSOR, "skeleton": PERSON},
                missing=0.5,
                times_epochs=2,
            ),
        },
        chosen_on=(1, 3, 5, 7),
    ),
}


def _transfer(tuned: Recipe) -> Recipe:
    """Videos and depth by I3D from Kinetics-400, whose first blocks stay frozen in every stage; the rest as tuned.

    Depth's block, views, frames, rate and epochs were chosen by looks at subjects 1 and 3 (experiments/LOG.md); video's
    are the same, unlooked at. Of a fusion one block is fine-tuned, so that the clips' outputs before it stay constants.
    """
    encoder = {"weights": "kinetics400", "frozen": "Mixed_4c"}
    how = Optimization(1e-3, 1e-2, 16, 1, "adamw", "one-cycle")
    head = HeadSpec(hidden=None, dropout=0.2, label_smoothing=0.1)
    varied = {
        "video": video.Augmentation(video=0.2, views=3),
        "depth": depth.Augmentation(crop=0.2, rotation=8, views=3),
    }
    stages = {m: StageRecipe(head, how, {m: varied[m]}, times_epochs=0.875) for m in varied}
    fusion = tuned.stage("fusion")
    stages["fusion"] = replace(fusion, head=replace(fusion.head, finetuned=dict.fromkeys(varied, ("Mixed_5c",))))
    shown = {"video": replace(tuned.inputs["video"], channels="colour")}
    shown |= {"depth": replace(tuned.inputs["depth"], channels="depth")}
    return replace(
        tuned,
        inputs=tuned.inputs | shown,
        encoders=tuned.encoders | {"video": EncoderSpec("i3d", encoder), "depth": EncoderSpec("i3d-depth", encoder)},
        stages=tuned.stages | stages,
        scaled={"laptop": _frames(32, 112)},
    )


RECIPES["transfer"] = _transfer(RECIPES["tuned"])

# For `make grid`: networks that learn the synthetic corpus in seconds. Of depth, 216 training clips, "thin" has 75.5 %
# after 15 epochs (5.5 s of a core) where S3D with a quarter of its channels has 56.0 % after 45 (36.5 s). Chosen on a
# corpus that another seed drew.
PICTURES = StageRecipe(HeadSpec(hidden=None, dropout=0.2), Optimization(3e-3, 1e-3, 16, 1, "adamw", "one-cycle"))
RECIPES["demo"] = Recipe(
    inputs={
        "imu": imu.Settings(resampled=128),
        "video": video.Settings(crop="motion", channels="motion", spare_frames=1.5, spare_size=1.125),
        "depth": depth.Settings(channels="motion", spare_frames=1.5, spare_size=1.125),
    },
    encoders={
        "video": EncoderSpec("thin"),
        "depth": EncoderSpec("thin-depth"),
        "skeleton": EncoderSpec("temporal", {"filters": (64, 64, 128)}),
    },
    stages={
        "imu": StageRecipe(
            HeadSpec(hidden=256),
            Optimization(1e-3, 1e-4, 16, 1, "adam", "one-cycle"),
            {"imu": SENSOR},
            times_epochs=5 / 8,
        ),
        "skeleton": replace(
            PICTURES,
            optimization=replace(PICTURES.optimization, lr=2e-3),
            augmentation={"skeleton": PERSON},
            times_epochs=3 / 4,
        ),
        "video": replace(PICTURES, augmentation={"video": video.Augmentation(video=0.1)}, times_epochs=10),
        "depth": replace(PICTURES, augmentation={"depth": depth.Augmentation(crop=0.1)}, times_epochs=10),
        "fusion": StageRecipe(
            replace(HEADS["fusion"], hidden=256),
            Optimization(1e-3, 1e-3, 16, 1, "adamw", "one-cycle"),
            {"imu": SENSOR, "skeleton": PERSON},
            times_epochs=15 / 4,
        ),
    },
)

# Degrees, of a skeleton within its image: the standard deviation of CMC-CMKM's -15 to 15 on MMAct.
TILT = 8.7


def _for_mmact(recipe: Recipe) -> Recipe:
    """MMAct's signals are longer and of sensors with rates of their own. Three of their channels are angles, which
    aren't turned as a vector is. Its skeletons have two axes and are turned within the image, by less than a person
    turns about the vertical. None of its scores had a say in anything."""
    signals = imu.Settings(resampled=256, rate=50)
    turned = {"imu": 0.0, "skeleton": TILT}
    stages = dict(recipe.stages)
    for name, stage in recipe.stages.items():
        varied = {m: replace(how, rotation=turned[m]) if m in turned else how for m, how in stage.augmentation.items()}
        stages[name] = replace(stage, augmentation=varied)
    return replace(recipe, inputs=recipe.inputs | {"imu": signals}, stages=stages, chosen_on=())


MMACT_RECIPES = {"paper": _table1("MMAct")} | {name: _for_mmact(RECIPES[name]) for name in RECIPES if name != "paper"}


def recipe_of(name: str, layout: str) -> Recipe:
    """The recipe of this name for a corpus of this layout.

    A corpus that the paper hasn't gets UTD-MHAD's; none of its scores had a say in it.
    """
    papers = {"utd-mhad": RECIPES, "mmact": MMACT_RECIPES}
    return papers[layout][name] if layout in papers else replace(RECIPES[name], chosen_on=())
