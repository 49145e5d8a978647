"""Shards: the index that is read elsewhere, and that nothing is decoded twice. With a real Ray."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from datasets import corpora, shards
from datasets.files import crashes
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest
from datasets.shards import Shards
from datasets.spec import Sampling
from datasets.videos.video_file import SUMMARY
from orchestrator.driver.prepare import write_shards
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store
from tests.support.small_disk import needs_mount, run_on


def times(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


def test_the_index_is_a_frozen_surface(written: Shards, manifest: Manifest) -> None:
    index = json.loads((written.folder / "index.json").read_text())
    assert set(index) == {"version", "manifest", "sampling", "files", "notes"} and index["notes"] == []
    assert (index["version"], index["manifest"]) == (shards.VERSION, manifest.digest)
    assert index["sampling"] == {"frames": 8, "size": 32, "samples": manifest.max_samples, "crop": "frame"}
    assert [set(file) for file in index["files"]] == [{"file", "clips", "bytes"}] * 6
    for file in index["files"]:
        assert (written.folder / file["file"]).stat().st_size == file["bytes"]
        assert pq.read_metadata(written.folder / file["file"]).num_rows == file["clips"] == 2


def test_the_index_is_written_last_and_nothing_else_is_left(written: Shards) -> None:
    found = times(written.folder)
    assert set(found) == {"index.json", *written.files}
    assert found["index.json"] == max(found.values())


def test_each_clip_is_in_one_shard_in_manifest_order(written: Shards, manifest: Manifest) -> None:
    table = pa.concat_tables(pq.read_table(written.folder / file) for file in written.files)
    assert table.column("row").to_pylist() == list(range(manifest.clips.num_rows))
    assert table.column("label").to_pylist() == manifest.clips.column("label").to_pylist()
    assert table.column("imu_length").to_pylist() == manifest.clips.column("samples").to_pylist()
    assert pc.unique(table.column("video_length")).to_pylist() == [8]  # pyright: ignore[reportAttributeAccessIssue]
    assert table.schema.field("video").type == pa.list_(pa.uint8(), 8 * 32 * 32 * 3)
    assert table.schema.field("imu").type == pa.list_(pa.float32(), manifest.max_samples * 6)


def test_asking_again_writes_nothing(written: Shards, manifest: Manifest) -> None:
    before = times(written.folder)
    assert shards.write(written.folder.parents[1], manifest, written.sampling) == written
    assert times(written.folder) == before
    assert Shards.read(written.folder) == written


@pytest.mark.parametrize("changed", [{"frames": 9}, {"size": 33}, {"samples": 400}])
def test_another_sampling_has_a_folder_of_its_own(changed: dict[str, int], written: Shards, manifest: Manifest) -> None:
    storage = written.folder.parents[1]
    assert shards.folder_of(storage, manifest, written.sampling) == written.folder
    assert shards.folder_of(storage, manifest, replace(written.sampling, **changed)) != written.folder


def test_a_changed_corpus_has_a_folder_of_its_own_and_a_moved_one_not(written: Shards, manifest: Manifest) -> None:
    storage = written.folder.parents[1]
    content = ["changed", *manifest.clips.column("content").to_pylist()[1:]]
    at = manifest.clips.schema.get_field_index("content")
    changed = replace(manifest, clips=manifest.clips.set_column(at, "content", pa.array(content)))
    fewer = replace(manifest, clips=manifest.clips.slice(1))
    for other in (changed, fewer, replace(manifest, video="depth")):
        assert shards.folder_of(storage, other, written.sampling) != written.folder
    assert shards.folder_of(storage, replace(manifest, root=Path("/moved")), written.sampling) == written.folder


def test_an_interrupted_write_goes_on_where_it_stopped(written: Shards, manifest: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "shards" / written.folder.name
    shutil.copytree(written.folder, folder)
    lost = folder / written.files[2]
    for file in (folder / "index.json", lost):
        file.unlink()
    lost.with_suffix(".1.part").write_bytes(b"half a shard")
    before = times(folder)
    told: list[tuple[int, int]] = []
    again = shards.write(tmp_path, manifest, written.sampling, lambda done, total: told.append((done, total)))
    assert again == replace(written, folder=folder)
    assert {name: time for name, time in times(folder).items() if name in before} == before
    assert pq.read_table(lost).equals(pq.read_table(written.folder / lost.name))
    assert (folder / "index.json").read_text() == (written.folder / "index.json").read_text()
    assert told == [(clips, 12) for clips in range(2, 13, 2)]


def test_a_clip_that_cannot_be_decoded_leaves_no_index(written: Shards, manifest: Manifest, tmp_path: Path) -> None:
    """Every one of a shard is named, and a start with --skip-bad goes on without them."""
    frames = manifest.clips.column("frames").to_pylist()
    at = manifest.clips.schema.get_field_index("frames")
    longer = pa.array([frames[0] + 40, frames[1] + 40, *frames[2:]], pa.int32())
    study = Study(replace(manifest, clips=manifest.clips.set_column(at, "frames", longer)), "demo", "paper")
    with pytest.raises(BadRecordings, match=r"go on without them with --skip-bad\. The other shards stay") as raised:
        write_shards(study, Store(tmp_path))
    files = manifest.clips.column("video").to_pylist()[:2]
    assert [b.file for b in raised.value.bad] == files
    assert all("of 8 sampled frames decoded" in b.reason for b in raised.value.bad)
    assert not list(tmp_path.rglob("index.json")) and len(list(tmp_path.rglob("part-*.parquet"))) == 5
    again = corpora.read("synthetic", manifest.root, tmp_path / "scans", skip_bad=True)
    assert again.clips.equals(manifest.clips.slice(2)) and again.bad == raised.value.bad
    assert corpora.read("synthetic", manifest.root, tmp_path / "scans").digest == manifest.digest


def test_a_recording_that_takes_its_process_along_is_named(
    ray_local: None, recordings: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Data would start the task again for ever. Another one died once, through no fault of its recordings."""
    videos = manifest.clips["video"].to_pylist()
    shutil.copytree(recordings, tmp_path / "recordings")
    (tmp_path / "recordings" / videos[5]).write_bytes(b"no video")
    (tmp_path / "seen").mkdir()

    @dataclass(frozen=True)
    class Crashing(shards.Recordings):
        def tried(self, rows: Sequence[int], columns: Sequence[str] = shards.COLUMNS) -> tuple:
            seen = self.root.parent / "seen" / str(rows[0])
            if 5 in rows or (rows[0] == 0 and not seen.exists()):
                seen.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().tried(rows, columns)

        @staticmethod
        def of(manifest: Manifest, sampling: Sampling) -> "Crashing":
            return Crashing(manifest.clips, manifest.layout, manifest.root, sampling)

    monkeypatch.setattr(shards, "Recordings", Crashing)
    moved, sampling = replace(manifest, root=tmp_path / "recordings"), Sampling(8, 32, manifest.max_samples)
    with pytest.raises(BadRecordings, match=rf"{videos[5]}: is no video that can be decoded") as told:
        shards.write(tmp_path, moved, sampling)
    assert [bad.file for bad in told.value.bad] == [videos[5]]
    left = times(shards.folder_of(tmp_path, manifest, sampling))
    assert sorted(left) == [f"part-{i:05d}.parquet" for i in (0, 1, 3, 4, 5)]


