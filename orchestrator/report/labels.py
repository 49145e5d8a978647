"""Names of what stands in the report: a row of Table 2, a line of Figure 2, a bar of Figure 3, a cell.

The word RGB names a result of ours only where the video is RGB.
"""

from typing import Any

from orchestrator.plan.variants import VARIANTS

Cell = dict[str, Any]
Results = dict[str, Any]
VARIED = {"stages": "Do two stages help", "fusions": "Ways to fuse"}  # experiments over variants of the fusion


def video_label(results: Results) -> str:
    """What stands where the paper's figures say RGB: "RGB", "Depth", "Drawn figure"."""
    return results["video"][:1].upper() + results["video"][1:]


def model_label(results: Results, model: str) -> str:
    """A row of Table 2 or a line of Figure 2."""
    video = video_label(results)
    return {"imu": "IMU only", "video": f"{video} only", "fusion": f"IMU + {video}"}[model]


def bar_label(results: Results, model: str, star: str) -> str:
    """A bar of Figure 3: the star marks the modality from which classes were hidden."""
    names = {"imu": "IMU", "video": video_label(results)}
    other = {"imu": "video", "video": "imu"}[star]
    return f"{names[star]}* + {names[other]}" if model == "fusion" else f"{names[star]}*"


def cell_label(results: Results, cell: Cell) -> str:
    """Where a cell belongs, in words: "Figure 3: IMU* + Depth, 3 hidden, seed 0"."""
    label = model_label(results, cell["model"])
    if cell["experiment"] == "modalities":
        where = f"Table 2: {label}"
    elif cell["experiment"] in VARIED:
        where = f"{VARIED[cell['experiment']]}: {VARIANTS[cell['variant']]}"
    elif cell["experiment"] == "ratio":
        where = f"Figure 2: {label}, {100 * cell['ratio']:g} % of the training data"
    else:
        star, count = starred(cell)
        where = f"Figure 3: {bar_label(results, cell['model'], star)}, {count} hidden"
    fold = fold_of(cell)
    return f"{where}, seed {cell['seed']}" + (f", subject {fold} tested" if fold else "")


def fold_of(cell: Cell) -> str:
    """The subject tested, of a protocol that tests one after the other."""
    return cell.get("protocol", "").partition("/")[2]


def starred(cell: Cell) -> tuple[str, int]:
    """The modality whose classes were hidden, and how many were."""
    star = "imu" if cell["hidden"]["imu"] else "video"
    return star, len(cell["hidden"][star])
