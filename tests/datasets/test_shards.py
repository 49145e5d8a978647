"""Shards: the index that is read elsewhere, and that nothing is decoded twice. With a real Ray."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets import modalities, sharding, shards
from datasets.decoding import SHARD_BYTES, Recordings, fixed
from datasets.manifest import Manifest
from datasets.modalities import video
from datasets.shards import Shards

FILMS = video.Input(8, 32, 8, 32)
BOTH = ("imu", "video")
Written = dict[str, Shards]


def times(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


@pytest.mark.parametrize("name", BOTH)
def test_the_index_is_a_frozen_surface(name: str, written: Written, manifest: Manifest) -> None:
    folder = written[name].folder
    index = json.loads((folder / "index.json").read_text())
    assert set(index) == {"version", "manifest", "modality", "input", "files", "notes"} and index["notes"] == []
    assert (index["version"], index["manifest"]) == (shards.VERSION, manifest.of((name,)).digest)
    signals = {"samples": manifest.longest("imu"), "channels": 6, "rate": None}
    assert index["input"] == {"imu": signals, "video": {"frames": 8, "size": 32, "crop": "frame"}}[name]
    assert (folder.parent.name, index["modality"]) == (name, name)
    assert [set(file) for file in index["files"]] == [{"file", "clips", "bytes"}] * 6
    for file in index["files"]:
        assert (folder / file["file"]).stat().st_size == file["bytes"]
        assert pq.read_metadata(folder / file["file"]).num_rows == file["clips"] == 2


@pytest.mark.parametrize("name", BOTH)
def test_the_index_is_written_last_and_nothing_else_is_left(name: str, written: Written) -> None:
    found = times(written[name].folder)
    assert set(found) == {"index.json", *written[name].files}
    assert found["index.json"] == max(found.values())


def test_each_clip_is_in_one_shard_in_manifest_order(written: Written, manifest: Manifest) -> None:
    tables = {name: of.table(range(manifest.clips.num_rows)) for name, of in written.items()}
    for name, table in tables.items():
        assert table.column_names == ["row", name, f"{name}_length"]
        assert table.column("row").to_pylist() == list(range(manifest.clips.num_rows))
    assert tables["imu"].column("imu_length").to_pylist() == manifest.clips.column("imu_count").to_pylist()
    assert set(tables["video"].column("video_length").to_pylist()) == {8}
    assert tables["video"].schema.field("video").type == pa.list_(pa.uint8(), 8 * 32 * 32 * 3)
    assert tables["imu"].schema.field("imu").type == pa.list_(pa.float32(), manifest.longest("imu") * 6)
    shard = pq.ParquetFile(written["imu"].folder / written["imu"].files[0]).schema_arrow
    assert shard.field("imu").type == pa.binary(manifest.longest("imu") * 6 * 4), "a clip is one value"


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float16, np.float32])
def test_what_is_written_is_read_whatever_numbers_it_is_of(kind: type, tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    clips = [(200 * drawn.random((3, 5))).astype(kind) for _ in range(70)]  # of two row groups
    made = {"row": range(10, 80), "depth": fixed(clips, pa.from_numpy_dtype(np.dtype(kind))), "depth_length": [1] * 70}
    table = pa.table(made)
    shards.write_table(table.slice(5), tmp_path / "part.parquet")
    found = Shards(tmp_path, "depth", {}, ("part.parquet",), (65,), rows=tuple(range(15, 80)))
    assert found.table(range(15, 80)).equals(table.slice(5))
    assert found.table([16, 70, 79]).equals(table.take([6, 60, 69]))


@pytest.mark.parametrize("name", BOTH)
def test_asking_again_writes_nothing(name: str, written: Written, inputs: dict[str, Any], manifest: Manifest) -> None:
    folder = written[name].folder
    before = times(folder)
    assert sharding.write(folder.parents[2], manifest, name, inputs[name]) == written[name]
    assert times(folder) == before
    assert Shards.read(folder) == written[name]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("imu", {"samples": 400}),
        ("imu", {"rate": 50}),
        ("video", {"stored_frames": 9}),
        ("video", {"stored_size": 33}),
        ("video", {"crop": "motion"}),
    ],
)
def test_what_is_stored_otherwise_has_a_folder_of_its_own(
    name: str, changed: dict, written: Written, inputs: dict[str, Any], manifest: Manifest
) -> None:
    storage = written[name].folder.parents[2]
    assert shards.folder_of(storage, manifest, name, inputs[name]) == written[name].folder
    assert shards.folder_of(storage, manifest, name, replace(inputs[name], **changed)) != written[name].folder
    seen = {"resampled": 128} if name == "imu" else {"channels": "motion"}
    assert shards.folder_of(storage, manifest, name, replace(inputs[name], **seen)) == written[name].folder


def test_a_changed_corpus_has_a_folder_of_its_own_and_a_moved_one_not(written: Written, manifest: Manifest) -> None:
    """Shards are those of a modality: what changes in another one's recordings moves none of them."""
    folder = written["video"].folder
    fewer = replace(manifest, clips=manifest.clips.slice(1))
    for other in (changed(manifest, "video"), fewer, replace(manifest, shows={"video": "depth"})):
        assert shards.folder_of(folder.parents[2], other, "video", FILMS) != folder
    for same in (replace(manifest, root=Path("/moved")), changed(manifest, "imu"), manifest.of(("video",))):
        assert shards.folder_of(folder.parents[2], same, "video", FILMS) == folder


def changed(manifest: Manifest, modality: str) -> Manifest:
    content = ["changed", *manifest.clips.column(f"{modality}_content").to_pylist()[1:]]
    return with_column(manifest, f"{modality}_content", pa.array(content))


def with_column(manifest: Manifest, name: str, values: pa.Array) -> Manifest:
    at = manifest.clips.schema.get_field_index(name)
    return replace(manifest, clips=manifest.clips.set_column(at, name, values))


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
    found = Shards(Path("/s"), "video", {}, ("a", "b", "c", "d"), (3, 2, 2, 1))
    assert found.holding(rows) == expected


@pytest.mark.parametrize(("clips", "size", "per_shard"), [(5, 32, 1), (12, 32, 2), (861, 32, 108), (861, 224, 55)])
def test_a_shard_is_at_most_64_mb_and_there_are_about_eight(
    clips: int, size: int, per_shard: int, manifest: Manifest
) -> None:
    films = video.Input(8, size, 8, size)
    many = replace(manifest, clips=pa.concat_tables([manifest.clips] * (clips // 12 + 1)).slice(0, clips))
    starts = Recordings.of(many, "video", films).bounds()
    assert (starts[0], starts[-1]) == (0, clips) and set(np.diff(starts)[:-1]) == {per_shard}
    assert np.diff(starts)[-1] <= per_shard
    assert per_shard * modalities.of("video").bytes(films) <= SHARD_BYTES