def test_a_task_that_dies_again_and_again_is_given_up(recordings: Path, manifest: Manifest, tmp_path: Path) -> None:
    videos = manifest.clips["video"].to_pylist()[:2]
    note = tmp_path / "part-00000.begun"
    note.write_bytes(b"..")
    with crashes.counted(note) as died:
        assert not crashes.culprits(recordings, videos, SUMMARY, died)
        assert died == 2 and note.read_bytes() == b"..."
    assert not note.exists()
    [bad] = crashes.culprits(recordings, videos, SUMMARY, crashes.MOST)
    assert bad.file == videos[0] and "the process that decodes it and what follows was killed" in bad.reason


ON_A_FULL_DISK = """
import sys, ray
from pathlib import Path
from datasets.files import crashes
from datasets import shards
from datasets.manifest import Manifest
from datasets.spec import Sampling
from orchestrator.driver.terminal import refuse_bad_input
storage, manifest = Path(sys.argv[1]), Manifest.read(Path(sys.argv[2]))
sampling = Sampling(frames=8, size=64, samples=manifest.max_samples)
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
ballast = storage / "ballast"
ballast.write_bytes(bytes((1 << 20) - 2 * 4096))
print(refuse_bad_input(lambda: shards.write(storage, manifest, sampling)))
folder = shards.folder_of(storage, manifest, sampling)
print([file.name for file in folder.glob("*.json")])
ballast.unlink()
print(sum(refuse_bad_input(lambda: shards.write(storage, manifest, sampling)).clips))
print(sorted(file.suffix for file in folder.iterdir()) == [".json"] + [".parquet"] * 6)
"""


@needs_mount
def test_a_full_disk_is_one_sentence_and_with_room_it_goes_on(
    manifest: Manifest, recordings: Path, tmp_path: Path
) -> None:
    (tmp_path / "storage").mkdir()
    replace(manifest, root=recordings).write(tmp_path / "manifest.parquet")
    words = [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path / "storage"), str(tmp_path / "manifest.parquet")]
    ended = run_on(tmp_path / "storage", "1m", words)
    assert ended.stdout.splitlines() == ["1", "[]", "12", "True"], ended.stdout + ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith("error: [Errno 28] can't be written: No space left on device") and "part-0000" in line


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([0], [("a", [0])]),
        ([2, 3], [("a", [2]), ("b", [3])]),
        ([0, 1, 2, 4, 7], [("a", [0, 1, 2]), ("b", [4]), ("d", [7])]),
        ([5, 6], [("c", [5, 6])]),
        ([], []),
    ],
)
def test_only_shards_that_hold_a_row_are_read(rows: list[int], expected: list[tuple[str, list[int]]]) -> None:
    found = Shards(Path("/s"), Sampling(frames=8, size=32, samples=60), ("a", "b", "c", "d"), (3, 2, 2, 1))
    assert found.holding(np.array(rows, int)) == [(f"/s/{name}", held) for name, held in expected]


@pytest.mark.parametrize(("clips", "size", "per_shard"), [(5, 32, 1), (12, 32, 2), (861, 32, 108), (861, 224, 55)])
def test_a_shard_is_at_most_64_mb_and_there_are_about_eight(
    clips: int, size: int, per_shard: int, manifest: Manifest
) -> None:
    sampling = Sampling(frames=8, size=size, samples=326)
    many = replace(manifest, clips=pa.concat_tables([manifest.clips] * (clips // 12 + 1)).slice(0, clips))
    starts = shards.Recordings.of(many, sampling).bounds()
    assert (starts[0], starts[-1]) == (0, clips) and set(np.diff(starts)[:-1]) == {per_shard}
    assert np.diff(starts)[-1] <= per_shard
    assert per_shard * (sampling.video_bytes + sampling.imu_bytes) <= shards.SHARD_BYTES
