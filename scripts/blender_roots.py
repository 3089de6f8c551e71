# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian roots with a Blender that has a window, a screen and OpenGL in software: made from nothing, with apt alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from environment import HOME

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ATTEMPTS = 3
# python3-cattr: without it the extension system of Debian's Blender does not load.
PACKAGES = (
    "blender xvfb xdotool libgl1-mesa-dri libgl1 libegl1 fonts-dejavu-core python3-numpy python3-requests python3-cattr"
)
FILES = {
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",  # no services are started
    "etc/dpkg/dpkg.cfg.d/01-lean": "".join(f"path-exclude=/usr/share/{name}/*\n" for name in ("doc", "man", "locale"))
    + "path-include=/usr/share/locale/languages\npath-include=/usr/share/locale/*/LC_MESSAGES/blender.mo\n",
    "etc/apt/apt.conf.d/99ci": "".join(
        f"{name};\n"
        for name in (
            'Acquire::Check-Valid-Until "false"',
            'Acquire::Check-Date "false"',
            'Acquire::Retries "5"',
            'Acquire::Languages "none"',
            'APT::Install-Recommends "false"',
        )
    ),
}
# The mounts are private: they end with the command, however it ends.
ENTER = """
root=$1; shift
mount -t proc proc "$root/proc"; mount -t sysfs sys "$root/sys"; mount --rbind /dev "$root/dev"
exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
"""


class RootMissing(Exception):
    """Says in one sentence why there is no such root."""


class Impossible(RootMissing):
    """This machine can have none."""


@dataclass(frozen=True)
class Root:
    """A root, by the name of its Debian: trixie has Blender 4.3.2 with Python 3.13, sid 5.2 with Python 3.14."""

    debian: str

    @property
    def folder(self) -> Path:
        """Where it is, or will be: one that somebody made for all checkouts comes first."""
        shared = Path(f"/opt/blender-{self.debian}")
        return shared if _is_ready(shared) else HOME.resolve() / f"window-{self.debian}"

    @property
    def is_ready(self) -> bool:
        return _is_ready(self.folder)

    def ensure(self) -> Path:
        """Return its folder; made, if it is not there: 60 to 90 s, and 2.4 GB.

        Raises:
            Impossible: this machine cannot have one.
            RootMissing: it could not be made.
        """
        if not sys.platform.startswith("linux") or shutil.which("apt-get") is None or os.geteuid() != 0:
            raise Impossible("a window on a machine without a screen needs root on a Debian or Ubuntu.")
        if not self.is_ready:
            print(f"setting up {self.folder} …", file=sys.stderr, flush=True)
            self._debootstrap()
            self._configure()
            self._install()
            (self.folder / ".ready").touch()
        return self.folder

    def answer(self, *command: str) -> str:
        """Run a short command in there, and return what it prints."""
        done = subprocess.run(self._entering(*command), capture_output=True, text=True)
        if done.returncode:
            raise RootMissing(f"{command[0]} does not run in {self.folder}: {_end(done)}")
        return done.stdout

    def _entering(self, *command: str) -> list[str]:
        return [
            *("unshare", "--mount", "--propagation", "private"),
            *("sh", "-ec", ENTER, "sh", str(self.folder), *command),
        ]

    def _debootstrap(self) -> None:
        if shutil.which("debootstrap") is None or not KEYRING.exists():
            subprocess.run(["apt-get", "update", "-q"], check=False, stdout=sys.stderr)
            install = ["apt-get", "install", "-yq", "--no-install-recommends", "debootstrap", "debian-archive-keyring"]
            if subprocess.run(install, stdout=sys.stderr).returncode:
                raise RootMissing("debootstrap cannot be installed.")
        command = ["debootstrap", "--variant=minbase", f"--keyring={KEYRING}", "--include=ca-certificates"]
        for attempt in range(1, ATTEMPTS + 1):
            # What an earlier attempt left half done is done anew.
            subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=True)
            done = subprocess.run([*command, self.debian, self.folder], capture_output=True, text=True)
            if done.returncode == 0:
                return
            time.sleep(5 * attempt)
        raise RootMissing(f"debootstrap makes no {self.debian}: {_end(done)}")

    def _configure(self) -> None:
        for name, content in FILES.items():
            (self.folder / name).write_text(content)
        (self.folder / "usr/sbin/policy-rc.d").chmod(0o755)
        shutil.copy("/etc/resolv.conf", self.folder / "etc" / "resolv.conf")
        mounts = self.folder / "etc" / "mtab"
        mounts.unlink(missing_ok=True)
        mounts.symlink_to("/proc/self/mounts")

    def _install(self) -> None:
        script = f"apt-get update -q; apt-get install -yq {PACKAGES}; apt-get clean"
        command = self._entering("DEBIAN_FRONTEND=noninteractive", "sh", "-ec", script)
        for _ in range(ATTEMPTS):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 0:
                return
        raise RootMissing(f"apt-get installs no Blender in {self.debian}: {_end(done)}")


def _is_ready(folder: Path) -> bool:
    return (folder / ".ready").is_file()


def _end(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stderr.strip() or done.stdout.strip())[-300:].split())
