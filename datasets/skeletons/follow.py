"""Follow one of the people that were found in the frames of a video. S frames, P people, J joints, D axes."""

from collections.abc import Sequence

import numpy as np

REACH = 0.2  # of a person's size, that their joints move at most from frame to frame: six sizes a second
GONE = 90  # frames, three seconds, after which whoever comes is somebody new


def followed(frames: Sequence[np.ndarray]) -> np.ndarray:
    """(S, J, D): the positions of one person. A joint whose confidence is 0 is NaN, and so is a frame without them.

    Each frame has (P, J, D + 1), with the joints' confidences last. In each frame the people are assigned to those of
    the frames before, where each was last seen, the nearest pairs first. Whoever is further from all of them than
    somebody moves in that time is somebody new. Of all people the one with the highest mean confidence is kept: the
    mean is over all joints and all frames, and a frame without the person counts as 0.
    """
    tracks: list[dict[int, np.ndarray]] = []  # by frame, the person in it
    for at, people in enumerate(frames):
        reached = [
            (apart, track, person)
            for track, seen in enumerate(tracks)
            if at - max(seen) <= GONE
            for person in range(len(people))
            if (apart := _distance(seen[last := max(seen)], people[person])) <= REACH * (at - last)
        ]
        taken: dict[int, int] = {}  # person -> track
        for _, track, person in sorted(reached):
            if person not in taken and track not in taken.values():
                taken[person] = track
        for person, found in enumerate(people):
            if person in taken:
                tracks[taken[person]][at] = found
            else:
                tracks.append({at: found})
    joints, numbers = frames[0].shape[1:]
    out = np.full((len(frames), joints, numbers - 1), np.nan)
    best = max(tracks, key=lambda seen: sum(found[:, -1].mean() for found in seen.values()), default={})
    for at, found in best.items():
        out[at] = _positions(found)
    return out


def _distance(before: np.ndarray, now: np.ndarray) -> float:
    """The mean over the joints that were found both times, as a share of the person's size."""
    before, now = _positions(before), _positions(now)
    apart = now - before
    if np.isnan(apart).all():  # no joint was found both times
        apart = np.nanmean(now, axis=0, keepdims=True) - np.nanmean(before, axis=0, keepdims=True)
    size = max(float(np.linalg.norm(np.nanmax(x, axis=0) - np.nanmin(x, axis=0))) for x in (before, now))
    return float(np.nanmean(np.linalg.norm(apart, axis=1))) / max(size, 1.0)


def _positions(person: np.ndarray) -> np.ndarray:
    """(J, D), NaN where the confidence is 0."""
    return np.where(person[:, -1:] > 0, person[:, :-1], np.nan)
