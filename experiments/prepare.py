"""Only decode: recordings to shards, so that a grid finds them ready. A dry run says what that takes.

python experiments/prepare.py --corpus utd-mhad --recordings DIR --scale laptop --storage DIR

python experiments/prepare.py --corpus mmact --recordings DIR --scale paper --storage DIR --dry-run
"""

import shutil
import sys
from contextlib import ExitStack

import tyro

from datasets.estimate import estimate
from orchestrator.cluster import connect
from orchestrator.driver import preflight
from orchestrator.driver.prepare import introduce, open_study, take_storage, write_shards
from orchestrator.driver.terminal import console, refuse_bad_input, tell
from orchestrator.plan.options import Options, existing


def prepare(options: Options) -> int:
    introduce("prepare", options)
    if options.dry_run:
        study, store = open_study(options)
        free = shutil.disk_usage(existing(store.root)).free
        found = estimate(study.manifest, study.inputs)
        console.print(f"{found.describe()}; {preflight.size(free)} free at {store.root}", highlight=False)
        if found.shard_bytes > free:
            console.print("They don't fit: --read recordings goes without shards and decodes again in each epoch.")
        return 0
    with ExitStack() as held:
        study, store = open_study(options)
        store = take_storage("prepare", store, held)
        connect.connect(options.address, tell)
        write_shards(study, store, study.inputs.items())
    return 0


if __name__ == "__main__":
    options = tyro.cli(Options, description=__doc__)
    sys.exit(refuse_bad_input(lambda: prepare(options)))
