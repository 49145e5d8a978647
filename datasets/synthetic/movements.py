"""The synthetic corpus's 27 movements, as tables: what each class's figure does, and what it is drawn of.

The sensor and the figure complement each other, so that fusing them pays. The two classes of each pair in VIDEO_TWINS
look alike: they differ in how the right forearm turns about its own axis, which no video, depth or skeleton shows. The
two of each pair in SIGNAL_TWINS measure alike: the limb that wears the sensor moves in the same way, and only another
limb tells them apart. Jogging and walking are the same steps at two speeds, which few frames of a clip hardly show. A
model that guesses within its pairs and is right everywhere else names 85 % of the clips (23 of 27) where it sees the
figure only and 81 % (22 of 27) where it has the sensor only; a model of both can name all of them.

The classes have UTD-MHAD's names. Where a twin asks for it, a movement is less like the real one.

Axes: x to the subject's left (the image's right), y up, z forward to the camera; metres, seconds, radians.
"""

import numpy as np

VIDEO_TWINS = (  # alike in videos, depth and skeletons, not in the signal
    ("throw", "tennis_serve"),
    ("push", "catch"),
    ("draw_x", "draw_triangle"),
    ("bowling", "pickup_throw"),
)
SIGNAL_TWINS = (  # alike in the signal, not to the eye
    ("swipe_left", "arm_cross"),
    ("wave", "clap"),
    ("boxing", "knock"),
    ("baseball_swing", "tennis_swing"),
    ("lunge", "squat"),
)

# Angles in degrees. Trunk T: lean, twist, side bend. Arms R, L: yaw (+ across the body), elevation (0 hanging,
# 90 level, 180 up), roll (+ inwards), elbow flexion, pronation. Legs r, l: hip flexion, abduction, knee flexion.
Pose = dict[str, tuple[float, ...]]
Keys = list[tuple[float, Pose]]
REST: Pose = {"T": (2, 0, 0), "R": (-40, 10, 30, 15, 0), "L": (-40, 10, 30, 15, 0), "r": (0, 4, 0), "l": (0, 4, 0)}
GROUPS = {"T": slice(0, 3), "R": slice(3, 8), "L": slice(8, 13), "r": slice(13, 16), "l": slice(16, 19)}
CHANNELS = 19


def _both(*arm: float) -> Pose:
    return {"R": arm, "L": arm}


def _wrist(*path: tuple[float, ...]) -> Keys:
    """Keys of the right arm alone: (seconds, yaw, elevation, roll 0, elbow flexion 15, pronation 0) each."""
    return [(seconds, {"R": (*arm, *(0, 15, 0)[len(arm) - 2 :])}) for seconds, *arm in path]


def _circle(direction: int) -> Keys:
    """A circle drawn with the straight arm; direction +1 is clockwise for the subject."""
    turn = [direction * 2 * np.pi * k / 12 for k in range(13)]
    return _wrist((0.4, -5, 116), *[(0.12, -5 - 28 * np.sin(angle), 88 + 28 * np.cos(angle)) for angle in turn])


def _steps(hip: float, knee: float, elbow: float, seconds: float, count: int) -> Keys:
    """Steps on the spot; the arms swing against the legs."""
    up, down, back, front = (hip, 3, knee), (-hip / 4, 3, 5), (-20, -25, 20, elbow, 0), (-20, 30, 20, elbow, 0)
    right, left = {"r": up, "l": down, "R": back, "L": front}, {"l": up, "r": down, "L": back, "R": front}
    return [(seconds, (right, left)[k % 2]) for k in range(count)]


