"""The report's appendix: pictures of what a run looks at, kept beside the report for whoever writes it next.

They take weights, clips and minutes; a grid that rewrites its report has none of these at hand.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.files.atomic import read_json, write_whole
from orchestrator.report import pictures
from orchestrator.report.pictures import Look

FILE = "looks.json"


@dataclass(frozen=True)
class Pictured:
    """One clip, as the page shows it; PNG bytes, none where no modality has frames."""

    clip: str
    text: str
    frames: bytes
    signal: bytes


def keep(folder: Path, run: str, looks: Sequence[Look], protocol: str) -> list[Pictured]:
    """Drawn, and written into the report's folder; which run they are of comes last. `protocol` stands on each."""
    drawn = [Pictured(look.clip, look.text, pictures.frames(look), pictures.signal(look, protocol)) for look in looks]
    for number, each in enumerate(drawn):
        (folder / f"look{number}_signal.png").write_bytes(each.signal)
        if each.frames:
            (folder / f"look{number}_frames.png").write_bytes(each.frames)
    about = {"run": run, "looks": [{"clip": d.clip, "text": d.text, "frames": bool(d.frames)} for d in drawn]}
    write_whole(folder / FILE, json.dumps(about, indent=1))
    return drawn


def kept(folder: Path, run: str | None) -> list[Pictured]:
    """What was drawn of this run; nothing where that was another one, or where a picture is gone."""
    if not (folder / FILE).exists():
        return []
    found = read_json(folder / FILE)
    drawn = []
    for number, look in enumerate(found["looks"]):
        names = [f"look{number}_frames.png"] * look["frames"] + [f"look{number}_signal.png"]
        if found["run"] != run or not all((folder / name).exists() for name in names):
            return []
        *frames, signal = ((folder / name).read_bytes() for name in names)
        drawn.append(Pictured(look["clip"], look["text"], frames[0] if frames else b"", signal))
    return drawn
