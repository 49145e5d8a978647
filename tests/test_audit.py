"""`make audit`: holes fail it, data out of reach doesn't, and it says which of the two."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests import audit


@pytest.fixture
def server() -> Iterator[Callable[[int, object], str]]:
    """An address that answers with this status and content."""
    servers = []

    def answer(status: int, content: object) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Answer))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield answer
    for each in servers:
        each.shutdown()
        each.server_close()


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
        (None, 0, "can't be reached (pip-audit ended with 1); that says nothing about holes"),
    ],
)
def test_what_pip_audit_found(
    report: list | None, code: int, words: str, server: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in = uv(tmp_path, report and {"dependencies": report})
    assert audit.main(stand_in, server(200, {"vulnerabilities": []})) == code
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(("status", "content"), [(404, {}), (200, {}), (200, "no object")])
def test_data_out_of_reach_is_no_hole(
    status: int, content: object, server: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main("/nowhere/uv", server(status, content)) == 0
    assert "the data can't be reached (http://127.0.0.1" in capsys.readouterr().out


def test_nobody_there_and_one_that_never_ends(tmp_path: Path, free_ports: Callable) -> None:
    assert "refused" in (audit.out_of_reach(f"http://127.0.0.1:{free_ports(1)[0]}/") or "")
    assert audit.audit(uv(tmp_path, None, sleep=60), seconds=0.2) == "pip-audit took more than 0.2 s"
