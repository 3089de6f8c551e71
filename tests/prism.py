# SPDX-License-Identifier: GPL-3.0-or-later
"""Prism, which answers as an OpenAPI document says and refuses what breaks it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from .fakes.servers.loopback import refused_port

_PATIENCE_SECONDS = 60


def find_prism() -> str:
    """Return the program: $PRISM, else prism on PATH."""
    program = os.environ.get("PRISM") or shutil.which("prism")
    if program is None or not Path(program).is_file():
        raise FileNotFoundError(
            "Prism is missing. Install it with Node 18 or newer: npm install --prefix FOLDER "
            "@stoplight/prism-cli@5.14.2, and set PRISM to FOLDER/node_modules/.bin/prism."
        )
    return program


def _is_missing() -> bool:
    try:
        find_prism()
    except FileNotFoundError:
        return True
    return False


needs_prism = pytest.mark.skipif(_is_missing(), reason="Prism is missing: see tests/prism.py")


@contextlib.contextmanager
def prism(spec: Path) -> Iterator[str]:
    """Serve the document on a free port, refusing what breaks it, and yield the URL in front of its paths."""
    program = find_prism()
    port = refused_port()
    command = [program, "mock", "--errors", "--host", "127.0.0.1", "--port", str(port), str(spec)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_until_it_listens(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    log.seek(0)
    raise RuntimeError(f"Prism does not listen: {log.read().decode(errors='replace')[-2000:]}")
