"""An augmentation that would change no clip: its runs would train, and compare nothing. Refused before they start."""

from orchestrator.plan.spec import RunSpec

ONE_LENGTH = "signals aren't resampled to one length: add --set resampled 128"
SPARE = "shards hold no more frames or pixels than the network sees: add --set spare_frames 1.5"


def refuse_idle(spec: RunSpec) -> None:
    """Raises ValueError."""
    imu, video, data = spec.kind != "video", spec.kind != "imu", spec.data
    spare = bool(data.stored_frames or data.stored_size)
    # Whether such a run reads it, whether it acts there, and what it lacks otherwise.
    rules = {"rotation": (imu, True, ""), "noise": (imu, True, "")}
    rules |= dict.fromkeys(("warp", "crop"), (imu, bool(data.resampled), ONE_LENGTH))
    rules |= {"video": (video, spare, SPARE), "missing": (imu and video, True, "")}
    for name, value in vars(spec.augmentation).items():
        read, acts, lacks = rules[name]
        if value and not (read and acts):
            why = f"where {lacks}, or set it to 0." if read else f"of {spec.kind} runs; leave it out."
            raise ValueError(f"{spec.kind}.augmentation.{name} {value:g} changes nothing {why}")
