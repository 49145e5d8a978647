"""Known holes of the pinned packages, by pip-audit: exit code 1 names them; data out of reach is said, and is none.

python tests/audit.py UV    (as `make audit` calls it, with the uv that runs pip-audit)
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PINS = Path(__file__).parent.parent / "constraints.txt"
# Asked about first: where nothing is told of it, pip-audit would try the others for minutes.
PROBE = "pip==25.0\n"
PROBE_SECONDS, AUDIT_SECONDS = 60.0, 300.0


def out_of_reach(uv: str) -> str | None:
    """Why there is no data; None where there is."""
    with tempfile.TemporaryDirectory() as scratch:
        pins = Path(scratch) / "probe.txt"
        pins.write_text(PROBE)
        found = audit(uv, pins, PROBE_SECONDS)
    if isinstance(found, str):
        return found
    reasons = [p.get("skip_reason") for p in found["dependencies"]]
    return reasons[0] if all(reasons) else None


def audit(uv: str, pins: Path = PINS, seconds: float = AUDIT_SECONDS) -> dict[str, Any] | str:
    """What pip-audit found, or why it found nothing out."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        words = [uv, *"tool run pip-audit --no-deps --disable-pip --progress-spinner off --format json".split()]
        command = [*words, "--output", str(report), "--requirement", str(pins)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"pip-audit took more than {seconds:g} s"
        # It writes it where it has asked about each, and ends with 1 for holes as for anything else.
        return json.loads(report.read_text()) if report.exists() else f"pip-audit ended with {process.returncode}"


def main(uv: str) -> int:
    found = out_of_reach(uv) or audit(uv)
    if isinstance(found, str):
        print(f"audit: nothing was asked, for the data can't be reached ({found}); that says nothing about holes.")
        return 0
    packages = found["dependencies"]
    holes = [f"{p['name']} {p['version']}: {hole['id']}" for p in packages for hole in p.get("vulns", [])]
    skipped = [p["name"] for p in packages if "skip_reason" in p]
    print(f"audit: {len(packages)} packages, {len(holes)} known holes, {len(skipped)} not asked about", *skipped)
    print(*(f"  {hole}\n" for hole in holes), sep="", end="")
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
