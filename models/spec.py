"""What network a run trains, as data. No torch."""

from collections.abc import Collection, Mapping
from dataclasses import field, replace
from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from models.encoders import ENCODERS, settings_of
from models.joins import JOINS
from models.objectives import objective
from models.parts import check

FROZEN = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=FROZEN)
class EncoderSpec:
    """An encoder by its name in `models/encoders`, with all of its settings. Raises ValueError for one it hasn't."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", settings_of(self.name, self.settings))

    @property
    def telling(self) -> dict[str, Any]:
        """Its settings without those that came later and change nothing."""
        left_out = ENCODERS[self.name].left_out
        return {k: v for k, v in self.settings.items() if k not in left_out or v != left_out[k]}

    @property
    def weights(self) -> str:
        """The pretrained weights it starts from: "none", "kinetics400" or "sha256:..." of a file."""
        return self.settings.get("weights", "none")

    @property
    def frozen(self) -> int:
        """How many of its layers never train, those up to and including the block that `frozen` names."""
        block = self.settings.get("frozen", "none")
        return 0 if block == "none" else ENCODERS[self.name].blocks[block] + 1


@dataclass(frozen=True, config=FROZEN)
class HeadSpec:
    """What stands on the encoders (paper sections 3.1 to 3.3; the widths are open there).

    With `hidden` it is a two-layer MLP of that width, else dropout and one layer. `join` is how several embeddings
    become one: "concatenation" is the paper's, `models/joins` has the others. `finetuned` names, of the encoders that
    parents have trained, the blocks that train on; an encoder that it doesn't name trains on as a whole. Contrastive
    objectives divide cosines between the views of a clip by `temperature`, and CMC-CMKM those between clips of one
    modality by `temperature_within`.
    """

    hidden: int | None = 512
    dropout: float = 0.0
    join: str = "concatenation"
    finetuned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label_smoothing: float = 0.0
    temperature: float = field(default=0.1, metadata={"left_out_at": 0.1})
    temperature_within: float = field(default=1.0, metadata={"left_out_at": 1.0})

    def __post_init__(self) -> None:
        check("join", self.join, JOINS, "models/joins")
        if min(self.temperature, self.temperature_within) <= 0:
            raise ValueError(f"temperature {self.temperature} within {self.temperature_within}: both are above 0.")

    def of(self, modalities: Collection[str]) -> "HeadSpec":
        """The head on the encoders of these modalities alone."""
        return replace(self, finetuned={m: names for m, names in self.finetuned.items() if m in modalities})


@dataclass(frozen=True, config=FROZEN)
class NetworkSpec:
    """Encoders by modality, and an objective of `models/objectives` or of a method's own file."""

    encoders: Mapping[str, EncoderSpec]
    head: HeadSpec = HeadSpec()
    objective: str = "classification"

    def __post_init__(self) -> None:
        objective(self.objective)
        for modality, names in self.head.finetuned.items():
            blocks = ENCODERS[self.encoders[modality].name].blocks if modality in self.encoders else {}
            if unknown := [name for name in names if name not in blocks]:
                of = self.encoders[modality].name if modality in self.encoders else f"a network without {modality}"
                raise ValueError(f"finetuned {modality} {unknown}: {of} has no such block, only {', '.join(blocks)}.")
            encoder = self.encoders[modality]
            if inside := [name for name in names if blocks[name] < encoder.frozen]:
                raise ValueError(
                    f"finetuned {modality} {inside}: {encoder.name} is frozen up to {encoder.settings['frozen']}; name"
                    f" later blocks, or freeze fewer of them ({modality}.model.frozen)."
                )
        for modality, encoder in self.encoders.items():
            if encoder.frozen and encoder.weights == "none":
                none = "none" in ENCODERS[encoder.name].choices.get("frozen", ("none",))
                raise ValueError(
                    f"{modality}.model.frozen {encoder.settings['frozen']}: blocks that never train need weights to"
                    f" start from. Add --weights kinetics400 or a file"
                    + (f", or --set {modality}.model.frozen none." if none else ".")
                )

    @property
    def classifies(self) -> bool:
        """Whether it has a classifier: predictions and scores."""
        return objective(self.objective).classifies

    def whole(self, modality: str) -> bool:
        """Whether an encoder that a parent has trained trains on as a whole."""
        names = self.head.finetuned.get(modality)
        return names is None or set(names) == set(ENCODERS[self.encoders[modality].name].blocks) != set()
