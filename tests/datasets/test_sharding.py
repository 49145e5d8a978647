"""How shards are written: what was cut off goes on, and what can't be decoded or has no room is told."""

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets import corpora, modalities, sharding, shards, undecoded
from datasets.corpora import SUMMARY
from datasets.decoding import Recordings
from datasets.files import crashes
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest
from datasets.modalities import imu, video
from datasets.shards import Shards
from tests.datasets.test_shards import times, with_column
from tests.support.recordings.mmact_files import Tree, csv_of, read
from tests.support.small_disk import needs_mount, run_on

FILMS = video.Input(8, 32, 8, 32)
BOTH = ("imu", "video")
Written = dict[str, Shards]


def test_an_interrupted_write_goes_on_where_it_stopped(written: Written, manifest: Manifest, tmp_path: Path) -> None:
    whole = written["video"]
    folder = tmp_path / "shards" / "video" / whole.folder.name
    shutil.copytree(whole.folder, folder)
    lost = folder / whole.files[2]
    for file in (folder / "index.json", lost):
        file.unlink()
    lost.with_suffix(".1.part").write_bytes(b"half a shard")
    before = times(folder)
    told: list[tuple[int, int]] = []
    again = sharding.write(tmp_path, manifest, "video", FILMS, lambda done, total: told.append((done, total)))
    assert again == replace(whole, folder=folder)
    assert {name: time for name, time in times(folder).items() if name in before} == before
    assert pq.read_table(lost).equals(pq.read_table(whole.folder / lost.name))
    assert (folder / "index.json").read_text() == (whole.folder / "index.json").read_text()
    assert told == [(clips, 12) for clips in range(2, 13, 2)]


def test_a_clip_that_cannot_be_decoded_leaves_no_index(
    ray_local: None, recordings: Path, manifest: Manifest, tmp_path: Path
) -> None:
    """Every one of a shard is named, and a start with --skip-bad goes on without them."""
    frames = manifest.clips.column("video_count").to_pylist()
    longer = pa.array([frames[0] + 40, frames[1] + 40, *frames[2:]], pa.int32())
    with pytest.raises(BadRecordings, match=r"go on without them with --skip-bad\. The other shards stay") as raised:
        sharding.write(tmp_path, with_column(manifest, "video_count", longer), "video", FILMS)
    files = manifest.clips.column("video").to_pylist()[:2]
    assert [b.file for b in raised.value.bad] == files
    assert all("of 8 sampled frames decoded" in b.reason for b in raised.value.bad)
    assert not list(tmp_path.rglob("index.json")) and len(list(tmp_path.rglob("part-*.parquet"))) == 5
    undecoded.remember(tmp_path / "scans", manifest.root, raised.value.bad)

    def read(names: Sequence[str], *, skip_bad: bool = False) -> Manifest:
        return corpora.read("synthetic", manifest.root, tmp_path / "scans", names, skip_bad=skip_bad)

    again = read(BOTH, skip_bad=True)
    assert again.clips.equals(manifest.clips.slice(2)) and again.bad == raised.value.bad
    assert read(BOTH).digest == manifest.digest
    signals = read(("imu",), skip_bad=True)
    assert signals.digest == manifest.of(("imu",)).digest and signals.bad == (), "their videos are no matter"


def test_a_clip_without_a_recording_is_padding(
    ray_local: None, inputs: dict[str, Any], manifest: Manifest, tmp_path: Path
) -> None:
    for name, given in inputs.items():
        files, counts = (manifest.clips[column].to_pylist() for column in (name, f"{name}_count"))
        lacking = with_column(manifest, name, pa.array([*files[:5], None, None, *files[7:]]))
        lacking = with_column(lacking, f"{name}_count", pa.array([*counts[:5], 0, 0, *counts[7:]], pa.int32()))
        lacking.write(tmp_path / "manifest.parquet")
        assert Manifest.read(tmp_path / "manifest.parquet").clips.equals(lacking.clips)
        made = sharding.write(tmp_path, lacking, name, given).table(range(4, 8))
        assert made.equals(Recordings.of(lacking, name, given).table(range(4, 8)))
        assert [length > 0 for length in made[f"{name}_length"].to_pylist()] == [True, False, False, True]
        values = np.array(made[name].to_pylist())
        assert values.shape == (4, np.prod(modalities.of(name).shape(given)))
        assert [clip.any() for clip in values] == [True, False, False, True]


