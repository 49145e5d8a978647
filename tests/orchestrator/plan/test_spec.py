"""RunSpec: the key is a digest of everything in it, and stays what it is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from datasets.spec import Augmentation
from models import parts
from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator.plan.spec import DataSpec, Modality, Optimization, RunSpec

# `code=1` whatever CODE is by now: raising it is meant to move keys, everything else here isn't.
SPECS = {
    "imu": RunSpec(
        model=ImuModel(),
        data=DataSpec("5f0c", ratio=0.25, samples=326, hidden_imu=(3, 11)),
        optimization=Optimization(lr=1e-4, weight_decay=1e-6, batch=128, epochs=200),
        seed=2,
        code=1,
    ),
    "video": RunSpec(
        model=VideoModel(weights="kinetics400"),
        data=DataSpec("5f0c", frames=16, size=64),
        optimization=Optimization(lr=1e-3, weight_decay=1e-5, batch=16, epochs=10),
        seed=0,
        threads=2,
        code=1,
    ),
    "fusion": RunSpec(
        model=FusionModel(),
        data=DataSpec("5f0c", samples=326, frames=16, size=64, hidden_video=(3,)),
        optimization=Optimization(lr=5e-4, weight_decay=5e-6, batch=16, epochs=15),
        seed=0,
        workers=2,
        threads=2,
        parents=(("imu", "a1" * 8), ("video", "b2" * 8)),
        code=1,
    ),
}
# A key that moves makes every result on disk unknown: trained again, and beside the old one in MLflow.
KEYS = {"imu": "1393f393eaa5982f", "video": "d072f5f4d9997d63", "fusion": "52a5baab3008e47c"}
VARIED_KEY = "64a226445ac99b98"


WORDS = {"crop": "motion", "channels": "motion", "optimizer": "adamw", "schedule": "one-cycle", "by": "attention"}
WORDS |= {"precision": "bf16"}
ONE_STAGE_KEY = "4aa602c70d8d170d"


@pytest.fixture(autouse=True)
def another_part_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parts.IMU, "cnnx", "nowhere:Nothing")
    monkeypatch.setitem(parts.VIDEO, "s3dx", parts.VIDEO["s3d"])


def changes(value: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Every leaf of a spec's JSON with another value that the spec takes."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from changes(inner, (*path, name))
    elif isinstance(value, list):
        other = {"finetuned": ["Mixed_5c"], "parents": [["imu", "c3" * 8]]}
        yield path, other.get(path[-1]) or ([*value[:-1], value[-1] + 1] if value else [1])
    elif path == ("model", "imu"):
        return  # one stage needs both encoders: test_the_encoders_of_one_stage_are_in_the_key
    elif path == ("model", "video"):
        return
    elif value is None:
        yield path, 1
    elif path[-1] in WORDS and isinstance(value, str):
        yield path, WORDS[path[-1]]
    elif isinstance(value, bool):
        yield path, not value
    elif path[0] == "augmentation":
        yield path, value + 0.5
    else:
        yield path, value + ("x" if isinstance(value, str) else 1)


def changed(record: dict, path: tuple, value: Any) -> dict:
    copy = json.loads(json.dumps(record))
    inner = copy["spec"]
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return copy


@pytest.mark.parametrize("kind", SPECS)
def test_golden_keys(kind: str) -> None:
    assert SPECS[kind].kind == kind
    assert SPECS[kind].key == KEYS[kind]


@pytest.mark.parametrize("kind", SPECS)
def test_every_field_is_in_the_key(kind: str) -> None:
    record = SPECS[kind].to_json()
    found = {path: RunSpec.from_json(changed(record, path, value)).key for path, value in changes(record["spec"])}
    assert len(found) >= 17 and ("optimization", "lr") in found and ("data", "hidden_imu") in found
    assert SPECS[kind].key not in found.values()
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("kind", SPECS)
def test_json_round_trip(kind: str) -> None:
    record = SPECS[kind].to_json()
    back = RunSpec.from_json(json.loads(json.dumps(record)))
    assert back == SPECS[kind] and type(back.model) is type(SPECS[kind].model)
    assert back.key == SPECS[kind].key == record["key"]
    assert back.to_json() == record
    # Plain JSON as it is: nothing that json would turn into something else.
    assert json.loads(json.dumps(record)) == record
    assert (record["kind"], record["name"]) == (kind, SPECS[kind].name)


@pytest.mark.parametrize(
    ("path", "value"),
    [(("optimization", "lr"), 1), (("optimization", "weight_decay"), 0), (("data", "ratio"), 1), (("seed",), 7.0)],
)
def test_whole_numbers_have_one_key(path: tuple, value: float) -> None:
    record = SPECS["imu"].to_json()
    keys = {RunSpec.from_json(changed(record, path, kind(value))).key for kind in (int, float)}
    assert len(keys) == 1


@pytest.mark.parametrize("part", [(), ("model",), ("data",), ("optimization",)])
@pytest.mark.parametrize("kind", SPECS)
def test_unknown_fields_are_refused(kind: str, part: tuple) -> None:
    with pytest.raises(ValueError, match="momentum"):
        RunSpec.from_json(changed(SPECS[kind].to_json(), (*part, "momentum"), 0.9))


def test_unknown_arguments_are_refused() -> None:
    unknown: dict[str, Any] = {"momentum": 0.9}
    with pytest.raises(ValueError, match="momentum"):
        Optimization(lr=1, weight_decay=0, batch=2, epochs=1, **unknown)
    with pytest.raises(ValueError, match="Mixed_9z"):
        FusionModel(finetuned=("Mixed_9z",))


@pytest.mark.parametrize("wrong", [{"lr": 0}, {"lr": -1}, {"weight_decay": -1}, {"batch": 1}, {"epochs": 0}])
def test_what_cannot_be_trained_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Optimization(**{"lr": 1, "weight_decay": 0, "batch": 2, "epochs": 1} | wrong)


def test_specs_are_frozen() -> None:
    for part in (SPECS["imu"], SPECS["imu"].data, SPECS["imu"].model):
        with pytest.raises(AttributeError):
            part.seed = 1  # pyright: ignore


@pytest.mark.parametrize(("kind", "name"), [("imu", "imu ratio=0.25 imu*=2 seed=2"), ("video", "video seed=0")])
def test_name_is_what_sets_it_apart(kind: Modality, name: str) -> None:
    assert SPECS[kind].name == name


def test_the_encoders_of_one_stage_are_in_the_key() -> None:
    two = SPECS["fusion"]
    small, large = (
        replace(two, model=FusionModel(imu=ImuModel(hidden=n), video=VideoModel()), parents=()) for n in (8, 9)
    )
    assert len({two.key, small.key, large.key}) == 3
    back = RunSpec.from_json(json.loads(json.dumps(small.to_json())))
    assert back == small and isinstance(back.model, FusionModel) and back.model.imu == ImuModel(hidden=8)
    attention = replace(two, model=FusionModel(imu=ImuModel(), video=VideoModel(), by="attention"), parents=())
    assert attention.key == ONE_STAGE_KEY
    with pytest.raises(ValueError, match="both encoders"):
        FusionModel(imu=ImuModel())


def test_an_option_that_came_later_moves_no_key_while_it_is_neutral() -> None:
    """The key of a varied run from before modality dropout was an option, and while scaling was one."""
    how = Augmentation(rotation=10, noise=0.03, warp=0.2, crop=0.1)
    varied = replace(SPECS["imu"], augmentation=how)
    assert varied.key == VARIED_KEY
    assert replace(varied, augmentation=replace(how, missing=0.1)).key != VARIED_KEY


def test_a_folder_from_before_an_option_went_is_read_where_it_did_nothing() -> None:
    record = SPECS["imu"].to_json()
    record["spec"]["model"] |= {"batchnorm": False, "head_dropout": 0.0}
    record["spec"]["augmentation"] |= {"zoom": 0.0, "light": 0.0, "scale": 0.0}
    record["spec"]["optimization"]["average"] = 0.0
    assert RunSpec.from_json(record) == SPECS["imu"]
    record["spec"]["augmentation"]["zoom"] = 0.2
    with pytest.raises(ValueError, match=r"augmentation.zoom is 0.2: an option that is gone"):
        RunSpec.from_json(record)
