"""The report's appendix: a clip with what a network looked at in it, as PNG bytes of its frames and of its signals
with the prediction over time.

T frames, H, W pixels, S samples, C channels, M moments, K classes.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from datasets.files.atomic import read_json, write_whole
from orchestrator.report.figures import LETTERS, png, say

SHOWN = 8  # frames of a clip
SIDE, GAP = 120, 4  # pixels
SENSORS = {6: ("acceleration", "rotation"), 12: ("phone acc.", "watch acc.", "gyroscope", "orientation")}
LINES = ("#0072B2", "#D55E00", "#009E73")


@dataclass(frozen=True)
class Look:
    """One clip. `seen` has each modality's input by its name in the report, frames (T, H, W, C) or a signal (S, C), and
    how much hangs on it, (T, H, W) or (S,). `parts` is what each adds to the predicted class's logit; `so_far_MK` ends
    with all seen."""

    clip: str
    label: int
    classes: tuple[str, ...]
    seen: dict[str, tuple[np.ndarray, np.ndarray]]
    so_far_MK: np.ndarray
    parts: dict[str, float]

    @property
    def predicted(self) -> int:
        return int(self.so_far_MK[-1].argmax())

    @property
    def text(self) -> str:
        found = f"{self.classes[self.predicted]} ({100 * self.so_far_MK[-1].max():.0f} %)"
        named = f"rightly named {found}" if self.label == self.predicted else f"named {found}"
        added = " and ".join(f"{name} {value:+.1f}" for name, value in self.parts.items()).replace("-", "−")
        return f"{self.clip}, {self.classes[self.label]}, {named}. To that logit add {added}."


def frames(look: Look) -> bytes:
    """Some of the frames in order, and below each, where the prediction hangs on it; nothing without frames."""
    strips = [_strip(frames_THWC, heat_THW) for frames_THWC, heat_THW in look.seen.values() if frames_THWC.ndim == 4]
    if not strips:
        return b""
    width = max(strip.shape[1] for strip in strips)
    strips = [np.pad(strip, ((0, GAP), (0, width - strip.shape[1]), (0, 0))) for strip in strips]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(strips)[:-GAP]).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _strip(frames_THWC: np.ndarray, heat_THW: np.ndarray) -> np.ndarray:
    at = np.unique(np.linspace(0, len(frames_THWC) - 1, SHOWN).round().astype(int))
    top = max(float(np.quantile(heat_THW, 0.995)), 1e-12)
    canvas = np.zeros((2 * SIDE + GAP, len(at) * (SIDE + GAP) - GAP, 4), np.uint8)  # gaps are transparent
    for column, index in enumerate(at):
        frame = _enlarged(frames_THWC[index])
        glow = colormaps["inferno"](_enlarged(np.clip(255 * heat_THW[index] / top, 0, 255).astype(np.uint8)))
        grey = frame.mean(axis=-1, keepdims=True)
        left = column * (SIDE + GAP)
        canvas[:SIDE, left : left + SIDE, :3] = frame
        canvas[SIDE + GAP :, left : left + SIDE, :3] = np.clip(0.35 * grey + 230 * glow[..., :3], 0, 255)
        canvas[:SIDE, left : left + SIDE, 3] = canvas[SIDE + GAP :, left : left + SIDE, 3] = 255
    return canvas


def _enlarged(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


@rc_context(LETTERS)
def signal(look: Look, protocol: str = "") -> bytes:
    """The signals over the clip, shaded where the prediction hangs on them, above what the network says so far."""
    rows = [
        (sensor, lines_SC, weight_S)
        for name, (signal_SC, weight_S) in look.seen.items()
        if signal_SC.ndim == 2
        for sensor, lines_SC in sensors_of(name, signal_SC)
    ]
    figure = Figure(figsize=(6, 1.4 * len(rows) + 2.2), layout="constrained")
    grid = figure.subplots(len(rows) + 1, 1, sharex=True, height_ratios=[1] * len(rows) + [1.4], squeeze=False)
    *sensors, last = grid[:, 0]
    for axes, (name, lines_SC, weight_S) in zip(sensors, rows, strict=True):
        draw_sensor(axes, name, lines_SC, weight_S)
    _prediction(last, look)
    handles, labels = last.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    say(figure, protocol)
    return png(figure, *sensors, last)


def sensors_of(name: str, signal_SC: np.ndarray) -> list[tuple[str, np.ndarray]]:
    names = SENSORS.get(signal_SC.shape[1], (name,))
    return list(zip(names, np.array_split(signal_SC, len(names), axis=1), strict=True))


def draw_sensor(axes: Axes, name: str, lines_SC: np.ndarray, weight_S: np.ndarray) -> None:
    time_S = np.linspace(0, 100, len(lines_SC))
    shade = np.clip(weight_S / max(float(np.quantile(weight_S, 0.98)), 1e-12), 0, 1)
    for line, colour in zip(lines_SC.T, LINES, strict=False):
        axes.plot(time_S, line, color=colour, linewidth=1.2)
    low, high = axes.get_ylim()
    axes.imshow(shade[None], extent=(0, 100, low, high), aspect="auto", cmap="Greys", vmin=0, vmax=2.2, zorder=0)
    axes.set_ylabel(name)
    axes.tick_params(labelleft=False)


def _prediction(axes: Axes, look: Look) -> None:
    """The true class, the one named, and the runner-up."""
    time_M = np.linspace(0, 100, len(look.so_far_MK) + 1)[1:]
    for index, at in enumerate(dict.fromkeys([look.label, *np.argsort(look.so_far_MK[-1])[::-1][:2].tolist()])):
        label = look.classes[at] + (" (true)" if at == look.label else "")
        style = {"color": LINES[index], "linewidth": 2, "linestyle": "-" if at == look.label else "--"}
        axes.plot(time_M, 100 * look.so_far_MK[:, at], label=label.replace("$", r"\$"), **style)
    axes.set(xlim=(0, 100), ylim=(-2, 102), xlabel="share of the clip seen (%)", ylabel="probability (%)")


# Kept beside the report for whoever writes it next: they take weights, clips and minutes, which a grid hasn't at hand.


@dataclass(frozen=True)
class Pictured:
    """One clip, as the page shows it; PNG bytes, none where no modality has frames (or a signal)."""

    clip: str
    text: str
    frames: bytes
    signal: bytes


def draw(looks: Sequence[Look], protocol: str) -> list[Pictured]:
    """`protocol` stands on each."""
    return [Pictured(look.clip, look.text, frames(look), signal(look, protocol)) for look in looks]


def keep(folder: Path, run: str, clips: Sequence[Pictured], name: str = "look") -> None:
    """Written into the report's folder; which run they are of comes last."""
    about = []
    for number, each in enumerate(clips):
        parts = {"frames": each.frames, "signal": each.signal}
        drawn = [part for part, content in parts.items() if content]
        for part in drawn:
            (folder / f"{name}{number}_{part}.png").write_bytes(parts[part])
        about.append({"clip": each.clip, "text": each.text, "parts": drawn})
    write_whole(folder / f"{name}s.json", json.dumps({"run": run, "clips": about}, indent=1))


def kept(folder: Path, run: str | None, name: str = "look") -> list[Pictured]:
    """What was drawn of this run; nothing where that was another one, or where a picture is gone."""
    file = folder / f"{name}s.json"
    found = read_json(file) if file.exists() else {}
    if found.get("run") != run or "clips" not in found:
        return []
    clips = []
    for number, about in enumerate(found["clips"]):
        pngs = {part: folder / f"{name}{number}_{part}.png" for part in about["parts"]}
        if not all(png.exists() for png in pngs.values()):
            return []
        parts = {part: pngs[part].read_bytes() if part in pngs else b"" for part in ("frames", "signal")}
        clips.append(Pictured(about["clip"], about["text"], **parts))
    return clips
