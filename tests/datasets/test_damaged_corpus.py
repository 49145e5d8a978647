"""Damaged shards, their index, and what was remembered of the recordings: found, and only that is done again."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from datasets import corpora, sharding, shards
from datasets.decoding import Recordings
from datasets.files.atomic import write_whole
from datasets.manifest import Manifest
from datasets.modalities import video
from tests.support.runs.spoilt import Damage, cut, emptied, flipped, zeroed

FILMS = video.Input(4, 16, 4, 16)
ABOUT = {"modality": "video", "input": {"frames": 4, "size": 16, "crop": "frame"}, "notes": []}


def first_shard(folder: Path, manifest: Manifest) -> Callable[[], dict]:
    """Writes part-00000.parquet, unless it is there and whole."""
    recordings = Recordings.of(manifest, "video", FILMS)
    start, stop = recordings.bounds()[:2]
    return partial(
        sharding._write_shard, {"file": "part-00000.parquet", "start": start, "stop": stop}, recordings, folder
    )


@pytest.mark.parametrize("damage", [cut, emptied, zeroed])
def test_a_damaged_shard_is_decoded_again(damage: Damage, manifest: Manifest, tmp_path: Path) -> None:
    written, file = first_shard(tmp_path, manifest), tmp_path / "part-00000.parquet"
    told = written()
    before, when = file.read_bytes(), file.stat().st_mtime_ns
    assert written() == told and file.stat().st_mtime_ns == when, "a whole one is left alone"
    damage(file)
    assert written() == told
    assert file.read_bytes() == before


def test_a_changed_bit_in_a_shard_is_found_by_who_reads_it(manifest: Manifest, tmp_path: Path) -> None:
    written, file = first_shard(tmp_path, manifest), tmp_path / "part-00000.parquet"
    index = ABOUT | {"files": [written()]}
    write_whole(tmp_path / "index.json", json.dumps(index))
    said: list[str] = []
    whole = shards.whole(tmp_path, said.append)
    assert whole and not said
    before = file.read_bytes()
    flipped(file)
    with pytest.raises(ValueError, match=r"part-00000\.parquet: is damaged .* the next start writes it again"):
        whole.table([0, 1])
    assert shards.whole(tmp_path, said.append) is None
    assert re.fullmatch(r"written again: .*/part-00000\.parquet: is damaged, as a run that read it found", said[0])
    written()
    assert file.read_bytes() == before and len(whole.table([0, 1])) == 2
    assert shards.whole(tmp_path, said.append)


@pytest.mark.parametrize("damage", [cut, emptied, zeroed])
def test_a_damaged_index_is_written_again(damage: Damage, manifest: Manifest, tmp_path: Path) -> None:
    index = ABOUT | {"files": [first_shard(tmp_path, manifest)()]}
    write_whole(tmp_path / "index.json", json.dumps(index))
    damage(tmp_path / "index.json")
    said: list[str] = []
    assert shards.whole(tmp_path, said.append) is None
    assert "index of shards is written again" in said[0] and "index.json" in said[0]


def test_an_index_names_no_file_elsewhere(tmp_path: Path) -> None:
    files = [{"file": "../../other/part-00000.parquet", "clips": 1, "bytes": 1}]
    (tmp_path / "index.json").write_text(json.dumps(ABOUT | {"files": files}))
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
    first = corpora.read("synthetic", recordings, tmp_path, ("imu", "video"))
    [remembered] = tmp_path.iterdir()
    before = remembered.read_bytes()
    damage(remembered)
    said: list[str] = []
    assert corpora.read("synthetic", recordings, tmp_path, ("imu", "video"), say=said.append).clips.equals(first.clips)
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
