"""Known holes of the pinned packages, by pip-audit: exit code 1 names them; data out of reach is said, and is none.

python tests/audit.py UV    (as `make audit` calls it, with the uv that runs pip-audit)
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

PINS = Path(__file__).parent.parent / "constraints.txt"
# What pip-audit asks of each package. Where this one isn't told the others aren't, and it would try for minutes.
PROBE = "https://pypi.org/pypi/pip/25.0/json"
PROBE_SECONDS, AUDIT_SECONDS = 10.0, 300.0


def out_of_reach(address: str = PROBE) -> str | None:
    """Why there is no data; None where there is."""
    try:
        with urllib.request.urlopen(address, timeout=PROBE_SECONDS) as answer:
            return None if "vulnerabilities" in json.load(answer) else f"{address} tells no vulnerabilities"
    except (OSError, ValueError) as error:
        return f"{address}: {error}"


def audit(uv: str, pins: Path = PINS, seconds: float = AUDIT_SECONDS) -> dict[str, Any] | str:
    """What pip-audit found, or why it found nothing out."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        words = [uv, *"tool run pip-audit --no-deps --disable-pip --progress-spinner off --format json".split()]
        command = [*words, "--output", str(report), "--requirement", str(pins)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"pip-audit took more than {seconds:g} s"
        # It writes it where it has asked about each, and ends with 1 for holes as for anything else.
        return json.loads(report.read_text()) if report.exists() else f"pip-audit ended with {process.returncode}"


def main(uv: str, probe: str = PROBE) -> int:
    found = out_of_reach(probe) or audit(uv)
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
