"""RunSpec: what it refuses, and what a run is called."""

from dataclasses import replace
from typing import Any

import pytest

from datasets import modalities
from models import encoders, joins, objectives
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec
from tests.support.runs import specs
from tests.support.runs.three_specs import FUSION, SPECS, changed

PARTS = [(), ("network",), ("network", "head"), ("data",), ("optimization",)]
PARTS += [("network", "encoders", "S"), ("network", "encoders", "S", "settings"), ("data", "inputs", "S")]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("stage", ["imu", "video"])
def test_unknown_fields_are_refused(stage: str, part: tuple) -> None:
    part = tuple(stage if name == "S" else name for name in part)
    with pytest.raises(ValueError, match="momentum"):
        RunSpec.from_json(changed(SPECS[stage].to_json(), (*part, "momentum"), 0.9))


def test_unknown_arguments_are_refused() -> None:
    unknown: dict[str, Any] = {"momentum": 0.9}
    with pytest.raises(ValueError, match="momentum"):
        Optimization(lr=1, weight_decay=0, batch=2, epochs=1, **unknown)
    with pytest.raises(ValueError, match="momentum"):
        EncoderSpec("cnn", unknown)
    with pytest.raises(ValueError, match="Mixed_9z"):
        specs.network("video", finetuned={"video": ("Mixed_9z",)})


@pytest.mark.parametrize(
    ("wrong", "known"),
    [
        (lambda: EncoderSpec("s4d"), [*encoders.ENCODERS]),
        (lambda: HeadSpec(join="sum"), [*joins.JOINS]),
        (lambda: NetworkSpec({}, objective="regression"), [*objectives.OBJECTIVES]),
        (lambda: DataSpec("5f0c", {"sound": {}}), [*modalities.MODALITIES]),
    ],
)
def test_a_part_that_is_not_there_is_refused_and_those_there_are_named(wrong: Any, known: list[str]) -> None:
    with pytest.raises(ValueError, match="there is no such.*" + ".*".join(known)):
        wrong()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"filters": (1, 2)}, r"cnn.filters \(1, 2\): it is of another kind"),
        ({"dropout": "0.1"}, r"cnn.dropout 0.1: it is of another kind than 0.1"),
        ({"channels": True}, r"cnn.channels True: it is of another kind"),
        ({"channels": 6.5}, r"cnn.channels 6.5: it is of another kind"),
    ],
)
def test_a_setting_of_another_kind_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EncoderSpec("cnn", settings)


def test_settings_are_whole_and_of_one_kind() -> None:
    """Those that aren't named have their usual value; a list is a tuple and a whole number a float where it must be."""
    assert EncoderSpec("cnn").settings == dict(encoders.ENCODERS["cnn"].settings)
    read = EncoderSpec("cnn", {"filters": [32, 64, 96], "dropout": 0})
    assert read == EncoderSpec("cnn", {"dropout": 0.0}) and type(read.settings["dropout"]) is float
    with pytest.raises(ValueError, match=r"precision fp16: choose from fp32, bf16"):
        EncoderSpec("s3d", {"precision": "fp16"})


def test_encoders_and_inputs_are_of_the_same_modalities() -> None:
    with pytest.raises(ValueError, match=r"encoders of \['imu'\] and inputs of \['video'\]"):
        replace(SPECS["imu"], data=SPECS["video"].data)
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match=f"missing={share}: a share"):
            replace(SPECS["fusion"], missing=share)


@pytest.mark.parametrize("wrong", [{"lr": 0}, {"lr": -1}, {"weight_decay": -1}, {"batch": 1}, {"epochs": -1}])
def test_what_cannot_be_trained_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Optimization(**{"lr": 1, "weight_decay": 0, "batch": 2, "epochs": 1} | wrong)


def test_specs_are_frozen() -> None:
    for part in (SPECS["imu"], SPECS["imu"].data, SPECS["imu"].network, SPECS["imu"].data.inputs["imu"]):
        with pytest.raises(AttributeError):
            part.seed = 1  # pyright: ignore


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (SPECS["imu"], "imu ratio=0.25 imu*=2 seed=2"),
        (SPECS["video"], "video seed=0"),
        (SPECS["fusion"], "fusion imu+video video*=1 seed=0"),
        (replace(SPECS["imu"], stage="pretraining"), "pretraining imu ratio=0.25 imu*=2 seed=2"),
        (specs.run("imu", protocol="leave-one-subject-out/3"), "imu tested=3 seed=0"),
        (specs.run("imu", "video", missing=0.5), "fusion imu+video one-stage modality-dropout seed=0"),
    ],
)
def test_name_is_what_sets_it_apart(spec: RunSpec, name: str) -> None:
    assert spec.name == name


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({}, "all-finetuned "),
        ({"video": ("Mixed_5c",)}, ""),
        ({"imu": (), "video": ()}, "frozen "),
        ({"imu": (), "video": ("Mixed_5c",)}, ""),
        ({"imu": ("conv1", "conv2", "conv3")}, "all-finetuned "),
    ],
)
def test_a_name_says_what_is_fine_tuned_where_it_is_all_or_nothing(head: dict, words: str) -> None:
    fusion = SPECS["fusion"]
    spec = replace(fusion, network=replace(fusion.network, head=replace(FUSION, finetuned=head)))
    assert spec.name == f"fusion imu+video video*=1 {words}seed=0"
    attention = replace(spec.network.head, join="attention")
    assert replace(spec, network=replace(spec.network, head=attention)).name.endswith(f"{words}attention seed=0")


def test_a_run_classifies_where_its_objective_does() -> None:
    found = {
        name: replace(SPECS["imu"], network=replace(SPECS["imu"].network, objective=name))
        for name in objectives.OBJECTIVES
    }
    assert {name for name, spec in found.items() if spec.classifies} == {
        "classification",
        "distillation",
        "temporal-relations",
    }
