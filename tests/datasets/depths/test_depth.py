"""The modality: from a file to what a network sees."""

import base64
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets import modalities
from datasets.modalities import Source, depth
from datasets.modalities.depth import Augmentation, Input

MODALITY = modalities.of("depth")
SEEN, SPARE = Input(8, 32, 8, 32), Input(8, 32, 12, 36, "motion")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Someone whose arm moves to the right and comes nearer, 20 frames."""
    clip = np.zeros((20, 48, 64), np.uint16)
    clip[:, 10:40, 28:36] = 2000
    for number in range(20):
        clip[number, 14:20, 36 : 38 + number // 2] = 2000 - 20 * number
    np.savez_compressed(tmp_path / "a_depth.npz", depth=clip)
    return tmp_path / "a_depth.npz"


def loaded(file: Path, given: Input) -> tuple[torch.Tensor, torch.Tensor]:
    count = MODALITY.found(file.parent, file.name, Source()).count
    values, length = MODALITY.load(file.parent, file.name, count, Source(), given)
    assert values.shape == MODALITY.shape(given) and values.nbytes == MODALITY.bytes(given)
    return torch.from_numpy(values)[None], torch.tensor([length])


def test_frames_are_taken_uniformly_and_a_short_clip_is_padded(file: Path) -> None:
    x, length = loaded(file, SEEN)
    assert length.tolist() == [8] and x.dtype == torch.uint8 and x.amax(dim=(2, 3, 4)).min() >= 128
    assert (x.flatten(2).amax(2).int().diff() > 0).all(), "the arm comes nearer from frame to frame"
    x, length = loaded(file, Input(32, 16, 32, 16))
    assert length.tolist() == [20] and not x[:, 20:].any()


def test_a_file_that_changed_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="has 20 frames and had 19: it changed while in use"):
        MODALITY.load(file.parent, file.name, 19, Source(), SEEN)


def test_the_network_sees_three_channels_of_depth_or_of_motion(file: Path) -> None:
    x, length = loaded(file, SEEN)
    plain = MODALITY.arrive(*MODALITY.see(x, length, SEEN, None), SEEN)
    assert plain.shape == (1, 8, 32, 32, 3) and torch.equal(plain[..., 0], x[..., 0])
    assert torch.equal(plain[..., 0], plain[..., 2])
    stored, length = loaded(file, SPARE)
    seen, kept = MODALITY.see(stored, length, SPARE, None)
    moving = MODALITY.arrive(seen, kept, SPARE)
    assert moving.shape == plain.shape and torch.equal(moving[..., 0], seen[..., 0])
    assert (moving[:, 0, :, :, 1] == 128).all() and (moving[:, 1:, :, :, 1] != 128).any()
    assert MODALITY.channels(SEEN) == 3 and MODALITY.drawn(SEEN, 2, torch.Generator()).shape == (2, 8, 32, 32, 3)


def test_training_clips_are_cropped_and_never_mirrored(file: Path) -> None:
    torch.manual_seed(0)
    x, length = loaded(file, SPARE)
    seen, _ = MODALITY.see(x.repeat(64, 1, 1, 1, 1), length.repeat(64), SPARE, Augmentation(crop=0.3))
    assert len(torch.unique(seen.flatten(1), dim=0)) > 32
    columns = torch.arange(32.0)
    bright = (seen[:, -1, :, :, 0] > 140).float().sum(1)  # the arm of the last frame, which is right of the body
    body = (seen[:, -1, :, :, 0] == 128).float().sum(1)
    assert ((bright @ columns) / bright.sum(1) > (body @ columns) / body.sum(1)).all()


def test_a_crop_without_anything_to_spare_changes_nothing_and_is_said() -> None:
    said = MODALITY.ineffective(SEEN, Augmentation(crop=0.3))
    assert said and said.startswith("crop 0.3 changes nothing") and "spare_frames" in said
    assert MODALITY.ineffective(SPARE, Augmentation(crop=0.3)) is None
    with pytest.raises(ValueError, match="crop is at least 0 and below 1"):
        Augmentation(crop=1.0)


def test_the_channels_are_not_part_of_what_shards_store() -> None:
    given = [MODALITY.input(depth.Settings(channels=name), Source(), lambda rate: 60) for name in ("depth", "motion")]
    assert given[0] != given[1] and MODALITY.stored(given[0]) == MODALITY.stored(given[1])


def test_the_example_of_a_request_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a_depth.mat"
    file.write_bytes(base64.b64decode(MODALITY.example(Source())))
    assert MODALITY.examine(file, Source()).count == 20


def test_depth_is_told_from_a_video_that_shows_it() -> None:
    video = modalities.of("video")
    assert (MODALITY.named(None), video.named("depth"), video.named("RGB")) == (
        "depth (mm)",
        "depth video (AVI)",
        "RGB",
    )
