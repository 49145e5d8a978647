"""Streams: who gets which clips, and batches whose content and order only their arguments decide. With a real Ray."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets import decoding, modalities, sharding, splits, stream, tasks
from datasets.decoding import Recordings
from datasets.manifest import Manifest
from datasets.shards import Shards
from datasets.signals import inertial
from datasets.stream import Batch
from datasets.videos import decode

Source = Shards | Recordings
BOTH = ("imu", "video")
ROWS = np.array([9, 1, 2, 4, 5, 6, 7, 11])  # of 12, out of order; shards hold two each


@pytest.mark.parametrize(
    ("batch", "workers", "expected"),
    [(18, 1, [18]), (18, 4, [5, 5, 4, 4]), (16, 4, [4, 4, 4, 4]), (7, 3, [3, 2, 2]), (2, 3, [1, 1, 0])],
)
def test_a_batch_is_sliced_as_evenly_as_it_goes(batch: int, workers: int, expected: list[int]) -> None:
    assert stream.slices(batch, workers) == expected


@pytest.mark.parametrize(
    ("clips", "batch", "workers", "expected"),
    [
        (36, 18, 1, [18, 18]),
        (40, 18, 1, [18, 18, 4]),
        (38, 18, 1, [18, 18, 2]),
        (37, 18, 1, [18, 18]),  # BatchNorm has no statistics of one clip
        (43, 18, 4, [18, 18]),
        (44, 18, 4, [18, 18, 8]),
        (5, 18, 1, [5]),
        (8, 18, 4, [8]),
        (18, 18, 4, [18]),
    ],
)
def test_the_batches_of_an_epoch(clips: int, batch: int, workers: int, expected: list[int]) -> None:
    assert stream.batch_sizes(clips, batch, workers) == expected


@pytest.mark.parametrize(("clips", "batch", "workers"), [(0, 18, 1), (1, 18, 1), (7, 18, 4), (100, 7, 4), (100, 1, 1)])
def test_too_few_clips_for_the_workers_are_refused(clips: int, batch: int, workers: int) -> None:
    with pytest.raises(ValueError, match=f"{clips} training clips in batches of {batch} are too few for {workers}"):
        stream.batch_sizes(clips, batch, workers)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("clips", [18, 36, 43, 44, 430])
def test_dealt_rows_are_a_partition_in_shares_of_each_batch(clips: int, workers: int) -> None:
    rows = np.arange(clips) * 2 + 1
    owned = stream.deal(rows, 18, workers, seed=0)
    assert sorted(np.concatenate(owned)) == rows.tolist()
    assert all((np.diff(part) > 0).all() for part in owned)
    batches = [*[18] * (clips // 18), clips % 18]
    for rank, part in enumerate(owned):
        assert len(part) == sum(stream.slices(batch, workers)[rank] for batch in batches)
        # Cut into its slices, a worker's own clips make as many batches as every other's.
        assert len(part) >= sum(stream.slices(size, workers)[rank] for size in stream.batch_sizes(clips, 18, workers))


def test_dealing_depends_on_the_seed_alone() -> None:
    dealt = {seed: [part.tolist() for part in stream.deal(np.arange(40), 18, 4, seed)] for seed in (0, 1)}
    assert dealt[0] == [part.tolist() for part in stream.deal(np.arange(40), 18, 4, 0)]
    assert dealt[0] != dealt[1]


@pytest.fixture(scope="module")
def read(inputs: dict[str, Any], written: dict[str, Shards], manifest: Manifest) -> Callable[..., list[Batch]]:
    """Batches of these modalities, from shards unless other sources are given."""
    shapes = {name: modalities.of(name).shape(given) for name, given in inputs.items()}

    def batches(size: int, order: int | None = None, names: Sequence[str] = ("imu",), **other: Source) -> list[Batch]:
        sources = {name: other.get(name, written[name]) for name in names}
        return list(stream.batches(stream.dataset(sources, ROWS, splits.labels(manifest)), size, shapes, order))

    return batches


def rows_of(batches: list[Batch]) -> list[list[int]]:
    return [batch["row"].tolist() for batch in batches]


def joined(batches: list[Batch]) -> Batch:
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


@pytest.fixture(scope="module")
def fusion(read: Callable[..., list[Batch]]) -> list[Batch]:
    return read(3, names=BOTH)


def test_the_asked_rows_come_once_in_manifest_order(fusion: list[Batch], manifest: Manifest) -> None:
    assert rows_of(fusion) == [[1, 2, 4], [5, 6, 7], [9, 11]]
    labels = manifest.clips.column("label").to_numpy()
    assert joined(fusion)["label"].tolist() == labels[np.sort(ROWS)].tolist()


def test_a_batch_has_its_shapes_and_types(fusion: list[Batch], manifest: Manifest) -> None:
    kinds = {name: (tuple(values.shape[1:]), values.dtype) for name, values in fusion[0].items()}
    lengths = dict.fromkeys(("row", "label", "imu_length", "video_length"), ((), torch.int64))
    imu, video = ((manifest.longest("imu"), 6), torch.float32), ((8, 32, 32, 3), torch.uint8)
    assert kinds == {**lengths, "imu": imu, "video": video}


@pytest.mark.parametrize(("modality", "other"), [("imu", "video"), ("video", "imu")])
def test_one_modality_is_read_without_the_other(
    modality: str, other: str, read: Callable[..., list[Batch]], fusion: list[Batch]
) -> None:
    [alone] = read(100, names=(modality,))
    both = joined(fusion)
    assert set(alone) == {name for name in both if not name.startswith(other)}
    assert all(torch.equal(values, both[name]) for name, values in alone.items())


def test_the_content_is_that_of_the_recordings(fusion: list[Batch], manifest: Manifest) -> None:
    found = joined(fusion)
    for at, row in enumerate(found["row"].tolist()):
        clip = manifest.clips.slice(row, 1).to_pylist()[0]
        video, frames = decode.decode_video(manifest.root / clip["video"], 8, clip["video_count"], 32)
        imu, samples = inertial.pad_signal(inertial.read_mat(manifest.root / clip["imu"]), manifest.longest("imu"))
        np.testing.assert_array_equal(found["video"][at].numpy(), video)
        np.testing.assert_array_equal(found["imu"][at].numpy(), imu)
        assert (found["video_length"][at], found["imu_length"][at]) == (frames, samples)


def test_an_order_shuffles_and_its_seed_decides(read: Callable[..., list[Batch]]) -> None:
    first, again, other = (rows_of(read(3, order)) for order in (5, 5, 6))
    assert first == again != other
    for batches in (first, other):
        assert [len(batch) for batch in batches] == [3, 3, 2]
        flat = [row for batch in batches for row in batch]
        assert sorted(flat) == sorted(ROWS) != flat


@pytest.mark.parametrize(("size", "order"), [(3, None), (3, 5), (2, 6), (8, 2**31 - 1), (100, 0)])
def test_memory_gives_the_same_batches_in_the_same_order(
    size: int, order: int | None, read: Callable[..., list[Batch]], fusion: list[Batch]
) -> None:
    kept = joined(fusion)
    streamed = read(size, order, BOTH)
    remembered = list(stream.from_memory(kept, size, order))
    assert len(streamed) == len(remembered)
    for found, expected in zip(remembered, streamed, strict=True):
        assert set(found) == set(expected)
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(("parts", "size", "expected"), [(8, 100, 1), (8, 1 << 20, 2), (3, 1 << 30, 3), (0, 0, 1)])
def test_small_parts_share_a_task_and_large_ones_have_their_own(parts: int, size: int, expected: int) -> None:
    assert tasks.blocks_of(parts, size, least=512 << 10) == expected


def test_parts_that_share_a_task_give_the_same_batches(
    written: dict[str, Shards], inputs: dict[str, Any], manifest: Manifest
) -> None:
    shapes = {"imu": modalities.of("imu").shape(inputs["imu"])}
    found = []
    for clip_bytes in (None, modalities.of("imu").bytes(inputs["imu"])):
        clips = stream.dataset({"imu": written["imu"]}, ROWS, splits.labels(manifest), clip_bytes)
        found.append((clips.materialize().num_blocks(), list(stream.batches(clips, 3, shapes, order=5))))
    (apart, expected), (together, batches) = found
    assert apart > together == 1 and len(batches) == len(expected) == 3
    assert all(torch.equal(a[name], b[name]) for a, b in zip(batches, expected, strict=True) for name in b)


@pytest.mark.parametrize("order", [None, 5])
def test_recordings_give_the_batches_of_shards_of_whatever_sizes(
    order: int | None,
    read: Callable[..., list[Batch]],
    written: dict[str, Shards],
    inputs: dict[str, Any],
    manifest: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each modality's shards hold as many clips as fit: here one video, and two signals or all of a longer list."""
    monkeypatch.setattr(decoding, "SHARD_BYTES", 8 * 32 * 32 * 3)
    single = sharding.write(tmp_path, manifest, "video", inputs["video"])
    assert (single.clips, written["imu"].clips) == ((1,) * 12, (2,) * 6)
    fresh: dict[str, Recordings] = {name: Recordings.of(manifest, name, given) for name, given in inputs.items()}
    assert [len(of.bounds()) for of in fresh.values()] == [7, 13]
    expected = read(3, order, BOTH, video=single)
    for other in ({"video": single, "imu": fresh["imu"]}, {"video": fresh["video"]}, fresh):
        found = read(3, order, BOTH, **other)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in b)
    assert [part.tolist() for part in tasks.parts({"imu": written["imu"], "video": single}, np.sort(ROWS))] == [
        [row] for row in np.sort(ROWS)
    ]
