"""The schedule, simulated with random plans, durations and failures; and the Searcher, called as Tune calls it."""

import random
from pathlib import Path

import pytest

from datasets.modalities import imu
from orchestrator.driver.searcher import PlanSearcher
from orchestrator.plan.plan import Plan
from orchestrator.plan.schedule import Need, Schedule, by_urgency
from orchestrator.plan.spec import Optimization, RunSpec
from orchestrator.storage.store import Store
from orchestrator.trial.failures import RETRIES
from tests.support.runs import specs
from tests.support.runs.specs import INPUTS, STAGES

CPUS, GPUS = 4.0, 1.0
NEEDS = {"imu": Need(1.0, 0.25), "video": Need(2.0, 0.0), "fusion": Need(3.5, 1.0)}


def spec(stage: str, number: int, seed: int = 0, parents: dict[str, str] | None = None) -> RunSpec:
    how = Optimization(lr=1, weight_decay=0, batch=2, epochs=1 + number % 7)
    inputs = {**INPUTS, "imu": imu.Input(50 + number, 6)}
    return specs.run(*STAGES[stage], how=how, seed=seed, parents=parents or {}, inputs=inputs)


def random_plan(rng: random.Random) -> Plan:
    """Stage 1 of two seeds, and fusions of any two runs before them (one of none), deeper than any plan of ours."""
    runs: dict[str, RunSpec] = {}

    def add(*args) -> str:
        made = spec(*args)
        runs[made.key] = made
        return made.key

    for seed in range(2):
        earlier = {m: [add(m, n, seed) for n in range(rng.randint(1, 5))] for m in ("imu", "video")}
        for n in range(rng.randint(0, 8)):
            made = add("fusion", n, seed, {m: rng.choice(keys) for m, keys in earlier.items()} if n else None)
            earlier[rng.choice(["imu", "video"])].append(made)
    return Plan("made up", (), runs)


def random_needs(rng: random.Random, plan: Plan) -> dict[str, Need]:
    """Any share of the cluster, up to all of it."""
    return {key: Need(rng.choice([0.5, 1, 2, CPUS]), rng.choice([0, 0, 0.25, GPUS])) for key in plan.runs}


def schedule_of(plan: Plan, concurrency: int | None = None, done: set[str] | None = None) -> Schedule:
    needs = {key: NEEDS[run.stage] for key, run in plan.runs.items()}
    return Schedule(plan, needs, CPUS, GPUS, concurrency, done=set(done or ()))


def check_running(schedule: Schedule) -> None:
    taken = [schedule.needs[key] for key in schedule.running]
    assert sum(n.cpus for n in taken) <= CPUS and sum(n.gpus for n in taken) <= GPUS
    assert len(taken) <= (schedule.concurrency or len(taken))


def descendants(plan: Plan, keys: set[str]) -> set[str]:
    below = {child for key in keys for child in plan.children()[key]}
    return below | descendants(plan, below) if below else set()


@pytest.mark.parametrize("concurrency", [None, 1, 2])
@pytest.mark.parametrize("seed", range(40))
def test_any_plan_ends_with_every_run_accounted_for(seed: int, concurrency: int | None) -> None:
    rng = random.Random(seed)
    plan = random_plan(rng)
    before = {key for key in plan.runs if not plan.parents(key) and rng.random() < 0.2}
    schedule = Schedule(plan, random_needs(rng, plan), CPUS, GPUS, concurrency, done=set(before))
    released: list[str] = []
    while not schedule.finished:
        while (key := schedule.next()) is not None:
            assert schedule.done.issuperset(plan.parents(key))
            released.append(key)
            check_running(schedule)
        assert schedule.running or schedule.finished, "Tune would wait for ever"
        if schedule.running:
            schedule.ended(rng.choice(sorted(schedule.running)), done=rng.random() < 0.85)
    assert schedule.next() is None and not schedule.running
    assert len(released) == len(set(released)) and not before & set(released)
    assert set(released) == (schedule.done - before) | schedule.failed
    ends = [schedule.done, schedule.failed, set(schedule.skipped)]
    assert sum(map(len, ends)) == len(plan.runs) and set().union(*ends) == set(plan.runs)
    assert set(schedule.skipped) == descendants(plan, schedule.failed)


def chain() -> tuple[Plan, dict[str, str]]:
    """A fusion of an imu and a video run, one of that video run and another imu run, and an imu run on its own."""
    first, second, alone, video = spec("imu", 0), spec("imu", 1), spec("imu", 2), spec("video", 6)
    both = spec("fusion", 3, 0, {"imu": first.key, "video": video.key})
    other = spec("fusion", 4, 0, {"imu": second.key, "video": video.key})
    runs = [first, second, alone, video, both, other]
    names = ("first", "second", "alone", "video", "both", "other")
    return Plan("chain", (), {run.key: run for run in runs}), {n: r.key for n, r in zip(names, runs, strict=True)}


