"""Everything that reads a file, on files made by mutation of whole ones: read, or refused with a message that names it.

A small seeded share runs with the other tests; `make fuzz` tries thousands and says how many of each kind and outcome.
FUZZ=500 FUZZ_SEED=1 pytest -s tests/test_fuzz.py
"""

import faulthandler
import io
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from scipy.io import savemat

from datasets import corpora, decode, inertial, mp4, shards
from datasets.corpora import about
from datasets.corpora.pairs import Pair, checked
from datasets.manifest import Manifest
from datasets.spec import Sampling
from datasets.whole import read_json
from experiments import status
from models.spec import ImuModel
from orchestrator import results
from orchestrator.spec import DataSpec, Optimization, RunSpec
from orchestrator.store import RunFolder
from tests.mutation import Edit, edits, mutated

EXAMPLES = int(os.environ.get("FUZZ", "20"))
MOST_MEMORY = 1 << 30  # that this process may grow by over all of them
SPEC = RunSpec(ImuModel(), DataSpec("5f0c", samples=100), Optimization(1e-3, 0, 8, 3), seed=0)

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

OUTCOMES: Counter[tuple[str, str]] = Counter()
SLOWEST: dict[str, float] = {}


SECONDS = 30  # of one file; the slowest takes a hundredth of it


class Hung(BaseException):
    """Nothing that reads a file catches this."""


def hung(*_: object) -> None:
    raise Hung(f"a file took more than {SECONDS} s")


@pytest.fixture(scope="module", autouse=True)
def counted() -> Iterator[None]:
    import torch  # noqa: F401 its own size is not a file's

    before, earlier = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, signal.signal(signal.SIGALRM, hung)
    yield
    signal.signal(signal.SIGALRM, earlier)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    print(f"\n{sum(OUTCOMES.values())} files, seed {SEED}; this process grew by {grown >> 20} MB")
    for (kind, outcome), count in sorted(OUTCOMES.items()):
        print(f"  {kind:12} {outcome:10} {count:6}   slowest {SLOWEST[kind]:.2f} s")
    assert grown < MOST_MEMORY


SEED = int(os.environ.get("FUZZ_SEED", "0"))


def tried(kind: str, file: Path, read: Callable[[], object], others: int = 0) -> None:
    """Reads it, or is refused by a ValueError that names it, in time; and writes nothing beside it."""
    before = sorted(file.parent.iterdir())
    began = time.monotonic()
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(2 * SECONDS, exit=True, file=sys.__stderr__)  # for what isn't in Python's hands
    try:
        read()
        refused = None
    except ValueError as error:
        refused = str(error)
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
    assert refused is None or file.name in refused, f"names no file: {refused}"
    # These are of a few kB: none is decoded until its time is up, and none ends its process.
    assert refused is None or ("takes more than" not in refused and "ended the process" not in refused), refused
    outcome = "read" if refused is None else "refused"
    took = time.monotonic() - began
    SLOWEST[kind] = max(took, SLOWEST.get(kind, 0.0))
    OUTCOMES[kind, outcome] += 1
    left = [path for path in file.parent.iterdir() if path not in before and path.suffix != ".damaged"]
    assert not left, left


# Recordings: the scan in its process, then the decoder that writes shards