SIT: Pose = {"r": (85, 5, 88), "l": (85, 5, 88), **_both(-20, 25, 30, 65, 0)}
LEAN: Pose = {"T": (42, 0, 0), "r": (80, 5, 92), "l": (80, 5, 92), **_both(-15, 40, 20, 40, 0)}
LUNGE: Pose = {"r": (85, 4, 88), "l": (-10, 4, 75)}
SQUAT: Pose = {"T": (25, 0, 0), "r": (85, 8, 88), "l": (85, 8, 88), **_both(0, 80, 0, 10, 0)}
CROUCH: Pose = {"T": (35, 0, 0), "r": (5, 4, 35), "l": (40, 4, 40)}
BACKSWING: Pose = {"T": (8, -35, 0), "R": (-70, 70, -20, 50, 0)}
FORESWING: Pose = {"T": (5, 40, 0), "R": (35, 85, 0, 20, 60)}
GUARD, JAB = (-5, 40, 20, 125, 0), (5, 88, 0, 10, 50)
# Each class: (seconds since the key before, pose there); groups not named are at REST; 0 seconds is a start pose.
# fmt: off
MOVES: dict[str, Keys] = {
    "swipe_left": _wrist((0.5, -60, 80, 0, 25, 0), (0.4, 45, 85, 0, 35, 0), (0.3, 45, 85, 0, 35, 0)),
    "swipe_right": _wrist((0.5, 50, 85, 0, 60, 60), (0.3, -70, 85, 0, 10, 60), (0.2, -70, 80, 0, 10, 60)),
    "wave": _wrist((0.6, -75, 85, 0, 70, 0), *[(0.22, -75, 85, 0, elbow, 0) for elbow in (125, 60, 125, 60, 125)]),
    "clap": [(0.6, _both(-75, 85, 0, 70, 0)), *[(0.22, _both(-75, 85, 0, e, 0)) for e in (125, 60, 125, 60, 125)]],
    "throw": _wrist((0.6, -80, 95, -50, 90, 0), (0.25, 0, 105, 40, 20, 0), (0.2, 25, 45, 40, 20, 0)),
    "arm_cross": [(0.5, _both(-60, 80, 0, 25, 0)), (0.4, _both(45, 85, 0, 35, 0)), (0.3, _both(45, 85, 0, 35, 0))],
    "basketball_shoot": [(0.5, CROUCH | _both(5, 40, 25, 115, 30)), (0.3, _both(0, 150, 0, 15, 60)),
                         (0.3, _both(0, 140, 0, 15, 80))],
    "draw_x": _wrist((0.5, -35, 120), (0.3, 35, 60), (0.35, 35, 120), (0.3, -35, 60)),
    "draw_circle_CW": _circle(1),
    "draw_circle_CCW": _circle(-1),
    "draw_triangle": _wrist((0.5, -35, 120, 0, 15, 80), (0.3, 35, 60, 0, 15, -80), (0.35, 35, 120, 0, 15, 80),
                            (0.3, -35, 60, 0, 15, -80)),
    "bowling": [(0.6, CROUCH | {"R": (-5, -55, 0, 10, -40)}), (0.35, CROUCH | {"R": (5, 85, 0, 20, -40)})],
    "boxing": [(0.4, _both(*GUARD)), *[(0.18, {a: JAB, b: GUARD}) for a, b in ("RL", "LR") * 2], (0.2, _both(*GUARD))],
    "baseball_swing": [(0.6, BACKSWING | {"L": (55, 75, 0, 40, 0)}), (0.3, FORESWING | {"L": (-40, 85, 0, 20, 0)}),
                       (0.2, FORESWING | {"L": (-45, 95, 0, 30, 0)})],
    "tennis_swing": [(0.6, BACKSWING), (0.3, FORESWING), (0.2, FORESWING)],
    "arm_curl": [(0.45, _both(-20, 8, 20, elbow, -70)) for elbow in (135, 15, 135, 15)],
    "tennis_serve": _wrist((0.6, -80, 95, -50, 90, -80), (0.25, 0, 105, 40, 20, 80), (0.2, 25, 45, 40, 20, 100)),
    "push": [(0.5, _both(-25, 35, 30, 120, 80)), (0.15, _both(0, 85, 0, 15, 80)), (0.3, _both(0, 85, 0, 15, 80))],
    "knock": [(0.4, {"R": GUARD}), *[(0.18, {"R": arm}) for arm in (JAB, GUARD) * 2], (0.2, {"R": GUARD})],
    "catch": [(0.5, _both(-25, 35, 30, 120, -70)), (0.3, _both(0, 85, 0, 15, -70)), (0.1, _both(-10, 68, 10, 55, -70))],
    "pickup_throw": [(0.6, CROUCH | {"R": (-5, -55, 0, 10, 80)}), (0.35, CROUCH | {"R": (5, 85, 0, 20, -80)})],
    "jog": _steps(30, 45, 30, 0.22, 4),
    "walk": _steps(30, 45, 30, 0.5, 4),
    "sit2stand": [(0, SIT), (0.5, LEAN)],
    "stand2sit": [(0.6, LEAN), (0.5, SIT)],
    "lunge": [(0.7, LUNGE), (0.3, LUNGE)],
    "squat": [(0.7, SQUAT), (0.3, SQUAT)],
}
BONES = (  # from, to, width in metres, colour; at the same depth the later is in front
    *((f"{a}_{s}", f"{b}_{s}", width, colour) for s in "RL" for a, b, width, colour in (
        ("hip", "knee", 0.17, "trousers"), ("knee", "ankle", 0.13, "trousers"), ("ankle", "toe", 0.09, "shoe"))),
    ("hip_R", "hip_L", 0.16, "trousers"), ("pelvis", "chest", 0.27, "shirt"),
    ("shoulder_R", "shoulder_L", 0.13, "shirt"), ("neck", "head", 0.1, "skin"), ("head", "head", 0.25, "skin"),
    *((f"{a}_{s}", f"{b}_{s}", width, colour) for s in "RL" for a, b, width, colour in (
        ("shoulder", "elbow", 0.125, "sleeve"), ("elbow", "hand", 0.11, "skin"))),
)
# fmt: on
