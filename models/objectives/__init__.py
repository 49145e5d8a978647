"""What a stage's network is trained for, a file each; a new one is a file here and a line in OBJECTIVES. No torch.

An objective is a subclass of `models.network.Network`. A method may bring one in its own file: "late_fusion:LateFusion"
is the class of that name in models/methods/late_fusion.py.
"""

from dataclasses import dataclass

from models.parts import check


@dataclass(frozen=True)
class Line:
    """`classifies`: it has a classifier, so that its runs have predictions and scores. `views`: how many variations of
    each training clip it sees in a step."""

    where: str
    classifies: bool = True
    views: int = 1


OBJECTIVES = {
    "classification": Line("models.objectives.classification:Classification"),
    "contrastive": Line("models.objectives.contrastive:Contrastive", classifies=False),
    "distillation": Line("models.objectives.distillation:Distillation"),
    "knowledge-mining": Line("models.objectives.knowledge_mining:KnowledgeMining", classifies=False),
    "simclr": Line("models.objectives.contrastive:SimCLR", classifies=False, views=2),
    "temporal-relations": Line("models.objectives.temporal_relations:TemporalRelations"),
}


def objective(name: str) -> Line:
    """Raises ValueError for one that isn't there."""
    if ":" in name:
        return Line(f"models.methods.{name}")
    check("objective", name, OBJECTIVES, "models/objectives")
    return OBJECTIVES[name]
