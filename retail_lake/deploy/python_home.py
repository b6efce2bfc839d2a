"""The Python that is packed for EMR: where it is, which one it is, and whether it can start in EMR's image.

Belongs here: reading an installation without running it. Does not: packing it (`environment.py`).
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from retail_lake.failure import ConfigurationFailure

# Extension modules for screens, terminals and CPython's own tests: a job has neither.
LEFT_OUT: Final = re.compile(r"_test\w*|xx\w*|_tkinter|_curses\w*|readline|nis|ossaudiodev|_crypt|_?gdbm|_?dbm")
# What belongs to the C library and must be the image's own.
_C_LIBRARY: Final = re.compile(
    r"(ld-linux.*|linux-vdso|lib(c|m|dl|rt|util|pthread|resolv|anl|BrokenLocale|gcc_s|stdc\+\+))(\.so.*)"
)
_X86_64: Final = 62


@dataclass(frozen=True)
class PythonHome:
    """An installation of CPython below `path` (`bin/pythonX.Y`, `lib/pythonX.Y`)."""

    path: Path
    version: str

    @property
    def minor(self) -> str:
        """`3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def executable(self) -> Path:
        """The interpreter itself."""
        return self.path / "bin" / f"python{self.minor}"

    @property
    def library(self) -> Path:
        """The standard library."""
        return self.path / "lib" / f"python{self.minor}"

    @property
    def site(self) -> str:
        """The folder of installed packages that this interpreter looks into; Debian's is another."""
        return "dist-packages" if "dist-packages" in (self.library / "site.py").read_text() else "site-packages"

    @property
    def runs_here(self) -> bool:
        """Whether it is the one that this process runs on."""
        return self.path.resolve() == Path(sys.base_prefix).resolve()

    def extension_modules(self) -> list[Path]:
        """The compiled modules that are worth packing."""
        found = sorted((self.library / "lib-dynload").glob("*.so"))
        return [path for path in found if not LEFT_OUT.fullmatch(path.name.split(".")[0])]

    def shared_libraries(self) -> dict[str, Path]:
        """Libraries that the interpreter and its modules load, by the name they ask for, but for the C library's."""
        own = self.path / "lib"
        found = {path.name: path for path in own.glob(f"libpython{self.minor}*.so.*")}
        if sys.platform == "linux":
            for binary in (self.executable, *self.extension_modules()):
                found |= {name: path for name, path in _loaded(binary) if not _C_LIBRARY.fullmatch(name)}
        return dict(sorted(found.items()))

    def misfits(self, glibc: tuple[int, int]) -> list[str]:
        """Its files that need a newer C library than that, each with the one it needs."""
        binaries = [self.executable, *self.shared_libraries().values(), *self.extension_modules()]
        needed = {path.name: _needed(path) for path in binaries}
        return [f"{name} needs glibc {major}.{minor}" for name, (major, minor) in needed.items() if (major, minor) > glibc]


def python_home(path: Path | None = None) -> PythonHome:
    """The installation below `path`, or the one this process runs on.

    Raises `ConfigurationFailure` if there is none or it is not for x86-64 Linux.
    """
    home = (path or Path(sys.base_prefix)).absolute()
    interpreters = [p for p in (home / "bin").glob("python3.*") if re.fullmatch(r"python3\.\d+", p.name)]
    if path is None:
        interpreters = [p for p in interpreters if p.name == f"python{sys.version_info[0]}.{sys.version_info[1]}"]
    if len(interpreters) != 1:
        raise ConfigurationFailure(
            f"{home} has {len(interpreters) or 'no'} bin/python3.X: give the folder of one Python for Linux with --python-home"
        )
    (interpreter,) = interpreters
    with interpreter.open("rb") as file:
        head = file.read(20)
    if head[:5] != b"\x7fELF\x02" or int.from_bytes(head[18:20], "little") != _X86_64:
        raise ConfigurationFailure(
            f"{interpreter} is not a program for x86-64 Linux, which EMR runs: deploy from such a machine,"
            " or give the folder of such a Python with --python-home"
        )
    found = PythonHome(home, interpreter.name.removeprefix("python"))
    return PythonHome(home, _full_version(found))


def _full_version(home: PythonHome) -> str:
    if home.runs_here:
        return platform.python_version()
    header = home.path / "include" / f"python{home.minor}" / "patchlevel.h"
    told = re.search(r'PY_VERSION\s+"([^"]+)"', header.read_text()) if header.is_file() else None
    return told.group(1) if told else home.minor


def _loaded(binary: Path) -> Iterator[tuple[str, Path]]:
    """What the dynamic linker would load for it, everything that those need included."""
    done = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False)
    for name, path in re.findall(r"^\s*(\S+) => (/\S+)", done.stdout, re.MULTILINE):
        yield name, Path(path)


def _needed(binary: Path) -> tuple[int, int]:
    """The newest version of the C library whose symbols it asks for: their names stand in the file as they are."""
    versions: Iterable[bytes] = re.findall(rb"GLIBC_2\.(\d+)", binary.read_bytes())
    return 2, max(map(int, versions), default=0)
