"""Only decode: recordings to shards, so that a grid finds them ready.

python experiments/prepare.py --corpus utd-mhad --recordings DIR --scale laptop --storage DIR
"""

import sys
from contextlib import ExitStack

import tyro

from orchestrator import cluster
from orchestrator.launch import introduce, open_study, refuse_bad_input, take_storage, write_shards
from orchestrator.options import Options


def prepare(options: Options) -> int:
    introduce("prepare", options)
    with ExitStack() as held:
        study, store = open_study(options)
        store = take_storage("prepare", store, held)
        cluster.connect(options.address)
        write_shards(study, store)
    return 0


if __name__ == "__main__":
    options = tyro.cli(Options, description=__doc__)
    sys.exit(refuse_bad_input(lambda: prepare(options)))
