"""RunSpec: the key is a digest of everything in it, and stays what it is."""

import json
from collections.abc import Iterator
from dataclasses import field, replace
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from datasets import modalities
from datasets.modalities import imu, video
from models import encoders, joins, objectives
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.plan.recipes import HEADS
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec, dump
from tests.support import specs

INPUTS = {"imu": imu.Input(326, 6), "video": video.Input(16, 64, 16, 64)}
FUSION = HEADS["fusion"].of(INPUTS)
S3D = EncoderSpec("s3d", {"weights": "kinetics400"})
# `code=1` whatever CODE is by now: raising it is meant to move keys, everything else here isn't.
SPECS = {
    "imu": RunSpec(
        stage="imu",
        network=NetworkSpec({"imu": EncoderSpec("cnn")}, HEADS["imu"]),
        data=DataSpec("5f0c", {"imu": INPUTS["imu"]}, ratio=0.25, hidden={"imu": (3, 11)}),
        optimization=Optimization(lr=1e-4, weight_decay=1e-6, batch=128, epochs=200),
        seed=2,
        code=1,
    ),
    "video": RunSpec(
        stage="video",
        network=NetworkSpec({"video": S3D}, HEADS["video"]),
        data=DataSpec("5f0c", {"video": INPUTS["video"]}),
        optimization=Optimization(lr=1e-3, weight_decay=1e-5, batch=16, epochs=10),
        seed=0,
        augmentation={"video": video.Augmentation(video=0.3)},
        threads=2,
        code=1,
    ),
    "fusion": RunSpec(
        stage="fusion",
        network=NetworkSpec({"imu": EncoderSpec("cnn"), "video": S3D}, FUSION),
        data=DataSpec("5f0c", INPUTS, hidden={"video": (3,)}),
        optimization=Optimization(lr=5e-4, weight_decay=5e-6, batch=16, epochs=15),
        seed=0,
        augmentation={"imu": imu.Augmentation(noise=0.03)},
        workers=2,
        threads=2,
        parents={"imu": "a1" * 8, "video": "b2" * 8},
        code=1,
    ),
}
# A key that moves makes every result on disk unknown: trained again, and beside the old one in MLflow.
KEYS = {"imu": "ef37d49a9bccf6c5", "video": "d5735d44ac962cf7", "fusion": "59810e7d216a517f"}


WORDS = {"crop": "motion", "channels": "motion", "optimizer": "adamw", "schedule": "one-cycle", "join": "attention"}
WORDS |= {"precision": "bf16", "objective": "contrastive"}


@pytest.fixture(autouse=True)
def another_part_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cnn", "s3d"):
        monkeypatch.setitem(encoders.ENCODERS, f"{name}x", encoders.ENCODERS[name])


