"""Trees of tiny files in MMAct's layout, and what its reader finds bad in them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from datasets import corpora
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest
from datasets.signals import mmact_sensors

STAMP = "20181016_13:37:28"
ROWS = "".join(f"{STAMP}.{i:02d}0000,{i / 10:g},9.8,-0.5\n" for i in range(60))


def written(file: Path, images: Sequence[np.ndarray], keyframes: tuple[int, ...] = (0,), kind: str = "mp4") -> Path:
    """H.264, or of an AVI MPEG-4."""
    with av.open(str(file), "w", format=kind) as container:
        codec, options = ("libx264", {"sc_threshold": "0", "g": "1000"}) if kind == "mp4" else ("mpeg4", {})
        stream = container.add_stream(codec, rate=30, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pict_type = PictureType.I if i in keyframes else PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


SIX = [np.full((32, 32, 3), 40 * i, np.uint8) for i in range(6)]


Tree = Callable[..., Path]


def write_instances(
    folder: Path,
    film: bytes,
    instances: Sequence[tuple],
    sensors: str = "",
    videos: str = "trimmed",
    cameras: tuple = (1, 2),
) -> None:
    for subject, scene, session, name in instances:
        inner = f"scene{scene}/session{session}/{name}"
        for sensor in mmact_sensors.SENSORS:
            put(folder / sensors / f"{sensor}_clip/subject{subject}/{inner}.csv", ROWS.encode())
        for camera in cameras:
            put(folder / videos / f"subject{subject}/cam{camera}/{inner}.mp4", film)


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def read(folder: Path, modalities: Sequence[str] = ("imu", "video"), **options: object) -> Manifest:
    cache = folder.parent / "scans"
    return corpora.read("mmact", folder, cache, modalities, **options)  # pyright: ignore[reportArgumentType]


def names_of(manifest: Manifest) -> list[str]:
    """Of each clip its class, sorted."""
    return sorted(manifest.classes[label] for label in manifest.clips["label"].to_pylist())


def csv_of(folder: Path, sensor: str, where: str = "subject1/scene1/session1/walking") -> Path:
    return folder / f"{sensor}_clip" / f"{where}.csv"


def bad(folder: Path) -> dict[str, str]:
    with pytest.raises(BadRecordings) as raised:
        read(folder)
    return {b.file: b.reason for b in raised.value.bad}
