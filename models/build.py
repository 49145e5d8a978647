"""Build a network from its spec. torchvision (three seconds of import) is only paid for by runs that see video."""

from collections.abc import Mapping

import torch

from models import encoders
from models.encoders.encoder import Encoder
from models.network import Network
from models.objectives import objective
from models.parts import part
from models.spec import NetworkSpec


def build(spec: NetworkSpec, classes: int, seed: int, parents: Mapping[str, Network] | None = None) -> Network:
    """A network at the start of its training.

    A parent whose role is a modality hands over its encoder of it; the other encoders are drawn, each with the seed
    anew, so that a network of one stage starts from what stage 1 starts from.
    """
    trained = {role: parent for role, parent in (parents or {}).items() if role in spec.encoders}
    made: dict[str, Encoder] = {}
    for modality, encoder in spec.encoders.items():
        if modality in trained:
            made[modality] = trained[modality].encoder(modality)
            continue
        torch.manual_seed(seed)
        made[modality] = encoders.build(encoder.name, encoder.settings)
    if len(made) > 1 or parents:
        torch.manual_seed(seed)
    others = {role: parent for role, parent in (parents or {}).items() if role not in trained}
    return part(objective(spec.objective).where)(spec, made, classes, trained=set(trained), parents=others)
