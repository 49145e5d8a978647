"""Damaged files of a storage and full disks: found, said in a sentence, and only what was hit is done again."""

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from datasets import corpora, shards
from datasets.manifest import Manifest
from datasets.spec import Sampling
from datasets.whole import read_json, write_whole
from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator import metrics
from orchestrator.mend import mend
from orchestrator.plan import Plan
from orchestrator.spec import DataSpec, Optimization, RunSpec
from orchestrator.store import RunFolder, Store

ROOT = Path(__file__).parent.parent
HOW = Optimization(1e-3, 0, 8, epochs=3)
IMU, VIDEO = RunSpec(ImuModel(), DataSpec("5f0c"), HOW, 0), RunSpec(VideoModel(), DataSpec("5f0c"), HOW, 0)
FUSION = RunSpec(FusionModel(), DataSpec("5f0c"), HOW, 0, parents=(("imu", IMU.key), ("video", VIDEO.key)))
PLAN = Plan("three", (), {spec.key: spec for spec in (IMU, VIDEO, FUSION)})
Damage = Callable[[Path], object]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """All three runs done."""
    store = Store(tmp_path)
    for spec in PLAN.runs.values():
        folder = store.run(spec.key)
        folder.begin(spec, {"plan": "three"})
        for epoch in (1, 2, 3):
            folder.append_history({"epoch": epoch, "loss": 1 / epoch})
        folder.save("model", {"model": {"weight": torch.randn(20_000)}})
        labels = np.array([0, 1, 1])
        table = {
            "clip": ["a", "b", "c"],
            "label": labels,
            "predicted": labels,
            "probabilities": list(np.eye(2)[labels]),
        }
        folder.write_predictions(pa.table(table))
        folder.write_metrics(metrics.score_run(folder))
        folder.finish(1.5)
    return store


def found(store: Store) -> tuple[set[str], list[str]]:
    said: list[str] = []
    return mend(PLAN, store, said.append), said


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 6 // 10])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def zeroed(file: Path) -> None:
    """What a crash leaves of a file whose name reached the disk before its content."""
    file.write_bytes(bytes(file.stat().st_size))


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def test_a_whole_storage_is_left_alone(store: Store) -> None:
    before = {file: file.stat().st_mtime_ns for file in store.root.rglob("*")}
    assert found(store) == (set(PLAN.runs), [])
    assert {file: file.stat().st_mtime_ns for file in store.root.rglob("*")} == before


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, Path.unlink])
@pytest.mark.parametrize("name", ["done.json", "history.jsonl", "predictions.parquet", "model.pt"])
def test_only_the_run_that_was_hit_is_done_again(name: str, damage: Damage, store: Store) -> None:
    damage(store.run(VIDEO.key).path / name)
    done, said = found(store)
    assert done == {IMU.key, FUSION.key}
    if (name, damage) == ("done.json", Path.unlink):
        return
    assert len(said) == 1 and said[0].startswith(f"{VIDEO.name} ({VIDEO.key}) was done and is trained again: ")
    assert str(store.run(VIDEO.key).path / name) in said[0]
    assert found(store) == (done, []), "said once"


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, Path.unlink])
def test_metrics_are_computed_again_from_the_predictions(damage: Damage, store: Store) -> None:
    file = store.run(IMU.key).path / "metrics.json"
    before = file.read_text()
    damage(file)
    assert found(store)[0] == set(PLAN.runs)
    assert file.read_text() == before


def test_results_of_another_recipe_or_code_are_never_taken(store: Store) -> None:
    """They have keys of their own; and a folder that was given the wrong name is found out."""
    changed = [replace(IMU, code=IMU.code + 1), replace(IMU, optimization=replace(HOW, lr=2e-3))]
    other = Plan("other", (), {spec.key: spec for spec in changed})
    assert mend(other, store, print) == set()
    video, imu = store.run(VIDEO.key), store.run(IMU.key)
    shutil.rmtree(imu.path)
    shutil.copytree(video.path, imu.path)
    done, said = found(store)
    assert done == {VIDEO.key, FUSION.key} and "holds the spec of another run" in said[0]
    imu.save("checkpoint", {"epoch": 1})
    done, said = found(store)
    assert not (imu.path / "checkpoint.pt").exists() and "holds the spec of another run" in said[0]


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, Path.unlink])
def test_a_spec_is_written_again(damage: Damage, store: Store) -> None:
    damage(store.run(IMU.key).path / "spec.json")
    done, said = found(store)
    assert done == set(PLAN.runs) and "its spec is written again" in said[0]
    assert store.run(IMU.key).spec == IMU


