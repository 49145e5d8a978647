"""Read the people that OpenPifPaf found in the frames of a video, as the MMAct challenge gives them. P people.

Each person has 51 numbers: x and y in pixels and a confidence for each of COCO's 17 joints. Three forms are read:

- the challenge's, by frame and person: {"1": {"person1": [51 numbers], "person2": []}, ...};
- a list of frames, each of which is a list of detections: [[{"keypoints": [51 numbers], ...}, ...], ...];
- `openpifpaf.video --json-output`, with a line for each frame: {"frame": 1, "predictions": [{"keypoints": ...}, ...]}.

The challenge's form is the one that CMC-CMKM's code reads (github.com/razzu/cmc-cmkm, mmact_raw_preprocessing.py).
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from datasets.files.bounded import read_bounded
from datasets.files.file_type import mistaken
from datasets.skeletons.joints import COCO

MAX_BYTES = 64 << 20  # of a file; a minute with five people has 5 MB
NUMBERS = 3 * len(COCO.names)
BLANK = re.compile(r"\s*")
NUMBERED = re.compile(r"(\d{1,9})\D*$")


def read_people(file: Path) -> list[np.ndarray]:
    """Of each frame the people in it, (P, 17, 3): x, y and confidence. Who has no joint above confidence 0 is left out.

    Raises ValueError for a file that is larger than 64 MB, is no JSON, has another form or holds what is no number.
    """
    content = read_bounded(file, MAX_BYTES)
    try:
        frames = _frames(_values(content.decode("utf-8-sig").strip()))
    except RecursionError:
        raise ValueError("is no JSON that can be read: it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError(mistaken(file) or "is no JSON that can be read: it isn't UTF-8") from None
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc) or error.doc[-1] not in "]}"
        why = "is cut off: copy or download it again" if cut else f"is no JSON that can be read ({error})"
        raise ValueError(mistaken(file) or why) from None
    if not frames:
        raise ValueError("has no frames")
    found = []
    for number, frame in enumerate(frames, 1):
        try:
            people = np.array([_person(person) for person in _people(frame)]).reshape(-1, len(COCO.names), 3)
        except ValueError as error:
            raise ValueError(f"frame {number} {error}") from None
        found.append(people[(people[..., 2] > 0).any(axis=1)])
    return found


def _values(text: str) -> list[Any]:
    """The JSON values of a text, of which there may be one a line. All numbers are floats, however large."""

    def refuse(name: str) -> float:
        raise ValueError(f"holds {name}, which is no number of JSON")

    decoder = json.JSONDecoder(parse_int=float, parse_constant=refuse)
    values, at = [], 0
    while at < len(text) or not values:
        value, at = decoder.raw_decode(text, at)
        values.append(value)
        at = BLANK.match(text, at).end()  # pyright: ignore[reportOptionalMemberAccess]
    return values


def _frames(values: list[Any]) -> list[Any]:
    """In the order of their numbers where their names have such, else in that of the file."""
    if len(values) > 1 or (isinstance(values[0], dict) and "predictions" in values[0]):
        return values
    if isinstance(values[0], list):
        return values[0]
    if not isinstance(values[0], dict):
        raise ValueError(f"holds {_shown(values[0])}, neither a list of frames nor frames by name")
    numbers = {name: NUMBERED.search(name) for name in values[0]}
    names = sorted(numbers, key=lambda name: int(numbers[name][1])) if all(numbers.values()) else numbers  # pyright: ignore
    return [values[0][name] for name in names]


def _people(frame: Any) -> list[Any]:
    """The numbers of each person in a frame."""
    if isinstance(frame, dict):
        people = frame.get("predictions", [person for name, person in frame.items() if name.startswith("person")])
        if frame and "predictions" not in frame and not people:
            raise ValueError(f"has neither predictions nor person1, but {_shown(', '.join(frame))}")
        frame = people
    if not isinstance(frame, list):
        raise ValueError(f"holds {_shown(frame)}, not a list of people")
    people = [person.get("keypoints") if isinstance(person, dict) else person for person in frame]
    return [person for person in people if person != []]


def _person(numbers: Any) -> list[float]:
    if not isinstance(numbers, list):
        raise ValueError(f"has {_shown(numbers)} for a person, not a list of keypoints")
    if all(isinstance(joint, list) for joint in numbers):
        numbers = [number for joint in numbers for number in joint]
    if len(numbers) != NUMBERS:
        wanted = f"{NUMBERS}: x, y and confidence of {len(COCO.names)} joints"
        raise ValueError(f"has {len(numbers)} numbers for a person, not {wanted}")
    for number in numbers:
        if type(number) is not float or not math.isfinite(number):
            raise ValueError(f"has {_shown(number)} where a number belongs")
    if (least := min(numbers[2::3])) < 0:
        raise ValueError(f"has a confidence of {least:g}, which is below 0")
    return numbers


def _shown(value: Any) -> str:
    return repr(value)[:40]
