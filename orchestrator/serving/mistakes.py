"""The clips that a finished run names wrongly, as it sees them; no weights are needed."""

from collections.abc import Mapping

import numpy as np

from datasets import corpora, modalities
from datasets.manifest import Manifest
from orchestrator.report.analysis.mistakes import Mistake, choose
from orchestrator.serving.saliency import stored
from orchestrator.storage.store import Store
from orchestrator.worker.transforms import see


def mistakes(store: Store, key: str, names: Mapping[str, str]) -> list[Mistake]:
    """Of the largest cells of its confusion matrix; `names` are the modalities' in the report.

    Raises ValueError naming what is missing: neither shards nor recordings are there.
    """
    folder = store.run(key)
    spec = folder.spec
    manifest = Manifest.read(store.manifest(spec.data.recordings))
    layout = corpora.of(manifest.layout)
    at = {clip: row for row, clip in enumerate(manifest.clips["clip"].to_pylist())}
    out = []
    for row, size in choose(folder):
        batch = see(stored(store, spec, manifest, at[row["clip"]]), spec, vary=False)
        seen = {}
        for name in spec.modalities:
            length = max(1, int(batch[f"{name}_length"]))
            values = batch[name][0, :length].numpy()
            no_weight = np.zeros(values.shape[:-1], np.float32)
            seen[names[name]], _ = modalities.of(name).pictured(values, no_weight, layout.source(name))
        label, predicted = manifest.classes[row["label"]], manifest.classes[row["predicted"]]
        sure = row["probabilities"][row["predicted"]]
        out.append(Mistake(row["clip"], label, predicted, sure, size, seen))
    return out