@pytest.mark.parametrize("name", ["predictions.parquet", "model.pt"])
def test_one_changed_bit_is_found(name: str, store: Store) -> None:
    """In weights only where a run will start from them: all of a grid's are gigabytes."""
    flipped(store.run(IMU.key).path / name)
    (store.run(FUSION.key).path / "done.json").unlink()
    done, said = found(store)
    assert done == {VIDEO.key}
    assert len(said) == 1 and name in said[0]


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, flipped])
def test_from_a_damaged_checkpoint_nothing_goes_on(damage: Damage, store: Store) -> None:
    folder = store.run(IMU.key)
    (folder.path / "done.json").unlink()
    folder.save("checkpoint", {"epoch": 2, "model": {"weight": torch.zeros(20_000)}})
    assert found(store) == ({VIDEO.key, FUSION.key}, [])
    damage(folder.path / "checkpoint.pt")
    done, [said] = found(store)
    assert done == {VIDEO.key, FUSION.key}
    assert "was cut off and starts from its first epoch again" in said and "checkpoint.pt" in said
    assert folder.load("checkpoint") is None


def test_a_checkpoint_needs_the_epochs_before_it(store: Store) -> None:
    folder = store.run(IMU.key)
    (folder.path / "done.json").unlink()
    folder.save("checkpoint", {"epoch": 3})
    history = (folder.path / "history.jsonl").read_text()
    (folder.path / "history.jsonl").write_text(history.replace('{"epoch": 2', '{"epo\x00h": 2'))
    assert "lacks epochs" in found(store)[1][0]
    assert folder.load("checkpoint") is None and [row["epoch"] for row in folder.history()] == [1]


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", "[" * 100_000, "\ufeff{}"])
def test_a_json_that_is_none_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(ValueError, match=r"results\.json: is damaged, no JSON can be read from it"):
        read_json(tmp_path / "results.json")


# Shards, the index, the manifest


@pytest.fixture(scope="module")
def sampling(manifest: Manifest) -> Sampling:
    return Sampling(frames=4, size=16, samples=manifest.max_samples)


def first_shard(folder: Path, manifest: Manifest, sampling: Sampling) -> Callable[[], dict]:
    """Writes part-00000.parquet, unless it is there and whole."""
    recordings = shards.Recordings.of(manifest, sampling)
    start, stop = recordings.bounds()[:2]
    return partial(shards._write_shard, {"shard": 0, "start": start, "stop": stop}, recordings, folder)


@pytest.mark.parametrize("damage", [cut, emptied, zeroed])
def test_a_damaged_shard_is_decoded_again(
    damage: Damage, manifest: Manifest, sampling: Sampling, tmp_path: Path
) -> None:
    written, file = first_shard(tmp_path, manifest, sampling), tmp_path / "part-00000.parquet"
    told = written()
    before, when = file.read_bytes(), file.stat().st_mtime_ns
    assert written() == told and file.stat().st_mtime_ns == when, "a whole one is left alone"
    damage(file)
    assert written() == told
    assert file.read_bytes() == before


def test_a_changed_bit_in_a_shard_is_found_by_who_reads_it(
    manifest: Manifest, sampling: Sampling, tmp_path: Path
) -> None:
    written, file = first_shard(tmp_path, manifest, sampling), tmp_path / "part-00000.parquet"
    index = {"sampling": sampling.to_json(), "files": [written()]}
    write_whole(tmp_path / "index.json", json.dumps(index))
    said: list[str] = []
    assert shards._whole(tmp_path, said.append) and not said
    before = file.read_bytes()
    flipped(file)
    asked = pa.Table.from_pylist([{"file": str(file), "rows": [0, 1], "columns": ["row", "video", "imu"]}])
    with pytest.raises(ValueError, match=r"part-00000\.parquet: is damaged .* the next start decodes it again"):
        shards.Shards.fetch(asked)
    assert shards._whole(tmp_path, said.append) is None
    assert re.fullmatch(r"decoded again: .*/part-00000\.parquet: is damaged, as a run that read it found", said[0])
    written()
    assert file.read_bytes() == before and len(shards.Shards.fetch(asked)) == 2
    assert shards._whole(tmp_path, said.append)


@pytest.mark.parametrize("damage", [cut, emptied, zeroed])
def test_a_damaged_index_is_written_again(
    damage: Damage, manifest: Manifest, sampling: Sampling, tmp_path: Path
) -> None:
    index = {"sampling": sampling.to_json(), "files": [first_shard(tmp_path, manifest, sampling)()]}
    write_whole(tmp_path / "index.json", json.dumps(index))
    damage(tmp_path / "index.json")
    said: list[str] = []
    assert shards._whole(tmp_path, said.append) is None
    assert "index of shards is written again" in said[0] and "index.json" in said[0]


def test_an_index_names_no_file_elsewhere(tmp_path: Path, sampling: Sampling) -> None:
    files = [{"file": "../../other/part-00000.parquet", "clips": 1, "bytes": 1}]
    about = {"frames": 4, "size": 16, "samples": 60}
    (tmp_path / "index.json").write_text(json.dumps({"sampling": about, "files": files}))
    with pytest.raises(ValueError, match=r"index\.json: is no index of shards .*elsewhere"):
        shards.Shards.read(tmp_path)


def flipped_in_a_page(file: Path) -> None:
    """Among the clips: in the footer after them most bits mean nothing to a reader."""
    content = bytearray(file.read_bytes())
    content[content.index(b"color.avi")] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, flipped_in_a_page])