def test_a_recording_that_takes_its_process_along_is_named(
    ray_local: None, recordings: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Data would start the task again for ever. Another one died once, through no fault of its recordings."""
    videos = manifest.clips["video"].to_pylist()
    shutil.copytree(recordings, tmp_path / "recordings")
    (tmp_path / "recordings" / videos[5]).write_bytes(b"no video")
    (tmp_path / "seen").mkdir()

    @dataclass(frozen=True)
    class Crashing(Recordings):
        def tried(self, rows: Sequence[int]) -> tuple:
            seen = self.root.parent / "seen" / str(rows[0])
            if 5 in rows or (rows[0] == 0 and not seen.exists()):
                seen.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().tried(rows)

    monkeypatch.setattr(sharding, "Recordings", Crashing)
    moved = replace(manifest, root=tmp_path / "recordings")
    with pytest.raises(BadRecordings, match=rf"{videos[5]}: is no video that can be decoded") as told:
        sharding.write(tmp_path, moved, "video", FILMS)
    assert [bad.file for bad in told.value.bad] == [videos[5]]
    left = times(shards.folder_of(tmp_path, manifest, "video", FILMS))
    assert sorted(left) == [f"part-{i:05d}.parquet" for i in (0, 1, 3, 4, 5)]


@pytest.mark.parametrize("name", BOTH)
def test_a_task_that_dies_again_and_again_is_given_up(
    name: str, recordings: Path, manifest: Manifest, tmp_path: Path
) -> None:
    files, how = manifest.clips[name].to_pylist()[:2], (SUMMARY, name, "utd-mhad")
    note = tmp_path / "part-00000.begun"
    note.write_bytes(b"..")
    with crashes.counted(note) as died:
        assert not crashes.culprits(recordings, files, died, *how)
        assert died == 2 and note.read_bytes() == b"..."
    assert not note.exists()
    [bad] = crashes.culprits(recordings, files, crashes.MOST, *how)
    assert bad.file == files[0] and "the process that decodes it and what follows was killed" in bad.reason


def test_each_sensors_file_is_read_apart_where_a_task_has_died(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    csv_of(folder, "acc_phone").unlink()
    recordings = Recordings.of(read(folder), "imu", imu.Input(60, 12))
    files = recordings.files([0, 1])
    assert [Path(file).parts[0] for file in files] == ["acc_watch_clip", "gyro_clip", "orientation_clip"]
    assert not crashes.culprits(recordings.root, files, 1, SUMMARY, "imu", "mmact")
    csv_of(folder, "gyro").write_text("hello\n")
    [bad] = crashes.culprits(recordings.root, files, 1, SUMMARY, "imu", "mmact")
    assert bad.file == files[1] and bad.reason.startswith("is no CSV of time,x,y,z")


ON_A_FULL_DISK = """
import sys, ray
from pathlib import Path
from datasets import sharding, shards
from datasets.files import crashes
from datasets.manifest import Manifest
from datasets.modalities import video
from orchestrator.driver.terminal import refuse_bad_input
storage, manifest = Path(sys.argv[1]), Manifest.read(Path(sys.argv[2]))
films = video.Input(8, 64, 8, 64)
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
ballast = storage / "ballast"
ballast.write_bytes(bytes((1 << 20) - 2 * 4096))
print(refuse_bad_input(lambda: sharding.write(storage, manifest, "video", films)))
folder = shards.folder_of(storage, manifest, "video", films)
print([file.name for file in folder.glob("*.json")])
ballast.unlink()
print(sum(refuse_bad_input(lambda: sharding.write(storage, manifest, "video", films)).clips))
print(sorted(file.suffix for file in folder.iterdir()) == [".json"] + [".parquet"] * 6)
"""


@needs_mount
@pytest.mark.long
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
