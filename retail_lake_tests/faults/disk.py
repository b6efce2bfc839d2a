"""A disk that is small when asked: a file system in memory, seen by this process and its children only, that can be filled.

Belongs here: making it and changing its size. Does not: when (`kinds/full_disk.py`).

It is mounted in a namespace of the process's own, which needs no rights and leaves nothing behind, but does need Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

INSIDE: Final = "RETAIL_LAKE_FAULTS_INSIDE"
ROOMY: Final = 4 << 30
_NAMESPACE: Final = ("unshare", "--map-root-user", "--mount")


def possible() -> bool:
    """Whether this machine has such namespaces."""
    mount = ["mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return (
        bool(shutil.which("unshare")) and not subprocess.run([*_NAMESPACE, *mount], capture_output=True, check=False).returncode
    )


def inside(command: Sequence[str]) -> list[str]:
    """This command in a namespace where it may mount, if the machine has such; as it is where it has not."""
    return [*_NAMESPACE, "env", f"{INSIDE}=1", *command] if possible() else [*command]


class Disk:
    """A mounted folder. It takes memory for what is in it, not for what it could hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={ROOMY}", "tmpfs", str(folder))

    def fill(self, left: int) -> None:
        """From now on there is room for so many bytes more."""
        held = os.statvfs(self.folder)
        self._resize((held.f_blocks - held.f_bfree) * held.f_frsize + left)

    def empty(self) -> None:
        """There is room again."""
        self._resize(ROOMY)

    def close(self) -> None:
        """Gone, with everything in it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)

    def _resize(self, size: int) -> None:
        _mount("-o", f"remount,size={size}", str(self.folder))


def available() -> bool:
    """Whether this process may make such a disk."""
    return INSIDE in os.environ


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
