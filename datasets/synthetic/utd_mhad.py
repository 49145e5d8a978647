"""A synthetic corpus in UTD-MHAD's layout and codecs: one 3-D figure, filmed, measured and seen by a Kinect.

Layout, codecs, rates and the 27 classes are those of UTD-MHAD (Chen, Jafari, Kehtarnavaz, "UTD-MHAD: a multimodal
dataset for human action recognition utilizing a depth camera and a wearable inertial sensor", ICIP 2015). Some
classes can be told by the sensor only and some by the figure only: `datasets/synthetic/movements.py` says which.
"""

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import numpy as np
from scipy.io import savemat

from datasets.corpora.utd_mhad import CLASSES, FOLDERS
from datasets.files.atomic import read_json, remove_parts, write_whole, writing
from datasets.synthetic import kinect
from datasets.synthetic.figure import Figure, Style, angles, body
from datasets.synthetic.movements import MOVES
from datasets.synthetic.sensors import FRAME_RATE, SIZE, frames, inertial

VERSION = 2  # of the generator: raise it with every change of the written bytes
SPAWN_FROM = 24  # clips: a spawned process imports for a second or two, as long as ten clips take
FIRST_ON_THIGH = 22  # UTD-MHAD straps the sensor to the right wrist for actions 1-21, to the right thigh from 22

Clip = tuple[int, int, int]  # action, subject, trial


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


def _write_mat(path: Path, seed: int, name: str, values: np.ndarray) -> None:
    content = io.BytesIO()
    savemat(content, {name: values}, do_compression=name == "d_depth")  # of which nine tenths are 0
    path.write_bytes(_header(seed) + content.getvalue()[116:])


def _path(folder: Path, modality: str, action: int, subject: int, trial: int) -> Path:
    sub, ending = FOLDERS[modality]
    return folder / sub / f"a{action}_s{subject}_t{trial}_{ending}"


def _write_clip(folder: Path, seed: int, lacking: tuple[Clip, list[str]]) -> None:
    """Writes a clip's files of the modalities that it lacks."""
    clip, modalities = lacking
    moving, rng = figure(seed, *clip), np.random.default_rng([seed, 4, *clip])
    signal = inertial(moving, rng)  # drawn for the video alone too, whose noise follows from the same generator
    tracked, measured = (np.random.default_rng([seed, number, *clip]) for number in (6, 7))
    at = kinect.moments(moving, np.random.default_rng([seed, 5, *clip]))
    write = {
        "video": lambda part: _write_video(part, frames(moving, rng)),
        "imu": lambda part: _write_mat(part, seed, "d_iner", signal),
        "skeleton": lambda part: _write_mat(part, seed, "d_skel", kinect.skeleton(moving, at, tracked)),
        "depth": lambda part: _write_mat(part, seed, "d_depth", kinect.depth(moving, at, measured)),
    }
    for modality in modalities:
        # Not waited for until it is on the disk: that takes longer than to draw the clip again.
        with writing(_path(folder, modality, *clip), to_disk=False) as part:
            write[modality](part)


def _refuse_other(folder: Path, seed: int, clips: Sequence[Clip]) -> None:
    """Raises ValueError where a .mat file is there that this corpus wouldn't hold."""
    wanted = {_path(folder, modality, *clip) for modality in FOLDERS for clip in clips}
    for mat in sorted(file for sub, _ in FOLDERS.values() for file in (folder / sub).glob("*.mat")):
        with mat.open("rb") as file:
            ours = file.read(116) == _header(seed)
        if mat not in wanted or not ours:
            raise ValueError(f"{folder} holds {mat.name} of another corpus: choose an empty folder or remove it first")


def each(write: Callable[..., None], folder: Path, seed: int, clips: Sequence[tuple]) -> Iterator[None]:
    """Writes the clips, in processes where that pays, and yields after each."""
    if len(clips) < SPAWN_FROM:
        yield from (write(folder, seed, clip) for clip in clips)
        return
    workers = min(len(os.sched_getaffinity(0)), len(clips))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(write, folder, seed, clip) for clip in clips]):
            yield future.result()


def check(corpus: str, modalities: Sequence[str], drawn: Iterable[str]) -> None:
    """Raises ValueError for a modality that the corpus doesn't draw."""
    for name in modalities:
        if name not in drawn:
            raise ValueError(f"--corpus {corpus}: has no recordings of {name}, only of {', '.join(drawn)}.")


def finished(folder: Path, about: dict[str, Any]) -> bool:
    """Whether corpus.json is there; ValueError where it is another corpus's."""
    label = folder / "corpus.json"
    if not label.exists():
        return False
    found = read_json(label)
    if found != about:
        raise ValueError(f"{folder} holds {found}, not {about}: choose another folder or remove this one first")
    return True


def write(
    folder: Path, *, subjects: int = 8, trials: int = 2, actions: int = 27, seed: int = 0,
    modalities: Sequence[str] = ("imu", "video"), on_progress: Callable[[int, int], None] | None = None,
) -> Path:  # fmt: skip
    """Writes the corpus's files of these modalities, or those that are missing, and returns the folder.

    - video: `RGB/a1_s1_t1_color.avi`, MPEG-4 part 2 (XVID), 320x240, 15 fps.
    - imu: `Inertial/a1_s1_t1_inertial.mat`, `d_iner`, float64 (T, 6): ax ay az in g with gravity, gx gy gz in deg/s,
      at 50 Hz.
    - skeleton: `Skeleton/a1_s1_t1_skeleton.mat`, `d_skel`, float64 (20, 3, T), metres in the Kinect's axes.
    - depth: `Depth/a1_s1_t1_depth.mat`, `d_depth`, uint16 (240, 320, T), millimetres, 0 for the background.

    The last two have one T and about 19 frames a second. Every file depends on its clip's own numbers and the seed
    only, and corpus.json comes last. A folder that was written without a modality gets its files added.
    `on_progress` is told (done, total). ValueError: the folder holds another corpus, or a modality isn't drawn.
    From SPAWN_FROM clips on processes are spawned, so a script calls this under `if __name__ == "__main__"`.
    """
    check("synthetic", modalities, FOLDERS)
    about = {"name": "synthetic (UTD-MHAD layout)", "video": "drawn figure", "version": VERSION}
    about |= {"subjects": subjects, "trials": trials, "actions": actions, "seed": seed}
    clips = list(product(range(1, actions + 1), range(1, subjects + 1), range(1, trials + 1)))
    done = finished(folder, about)
    if not done:
        _refuse_other(folder, seed, clips)
    lacking = [(clip, [name for name in modalities if not _path(folder, name, *clip).exists()]) for clip in clips]
    lacking = [(clip, names) for clip, names in lacking if names]
    for sub in {FOLDERS[name][0] for _, names in lacking for name in names}:
        (folder / sub).mkdir(parents=True, exist_ok=True)
        remove_parts(folder / sub)
    for count, _ in enumerate(each(_write_clip, folder, seed, lacking), start=len(clips) - len(lacking) + 1):
        if on_progress:
            on_progress(count, len(clips))
    if not done:
        write_whole(folder / "corpus.json", json.dumps(about, indent=2) + "\n")
    return folder
