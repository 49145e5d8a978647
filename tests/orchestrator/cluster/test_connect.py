"""The end of a Ray that was started here."""

import subprocess
import sys

from tests.support.pages import ROOT

STARTED = """
import ray._private.worker
from orchestrator.cluster import connect

connect.connect(None)
node = ray._private.worker._global_node
began = [each.process for started in node.all_processes.values() for each in started]
connect.leave()
print(len(began), sum(process.poll() is None for process in began), ray.is_initialized())
connect.leave()
"""


def test_all_processes_of_a_ray_started_here_have_ended_when_it_was_left() -> None:
    done = subprocess.run([sys.executable, "-c", STARTED], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    began, alive, connected = done.stdout.split()  # and not a word of Ray's
    assert int(began) > 3 and (alive, connected) == ("0", "False")
