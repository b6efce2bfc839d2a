"""The packed environment: a Python of its own with the job program in it, that runs wherever it is unpacked.

Belongs here: what is in it and how it finds itself. Does not: which Python (`python_home.py`) and which wheels (`wheels.py`).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from retail_lake.deploy.archives import write_tar_gz
from retail_lake.deploy.python_home import LEFT_OUT, PythonHome
from retail_lake.deploy.wheels import Wheels
from retail_lake.failure import ConfigurationFailure

# The interpreter finds its standard library by where it stands; the linker has to be told where the rest is.
_START: Final = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
unset PYTHONHOME
LD_LIBRARY_PATH="$here/../lib/shared${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
export LD_LIBRARY_PATH
exec "$here/python{minor}" "$@"
"""
_STANDARD_LIBRARY_LEFT_OUT: Final = (
    "__pycache__", "config-*", "dist-packages", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tests", "tkinter",
    "turtledemo",
)  # fmt: skip
# Their tests are a tenth of the whole.
_WITH_TESTS: Final = ("pandas", "pyarrow", "scipy")
_STARTS: Final = "import ssl, pandas, pyarrow, retail_lake.jobs.__main__"


def pack(target: Path, work: Path, home: PythonHome, wheels: Wheels, folder: Path) -> None:
    """Write the tar.gz: that Python and, from the folder they were written to, the wheels. `work` is a folder to build in.

    Unpacked anywhere, `bin/python` starts it. Raises `ConfigurationFailure` when the Python cannot be copied.
    """
    library = work / "lib" / f"python{home.minor}"
    (work / "bin").mkdir(parents=True)
    shutil.copy(home.executable, work / "bin" / home.executable.name)
    start = work / "bin" / "python"
    start.write_text(_START.format(minor=home.minor))
    start.chmod(0o755)
    (work / "bin" / "python3").symlink_to("python")
    shared = work / "lib" / "shared"
    shared.mkdir(parents=True)
    for name, path in home.shared_libraries().items():
        shutil.copy(path, shared / name)
    shutil.copytree(home.library, library, ignore=_left_out)
    packages = library / home.site
    wheels.install(folder, packages)
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for name in _WITH_TESTS:
        for tests in [p for p in (packages / name).rglob("tests") if p.is_dir()]:
            shutil.rmtree(tests, ignore_errors=True)
    _compile(home, work)
    write_tar_gz(target, work)


def _left_out(folder: str, names: list[str]) -> set[str]:
    dropped = shutil.ignore_patterns(*_STANDARD_LIBRARY_LEFT_OUT)(folder, names)
    if Path(folder).name == "lib-dynload":
        dropped |= {name for name in names if LEFT_OUT.fullmatch(name.split(".")[0])}
    return set(dropped)


def _compile(home: PythonHome, work: Path) -> None:
    """Bytecode that depends on the sources alone: a job must not begin with compiling a thousand modules.

    A Python that does not start on this machine cannot do it; its jobs then begin some seconds later.
    """
    python = str(work / "bin" / "python")
    compile_all = [python, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    try:
        subprocess.run([*compile_all, "-s", str(work), str(work / "lib")], capture_output=True, env={}, check=False)
        tried = subprocess.run([python, "-c", _STARTS], capture_output=True, text=True, env={}, check=False)
    except OSError:
        return
    if tried.returncode and home.runs_here:
        raise ConfigurationFailure(f"The Python in {home.path} does not run a job when moved: {tried.stderr.strip()[-500:]}")
