"""Made-up pose files in the form of MMAct's challenge, and people who walk through an image."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from datasets.skeletons.joints import COCO

FIGURE = np.random.default_rng(0).uniform(0, 1, (len(COCO.names), 2)) * (60, 200)


def walking(start: float, step: float, frames: int = 30, confidence: float = 0.9) -> np.ndarray:
    """(S, 17, 3): somebody 200 pixels high who goes so many pixels to the right from frame to frame."""
    at = start + step * np.arange(frames)
    places = FIGURE + np.stack([at, np.full(frames, 100.0)], axis=1)[:, None]
    return np.concatenate([places, np.full((frames, len(FIGURE), 1), confidence)], axis=2)


def frames_of(*people: np.ndarray) -> list[list[list[float]]]:
    """Of each frame the 51 numbers of the people in it; who is NaN there isn't."""
    return [[p.ravel().tolist() for p in frame if not np.isnan(p).any()] for frame in zip(*people, strict=True)]


def challenge(frames: list[list[list[float]]]) -> dict[str, Any]:
    """In the challenge's form, with a second person in every frame, who may be nobody."""
    none = [0.0] * 51
    return {
        str(number): {"person1": (people or [none])[0], "person2": [*people, [], []][1]}
        for number, people in enumerate(frames, 1)
    }


def put(file: Path, *people: np.ndarray) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(challenge(frames_of(*people))))
    return file


def put_beside(folder: Path, parent: str = "pose/cross_view/trainval") -> list[Path]:
    """One for each of the videos below trimmed/, by its class and its place among them."""
    films = sorted((folder / "trimmed").rglob("*.mp4"))
    names = sorted({film.stem.casefold() for film in films})
    found = []
    for number, film in enumerate(films):
        file = folder / parent / film.relative_to(folder / "trimmed").with_suffix(".json")
        found.append(put(file, walking(50 + number, 4 * names.index(film.stem.casefold()), frames=40 + number)))
    return found