@pytest.mark.parametrize(
    ("failing", "skipped"), [("video", {"both", "other"}), ("first", {"both"}), ("alone", set()), ("both", set())]
)
def test_a_failure_skips_what_descends_from_it_and_says_why(failing: str, skipped: set[str]) -> None:
    plan, keys = chain()
    schedule = schedule_of(plan, concurrency=1)
    while (key := schedule.next()) is not None:
        schedule.ended(key, done=key != keys[failing])
    assert set(schedule.skipped) == {keys[name] for name in skipped}
    assert schedule.failed == {keys[failing]} and schedule.finished
    for reason in schedule.skipped.values():
        assert keys[failing] in reason and plan.runs[keys[failing]].name in reason


def test_what_waits_for_room_is_not_overtaken() -> None:
    plan, keys = chain()
    schedule = schedule_of(plan, done={keys[name] for name in ("first", "second", "video")})
    schedule.cpus, schedule.gpus = 4.5, 1.25
    assert plan.runs[str(schedule.next())].stage == "fusion"
    assert schedule.order[1:] == [keys["alone"]] and schedule.needs[keys["alone"]].fits(4.5 - 3.5, 1.25 - 1.0)
    assert schedule.next() is None, "it would fit, but keep the second fusion waiting"


@pytest.mark.parametrize("seed", range(10))
def test_urgency_puts_seeds_in_order_and_parents_first(seed: int) -> None:
    plan = random_plan(random.Random(seed))
    order = by_urgency(plan)
    assert sorted(order) == sorted(plan.runs)
    assert [plan.runs[key].seed for key in order] == sorted(plan.runs[key].seed for key in order)
    assert all(order.index(parent) < order.index(key) for key in order for parent in plan.parents(key))


def test_what_much_waits_for_comes_first() -> None:
    plan, keys = chain()
    assert by_urgency(plan)[0] == keys["video"] and by_urgency(plan)[-1] == keys["alone"]


def searcher(tmp_path: Path, plan: Plan, **kwargs) -> PlanSearcher:
    return PlanSearcher(schedule_of(plan, **kwargs), Store(tmp_path), {key: {"key": key} for key in plan.runs}, {})


def test_searcher_waits_only_while_something_is_in_flight(tmp_path: Path) -> None:
    plan, keys = chain()
    search = searcher(tmp_path, plan, concurrency=1)
    for number in range(len(plan.runs)):
        config = search.suggest(f"t{number}")
        assert isinstance(config, dict)
        folder = search.store.run(config["key"])
        assert (folder.status, folder.spec) == ("pending", plan.runs[config["key"]])
        assert search.suggest("another") is None
        folder.finish(1.0)
        search.on_trial_complete(f"t{number}", {"status": "done"})
        assert config["key"] in search.schedule.done
    assert search.suggest("last") == PlanSearcher.FINISHED
    assert search.schedule.done == set(keys.values())


def test_searcher_hears_of_an_end_once_and_of_its_own_trials_only(tmp_path: Path) -> None:
    plan, keys = chain()
    search = searcher(tmp_path, plan, done=set(keys.values()) - {keys["alone"]})
    assert search.suggest("t0") == {"key": keys["alone"]}
    search.on_trial_complete("never seen", error=True)
    assert search.schedule.running == {keys["alone"]}
    search.store.run(keys["alone"]).finish(1.0)
    for error in (False, True):
        search.on_trial_complete("t0", error=error)
    assert not search.schedule.failed and search.suggest("t1") == PlanSearcher.FINISHED


@pytest.mark.parametrize("error", [False, True])
def test_a_trial_that_ends_without_a_word_is_tried_again_a_few_times(tmp_path: Path, error: bool) -> None:
    plan, keys = chain()
    search = searcher(tmp_path, plan, concurrency=1)
    folder = search.store.run(keys["video"])
    for number in range(1 + RETRIES):
        assert search.suggest(f"t{number}") == {"key": keys["video"]} and folder.status == "pending"
        search.on_trial_complete(f"t{number}", None, error)
    assert folder.status == "failed" and "without a word" in folder.record("failed")["reason"]
    assert [row["attempt"] for row in folder.attempts()] == [1, 2, 3]
    assert set(search.schedule.skipped) == {keys["both"], keys["other"]}


def test_the_reason_a_run_gave_itself_stays(tmp_path: Path) -> None:
    plan, keys = chain()
    search = searcher(tmp_path, plan)
    search.suggest("t0")
    search.store.run(keys["video"]).fail("ValueError: extreme values", "trace")
    search.on_trial_complete("t0", {"status": "failed"})
    assert search.store.run(keys["video"]).record("failed")["reason"] == "ValueError: extreme values"
    assert keys["video"] in search.schedule.failed