def changes(value: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Every leaf of a spec's JSON with another value that the spec takes."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from changes(inner, (*path, name))
    elif isinstance(value, list):
        yield path, ["Mixed_5c"] if "finetuned" in path else [*value[:-1], value[-1] + 1]
    elif value is None:
        yield path, 100
    elif path[-1] in WORDS and isinstance(value, str):
        yield path, WORDS[path[-1]]
    elif path[0] == "augmentation":
        yield path, value + 0.5
    elif path[-1] == "missing":
        yield path, 0.5
    elif path[-1] in ("frames", "size"):
        yield path, value - 1
    else:
        yield path, value + ("x" if isinstance(value, str) else 1)


def changed(record: dict, path: tuple, value: Any) -> dict:
    copy = json.loads(json.dumps(record))
    inner = copy["spec"]
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return copy


@pytest.mark.parametrize("stage", SPECS)
def test_golden_keys(stage: str) -> None:
    assert SPECS[stage].stage == stage
    assert SPECS[stage].key == KEYS[stage]


@pytest.mark.parametrize("stage", SPECS)
def test_every_field_is_in_the_key(stage: str) -> None:
    record = SPECS[stage].to_json()
    found = {path: RunSpec.from_json(changed(record, path, value)).key for path, value in changes(record["spec"])}
    assert len(found) >= 25 and {("optimization", "lr"), ("network", "head", "label_smoothing")} <= found.keys()
    for modality in SPECS[stage].modalities:
        encoder = SPECS[stage].network.encoders[modality]
        assert {("network", "encoders", modality, "settings", name) for name in encoder.settings} <= found.keys()
        given = record["spec"]["data"]["inputs"][modality]
        assert {("data", "inputs", modality, name) for name in given} <= found.keys()
    assert SPECS[stage].key not in found.values()
    assert len(set(found.values())) == len(found)


def test_what_is_there_or_not_is_in_the_key() -> None:
    fusion = SPECS["fusion"]
    varied = [
        replace(fusion, parents={}),
        replace(fusion, parents={"imu": "a1" * 8}),
        replace(fusion, parents={"imu": "b2" * 8, "video": "a1" * 8}),
        replace(fusion, augmentation={}),
        replace(fusion, augmentation={"video": video.Augmentation()}),
        replace(fusion, data=replace(fusion.data, hidden={})),
        replace(fusion, data=replace(fusion.data, hidden={"imu": (3,)})),
        replace(fusion, network=replace(fusion.network, head=replace(FUSION, finetuned={}))),
        replace(fusion, network=replace(fusion.network, head=replace(FUSION, finetuned={"imu": ()}))),
    ]
    assert len({fusion.key, *(spec.key for spec in varied)}) == 1 + len(varied)


def test_the_order_in_which_things_are_named_is_none_of_the_keys() -> None:
    fusion = SPECS["fusion"]
    turned = replace(
        fusion,
        network=replace(fusion.network, encoders=dict(reversed(fusion.network.encoders.items()))),
        data=replace(fusion.data, inputs=dict(reversed(INPUTS.items()))),
        parents=dict(reversed(fusion.parents.items())),
    )
    assert turned == fusion and turned.key == fusion.key and turned.modalities == ("imu", "video")


@pytest.mark.parametrize("stage", SPECS)
def test_json_round_trip(stage: str) -> None:
    record = SPECS[stage].to_json()
    back = RunSpec.from_json(json.loads(json.dumps(record)))
    assert back == SPECS[stage] and back.modalities == SPECS[stage].modalities
    for name, given in back.data.inputs.items():
        assert type(given) is modalities.of(name).Input
    assert back.key == SPECS[stage].key == record["key"]
    assert back.to_json() == record
    # Plain JSON as it is: nothing that json would turn into something else.
    assert json.loads(json.dumps(record)) == record
    assert (record["spec"]["stage"], record["name"]) == (stage, SPECS[stage].name)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("optimization", "lr"), 1),
        (("optimization", "weight_decay"), 0),
        (("data", "ratio"), 1),
        (("seed",), 7.0),
        (("missing",), 0),
    ],
)
def test_whole_numbers_have_one_key(path: tuple, value: float) -> None:
    record = SPECS["imu"].to_json()
    keys = {RunSpec.from_json(changed(record, path, kind(value))).key for kind in (int, float)}
    assert len(keys) == 1


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
    assert {name for name, spec in found.items() if spec.classifies} == {"classification"}


def test_the_encoders_of_one_stage_are_in_the_key() -> None:
    one = replace(SPECS["fusion"], parents={})
    widths = {}
    for width in (8, 9):
        cnn = EncoderSpec("cnn", {"filters": (width, 16, 24)})
        widths[width] = replace(one, network=replace(one.network, encoders={**one.network.encoders, "imu": cnn}))
    assert len({SPECS["fusion"].key, one.key, *(spec.key for spec in widths.values())}) == 4
    back = RunSpec.from_json(json.loads(json.dumps(widths[8].to_json())))
    assert back == widths[8] and back.network.encoders["imu"].settings["filters"] == (8, 16, 24)


def test_a_field_that_came_later_moves_no_key_while_it_is_neutral(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Later:
        """As a spec would be, had it got the field `average`."""

        lr: float = 0.5
        average: float = field(default=0.0, metadata={"left_out_at": 0.0})

    assert dump(Later()) == {"lr": 0.5} and dump(Later(average=0.9)) == {"lr": 0.5, "average": 0.9}
    adapter = TypeAdapter(Later)
    assert all(adapter.validate_python(dump(made)) == made for made in (Later(), Later(average=0.9)))

    now = encoders.ENCODERS["cnn"]
    later = replace(now, settings={**now.settings, "stride": 1}, left_out={"stride": 1})
    monkeypatch.setitem(encoders.ENCODERS, "cnn", later)

    def key(**settings: Any) -> str:
        network = NetworkSpec({"imu": EncoderSpec("cnn", settings)}, HEADS["imu"])
        return replace(SPECS["imu"], network=network).key

    assert key() == key(stride=1) == KEYS["imu"] != key(stride=2)
    assert RunSpec.from_json(SPECS["imu"].to_json()).network.encoders["imu"].settings["stride"] == 1