def film(codec: str, form: str) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(0)
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=15)
        stream.width, stream.height = 48, 32
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(5):
            image = noise.integers(0, 255, (32, 48, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


def mat(**how: object) -> bytes:
    out = io.BytesIO()
    savemat(out, {"d_iner": np.random.default_rng(0).normal(size=(20, 6))}, **how)  # pyright: ignore
    return out.getvalue()


SEEDS = {
    "avi": [film("mpeg4", "avi"), film("mjpeg", "avi")],
    "mp4": [film("mpeg4", "mp4"), film("libx264", "mp4"), film("mjpeg", "mov")],
    "mat": [mat(), mat(do_compression=True), mat(format="4")],
    "csv": [",".join(inertial.CHANNELS).encode() + b"\n" + b"0.1,-1e-3,2,3,4,5\n" * 60],
}
SENSOR = b"".join(b"20181016_13:37:28.%02d0000,%d,9.8,-0.5\n" % (i, i) for i in range(60))


def test_a_video_that_names_no_codec(tmp_path: Path) -> None:
    """Found by `make fuzz`: two words of an MP4 zeroed, at the front and near the end."""
    content = mutated(SEEDS["mp4"][0], [("set", 0.75, 1, bytes(4)), ("set", 0.46043624884319706, 1, bytes(4))])
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ValueError, match="names no codec of its video"):
        decode.count_frames(tmp_path / "a.mp4")


def scanned(kind: str, folder: Path, content: bytes) -> None:
    """As a corpus is read: what is bad is listed with its name; what is whole is decoded."""
    video, imu = folder / "a.avi", folder / ("a.csv" if kind == "csv" else "a.mat")
    video.write_bytes(SEEDS["avi"][0])
    imu.write_bytes(SEEDS[imu.suffix[1:]][0])
    changed = imu if kind in ("mat", "csv") else video
    changed.write_bytes(content)

    def read() -> None:
        clips, found = checked(folder, "class-folders", [Pair("a", 1, 1, 0, video, imu)])
        if found:
            raise ValueError("; ".join(f"{bad.file}: {bad.reason}" for bad in found))
        frames, length = decode.decode_video(video, 4, clips["frames"][0].as_py(), 16, "motion")
        assert frames.shape == (4, 16, 16, 3) and 1 <= length <= 4
        assert np.isfinite(inertial.read_signal(imu)).all()

    tried(kind, changed, read)


@pytest.mark.parametrize("kind", list(SEEDS))
def test_recordings(kind: str, tmp_path: Path) -> None:
    @seed(SEED)
    @fuzz
    @given(st.sampled_from(SEEDS[kind]), edits)
    def each(content: bytes, changes: list[Edit]) -> None:
        scanned(kind, tmp_path, mutated(content, changes))

    each()


# What the storage holds


@pytest.fixture(scope="module")
def stored(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One whole file of each kind."""
    import torch

    folder = tmp_path_factory.mktemp("stored")
    sampling = Sampling(frames=2, size=8, samples=manifest.max_samples)
    manifest.write(folder / "manifest.parquet")
    recordings = shards.Recordings.of(manifest, sampling)
    start, stop = recordings.bounds()[:2]
    made = shards._write_shard({"shard": 0, "start": start, "stop": stop}, recordings, folder)
    run = RunFolder(folder)
    run.begin(SPEC)
    run.write_predictions(pa.table({"label": [0, 1], "predicted": [0, 0], "probabilities": [[0.9, 0.1], [0.6, 0.4]]}))
    for epoch in (1, 2, 3):
        run.append_history({"epoch": epoch, "loss": 1.0})
    run.save("model", {"model": {"weight": torch.randn(20), "steps": torch.tensor(3)}})
    index = {"version": 1, "manifest": manifest.digest, "sampling": sampling.to_json(), "files": [made]}
    return {
        "manifest": (folder / "manifest.parquet").read_bytes(),
        "shard": (folder / made["file"]).read_bytes(),
        "predictions": (folder / "predictions.parquet").read_bytes(),
        "spec": (folder / "spec.json").read_bytes(),
        "history": (folder / "history.jsonl").read_bytes(),
        "index": json.dumps(index).encode(),
        "corpus": b'{"name": "UTD-MHAD", "video": "depth"}',
        "weights": (folder / "model.pt").read_bytes(),
        "sensor": SENSOR,
        "mp4 header": SEEDS["mp4"][1],
        "results": json.dumps(RESULTS).encode(),
        "progress": json.dumps(PROGRESS).encode(),
    }


def shard_rows(file: Path) -> pa.Table:
    task = {"file": str(file), "rows": [0, 1], "columns": ["row", "label", "video", "imu", "imu_length"]}
    return shards.Shards.fetch(pa.Table.from_pylist([task]))


ABOUT = dict.fromkeys(("plan", "video", "recipe", "protocol", "corpus", "scale", "created"), "p")
TEXTS = {"protocol_text": "p", "scale_text": "s"}
RESULTS = (
    ABOUT
    | TEXTS
    | {"classes": ["a"], "runs": {SPEC.key: {"name": "imu", "kind": "imu", "status": "done"}}, "cells": []}
)
PROGRESS = {"ended": False, "host": "lab", "process": 7, "running": [SPEC.key], "skipped": {}, "seconds_left": 9.5}


def of_mmact(file: Path) -> int:
    """A video's frames or a sensor's samples, named as MMAct's reader names what it refuses."""
    try:
        if file.suffix == ".csv":
            return len(corpora.signal("mmact", file.parent, f"||{file.name}|"))
        frames, _ = mp4.read_header(file)
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None
    assert 0 < frames <= decode.MAX_FRAMES
    return frames


def shown(file: Path) -> bool:
    """By `status`, beside a whole file of the other kind; results also by `track`."""
    for name, content in (("results.json", RESULTS), ("progress.json", PROGRESS)):
        if name != file.name:
            file.with_name(name).write_text(json.dumps(content))
    if file.name == "results.json":
        results.read(file, tuple(ABOUT))
    with redirect_stdout(io.StringIO()):
        return status.status(status.Which(file.parents[2], "p")) == 0


READS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "manifest": ("manifest.parquet", Manifest.read),
    "shard": ("part-00000.parquet", shard_rows),
    "predictions": ("predictions.parquet", lambda file: RunFolder(file.parent).predictions()),
    "spec": ("spec.json", lambda file: RunFolder(file.parent).spec),
    "history": ("history.jsonl", lambda file: RunFolder(file.parent).history()),
    "index": ("index.json", lambda file: shards.Shards.read(file.parent)),
    "corpus": ("corpus.json", lambda file: about.read(file.parent, "MMAct")),
    "weights": ("model.pt", lambda file: RunFolder(file.parent).load("model")),
    "sensor": ("gyro.csv", of_mmact),
    "mp4 header": ("a.mp4", of_mmact),
    "results": ("reports/p/results.json", shown),
    "progress": ("reports/p/progress.json", shown),
    "json": ("done.json", read_json),
}


def placed(folder: Path, name: str) -> Path:
    """Where a file of a kind is; beside it lies what stays there."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.parent != folder:
        for other in ("results.json", "progress.json"):
            file.with_name(other).touch()
    return file


@pytest.mark.parametrize("kind", [kind for kind in READS if kind != "json"])
def test_stored_files(kind: str, stored: dict[str, bytes], tmp_path: Path) -> None:
    name, read = READS[kind]

    @seed(SEED)
    @fuzz
    @given(edits)
    def each(changes: list[Edit]) -> None:
        file = placed(tmp_path, name)
        file.write_bytes(mutated(stored[kind], changes))
        tried(kind, file, lambda: read(file))

    each()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
flat = scalars | st.lists(scalars, max_size=4) | st.dictionaries(st.text(max_size=8), scalars, max_size=4)
values = flat | st.lists(flat, max_size=4) | st.dictionaries(st.text(max_size=8), flat, max_size=4)
FIELDS = ["name", "video", "files", "file", "clips", "sampling", "spec", "kind", "model", "data", "epoch", "start"]
FIELDS += ["plan", "corpus", "scale", "created", "runs", "classes", "running", "skipped", "seconds_left", "host"]


@pytest.mark.parametrize("kind", ["corpus", "index", "spec", "history", "json", "results", "progress"])
def test_any_json(kind: str, tmp_path: Path) -> None:
    """JSON that is whole and means nothing, or something else."""
    name, read = READS[kind]

    @seed(SEED)
    @fuzz
    @given(values | st.dictionaries(st.sampled_from(FIELDS), values, max_size=8))
    def each(value: object) -> None:
        file = placed(tmp_path, name)
        file.write_text(json.dumps(value) + "\n")
        tried(f"any {kind}", file, lambda: read(file))

    each()


def test_a_whole_file_is_read(stored: dict[str, bytes], tmp_path: Path) -> None:
    """Of each kind, or all of the above would prove nothing."""
    for kind, content in stored.items():
        name, read = READS[kind]
        file = placed(tmp_path, name)
        file.write_bytes(content)
        assert read(file) is not None
        file.unlink()
    for kind, contents in SEEDS.items():
        for content in contents:
            before = OUTCOMES[kind, "read"]
            scanned(kind, tmp_path, content)
            assert OUTCOMES[kind, "read"] == before + 1


def test_a_scan_of_broken_files_leaves_nothing_half_written(recordings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    for sub, suffix, kind in (("RGB", "color.avi", "avi"), ("Inertial", "inertial.mat", "mat")):
        (folder / sub).mkdir(parents=True)
        for trial in (1, 2):
            content = mutated(SEEDS[kind][0], [("cut", 0.3, 1, b"")])
            (folder / sub / f"a1_s1_t{trial}_{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match=r"4 bad file\(s\)"):
        corpora.read("utd-mhad", folder, tmp_path / "cache")
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".parquet"]
