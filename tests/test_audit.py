"""`make audit`: holes fail it, data out of reach doesn't, and it says which of the two."""

import json
from pathlib import Path

import pytest

from tests import audit


def uv(folder: Path, report: object | None, sleep: int = 0) -> str:
    """Stands for uv and the pip-audit it runs: writes a report as that one does, or none."""
    words = [f"sleep {sleep}", *([] if report is None else [f"echo '{json.dumps(report)}' > \"${{11}}\""]), "exit 1"]
    file = folder / "uv"
    file.write_text("#!/bin/sh\n" + "\n".join(words) + "\n")
    file.chmod(0o755)
    return str(file)


CLEAN = {"name": "a", "version": "1", "vulns": []}
HOLED = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]}
SKIPPED = {"name": "c", "skip_reason": "not on PyPI"}


@pytest.mark.parametrize(
    ("report", "code", "words"),
    [
        ([CLEAN], 0, "audit: 1 packages, 0 known holes, 0 not asked about\n"),
        ([CLEAN, HOLED, SKIPPED], 1, "3 packages, 2 known holes, 1 not asked about c\n  b 2: CVE-1\n  b 2: CVE-2\n"),
        ([SKIPPED], 0, "can't be reached (not on PyPI); that says nothing about holes"),
        (None, 0, "can't be reached (pip-audit ended with 1); that says nothing about holes"),
    ],
)
def test_what_pip_audit_found(
    report: list | None, code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in = uv(tmp_path, report and {"dependencies": report})
    assert audit.main(stand_in) == code
    assert words in capsys.readouterr().out


def test_one_that_never_ends(tmp_path: Path) -> None:
    assert audit.audit(uv(tmp_path, None, sleep=60), seconds=0.2) == "pip-audit took more than 0.2 s"
