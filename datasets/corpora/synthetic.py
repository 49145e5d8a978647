"""A synthetic corpus in UTD-MHAD's layout and codecs: one 3-D figure, filmed and measured.

Layout, codecs, rates and the 27 classes are those of UTD-MHAD (Chen, Jafari, Kehtarnavaz, "UTD-MHAD: a multimodal
dataset for human action recognition utilizing a depth camera and a wearable inertial sensor", ICIP 2015).
"""

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from scipy.io import savemat

from datasets.corpora.figure import Figure, Style, angles, body
from datasets.corpora.movements import MOVES
from datasets.corpora.sensors import FRAME_RATE, SIZE, frames, inertial
from datasets.corpora.utd_mhad import CLASSES
from datasets.files.atomic import read_json, remove_parts, write_whole, writing

VERSION = 1  # of the generator: raise it with every change of the written bytes
SPAWN_FROM = 24  # clips: a spawned process imports for a second or two, as long as ten clips take
FIRST_ON_THIGH = 22  # UTD-MHAD straps the sensor to the right wrist for actions 1-21, to the right thigh from 22


def figure(seed: int, action: int, subject: int, trial: int) -> Figure:
    """The clip's figure with UTD-MHAD's one sensor."""
    style, rng = Style(seed, subject, trial), np.random.default_rng([seed, 3, action, subject, trial])
    name = CLASSES[action - 1]
    joints, limbs = body(style, angles(style, MOVES[name], rng, stays=name == "stand2sit"))
    if action < FIRST_ON_THIGH:
        return Figure(style, joints, joints["wrist_R"], limbs["forearm"] * style.strap)
    return Figure(style, joints, (joints["hip_R"] + joints["knee_R"]) / 2, limbs["thigh"] * style.strap)


def _write_video(path: Path, film: Iterator[np.ndarray]) -> None:
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=FRAME_RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 600_000
        stream.codec_context.codec_tag = "XVID"
        stream.codec_context.thread_count = 1  # more threads would make the bytes depend on the machine
        for image in film:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def _header(seed: int) -> bytes:
    """The .mat file's free text (116 bytes). scipy's own holds the time of day; ours tells whose the file is."""
    return f"MATLAB 5.0 MAT-file, synthetic UTD-MHAD layout, version {VERSION}, seed {seed}".encode().ljust(116)


def _paths(folder: Path, action: int, subject: int, trial: int) -> tuple[Path, Path]:
    stem = f"a{action}_s{subject}_t{trial}"
    return folder / "RGB" / f"{stem}_color.avi", folder / "Inertial" / f"{stem}_inertial.mat"


def _write_clip(folder: Path, seed: int, clip: tuple[int, int, int]) -> None:
    video, mat = _paths(folder, *clip)
    moving, rng = figure(seed, *clip), np.random.default_rng([seed, 4, *clip])
    content = io.BytesIO()
    savemat(content, {"d_iner": inertial(moving, rng)})
    # Not waited for until it is on the disk: that takes longer than to draw the clip again.
    with writing(video, to_disk=False) as part:
        _write_video(part, frames(moving, rng))
    with writing(mat, to_disk=False) as part:
        part.write_bytes(_header(seed) + content.getvalue()[116:])


def _missing(folder: Path, seed: int, clips: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Clips still to write; ValueError where a signal is there that this corpus would not hold."""
    wanted = {_paths(folder, *clip)[1] for clip in clips}
    for mat in sorted((folder / "Inertial").glob("*.mat")):
        with mat.open("rb") as file:
            ours = file.read(116) == _header(seed)
        if mat not in wanted or not ours:
            raise ValueError(f"{folder} holds {mat.name} of another corpus: choose an empty folder or remove it first")
    return [clip for clip in clips if not all(path.exists() for path in _paths(folder, *clip))]


def each(write: Callable[..., None], folder: Path, seed: int, clips: Sequence[tuple]) -> Iterator[None]:
    """Writes the clips, in processes where that pays, and yields after each."""
    if len(clips) < SPAWN_FROM:
        yield from (write(folder, seed, clip) for clip in clips)
        return
    workers = min(len(os.sched_getaffinity(0)), len(clips))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(write, folder, seed, clip) for clip in clips]):
            yield future.result()


def write(
    folder: Path, *, subjects: int = 8, trials: int = 2, actions: int = 27, seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:  # fmt: skip
    """Writes the corpus, or what is missing of it, and returns the folder; corpus.json comes last.

    `RGB/a1_s1_t1_color.avi`: MPEG-4 part 2 (XVID), 320x240, 15 fps. `Inertial/a1_s1_t1_inertial.mat`: `d_iner`,
    float64 (T, 6), ax ay az in g with gravity, gx gy gz in deg/s, 50 Hz. Every clip depends on its own numbers and
    the seed only. `on_progress` is told (done, total). ValueError: the folder holds another corpus.
    From SPAWN_FROM clips on processes are spawned, so a script calls this under `if __name__ == "__main__"`.
    """
    about = {"name": "synthetic (UTD-MHAD layout)", "video": "drawn figure", "version": VERSION}
    about |= {"subjects": subjects, "trials": trials, "actions": actions, "seed": seed}
    label = folder / "corpus.json"
    if label.exists():
        found = read_json(label)
        if found != about:
            raise ValueError(f"{folder} holds {found}, not {about}: choose another folder or remove this one first")
        return folder
    for name in ("RGB", "Inertial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        remove_parts(folder / name)
    clips = list(product(range(1, actions + 1), range(1, subjects + 1), range(1, trials + 1)))
    missing = _missing(folder, seed, clips)
    for done, _ in enumerate(each(_write_clip, folder, seed, missing), start=len(clips) - len(missing) + 1):
        if on_progress:
            on_progress(done, len(clips))
    write_whole(label, json.dumps(about, indent=2) + "\n")
    return folder