def test_recordings_are_read_again_where_what_was_remembered_is_damaged(
    damage: Damage, recordings: Path, tmp_path: Path
) -> None:
    first = corpora.read("synthetic", recordings, tmp_path)
    [remembered] = tmp_path.iterdir()
    before = remembered.read_bytes()
    damage(remembered)
    said: list[str] = []
    assert corpora.read("synthetic", recordings, tmp_path, say=said.append).clips.equals(first.clips)
    assert remembered.read_bytes() == before
    assert said and "the recordings are read again: " in said[0] and remembered.name in said[0]


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside.avi", "RGB/../../outside.avi"])
def test_a_manifest_names_no_file_outside_of_its_recordings(path: str, manifest: Manifest, tmp_path: Path) -> None:
    from dataclasses import replace

    names = [path, *manifest.clips.column("video").to_pylist()[1:]]
    at = manifest.clips.schema.get_field_index("video")
    replace(manifest, clips=manifest.clips.set_column(at, "video", pa.array(names))).write(tmp_path / "m.parquet")
    with pytest.raises(ValueError, match=r"m\.parquet: is no manifest .* lies outside of its recordings"):
        Manifest.read(tmp_path / "m.parquet")


# Full disks


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """The kernel refuses every byte beyond."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_what_cannot_be_written_whole_leaves_what_was_there(store: Store, manifest: Manifest) -> None:
    folder = store.run(IMU.key)
    folder.save("checkpoint", {"epoch": 1})
    before = tree(store.root)
    numbers = pa.table({"probabilities": np.random.default_rng(0).normal(size=10_000)})
    writes: dict[str, Callable[[], object]] = {
        "checkpoint.pt": lambda: folder.save("checkpoint", {"epoch": 2, "weight": torch.zeros(10_000)}),
        "predictions.parquet": lambda: folder.write_predictions(numbers),
        "metrics.json": lambda: folder.write_metrics({"k": "1" * 10_000}),
        "history.jsonl": lambda: folder.append_history({"epoch": 4, "loss": "1" * 10_000}),
        "m.parquet": lambda: manifest.write(store.root / "m.parquet"),
    }
    for name, write in writes.items():
        with no_file_beyond(1000), pytest.raises(OSError, match=rf"can't be written: File too large.*{name}") as full:
            write()
        assert full.value.errno == errno.EFBIG
    after = tree(store.root)
    history = f"runs/{IMU.key}/history.jsonl"
    assert after.pop(history).startswith(before.pop(history))
    assert after == before
    assert [row["epoch"] for row in folder.history()] == [1, 2, 3]


ON_A_FULL_DISK = """
import sys, numpy as np, pyarrow as pa, torch
from pathlib import Path
from orchestrator.store import RunFolder
folder = RunFolder(Path(sys.argv[1]) / "runs" / "ab")
folder.path.mkdir(parents=True)
folder.save("checkpoint", {"epoch": 1})
big = {"epoch": 2, "weight": torch.randn(2_000_000)}
numbers = pa.table({"x": np.random.default_rng(0).normal(size=1_000_000)})
for write in (lambda: folder.save("checkpoint", big), lambda: folder.write_predictions(numbers)):
    try:
        write()
    except OSError as error:
        print(error.errno, error)
folder.fail("OSError: no room", "")  # there is room again for this
print(sorted(file.name for file in folder.path.iterdir()), folder.load("checkpoint"), folder.record("failed")["reason"])
"""


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0,
    reason="needs a mount namespace for a small file system",
)
def test_a_full_file_system(tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o size=1m none {tmp_path} && exec {sys.executable} -c '{ON_A_FULL_DISK}' {tmp_path}"
    script = script.replace(f"-c '{ON_A_FULL_DISK}'", '-c "$CODE"')
    env = os.environ | {"CODE": ON_A_FULL_DISK}
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    first, second, last = ended.stdout.splitlines()
    for line, name in ((first, "checkpoint.pt"), (second, "predictions.parquet")):
        assert line.startswith("28 [Errno 28] can't be written: No space left on device") and name in line
    assert last == "['checkpoint.pt', 'failed.json'] {'epoch': 1} OSError: no room"


def test_parts_of_writers_that_were_killed_are_swept_up(store: Store) -> None:
    folder = RunFolder(store.root / "runs" / IMU.key)
    left = folder.path / ".checkpoint.pt.0123456789ab.part"
    left.write_bytes(b"half")
    folder.begin(IMU)
    assert not left.exists()
