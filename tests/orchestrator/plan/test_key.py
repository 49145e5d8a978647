"""A run's key: a digest of everything in its spec, which stays what it is."""

import json
from collections.abc import Iterator
from dataclasses import field, replace
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from datasets import modalities
from datasets.modalities import video
from models import encoders
from models.spec import EncoderSpec, NetworkSpec
from orchestrator.plan.recipes import HEADS
from orchestrator.plan.spec import RunSpec, dump
from tests.support.runs.three_specs import FUSION, INPUTS, SPECS, changed

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
        assert {("network", "encoders", modality, "settings", name) for name in encoder.telling} <= found.keys()
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
