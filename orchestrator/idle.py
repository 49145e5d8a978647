"""An augmentation that would change no clip: its runs would train, and compare nothing. Refused before they start."""

from orchestrator.spec import RunSpec

WITHOUT = {
    "video": "shards hold no more frames or pixels than the network sees: add --set spare_frames 1.5",
    "warp": "signals aren't resampled to one length: add --set resampled 128",
    "crop": "signals aren't resampled to one length: add --set resampled 128",
}


def refuse_idle(spec: RunSpec) -> None:
    """Raises ValueError."""
    data, act = spec.data, set()
    if spec.kind != "video":
        act |= {"rotation", "scale", "noise"} | ({"warp", "crop"} if data.resampled else set())
    if spec.kind != "imu" and (data.stored_frames or data.stored_size):
        act |= {"video"}
    if spec.kind == "fusion":
        act |= {"missing"}
    read = {"imu": {"warp", "crop"}, "video": {"video"}, "fusion": set(WITHOUT)}[spec.kind]
    for name, value in vars(spec.augmentation).items():
        if value and name not in act:
            why = f"where {WITHOUT[name]}, or set it to 0." if name in read else f"of {spec.kind} runs; leave it out."
            raise ValueError(f"{spec.kind}.augmentation.{name} {value:g} changes nothing {why}")
