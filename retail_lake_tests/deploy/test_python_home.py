"""Which Python is packed: one for x86-64 Linux, that EMR's images can start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake.deploy import artifact
from retail_lake.deploy.python_home import python_home
from retail_lake.failure import ConfigurationFailure

ELF_X86_64 = b"\x7fELF\x02\x01\x01" + b"\0" * 11 + (62).to_bytes(2, "little")
ELF_ARM = b"\x7fELF\x02\x01\x01" + b"\0" * 11 + (183).to_bytes(2, "little")
MACH_O = b"\xcf\xfa\xed\xfe" + b"\0" * 16


def fake(folder: Path, head: bytes, minor: str = "3.11", rest: bytes = b"") -> Path:
    """A folder laid out as an installation of Python."""
    for name in ("bin", f"include/python{minor}", f"lib/python{minor}/lib-dynload"):
        (folder / name).mkdir(parents=True)
    (folder / "bin" / f"python{minor}").write_bytes(head + rest)
    (folder / f"include/python{minor}/patchlevel.h").write_text(f'#define PY_VERSION "{minor}.9"\n')
    (folder / f"lib/python{minor}/site.py").write_text("site-packages")
    return folder


def test_it_is_the_one_that_runs_this_unless_another_is_given(tmp_path: Path) -> None:
    here = python_home()
    assert (here.minor, here.runs_here) == (f"{sys.version_info[0]}.{sys.version_info[1]}", True)
    other = python_home(fake(tmp_path, ELF_X86_64))
    assert (other.version, other.minor, other.site, other.runs_here) == ("3.11.9", "3.11", "site-packages", False)


@pytest.mark.parametrize("head", [ELF_ARM, MACH_O])
def test_a_python_of_another_machine_is_refused(tmp_path: Path, head: bytes) -> None:
    with pytest.raises(ConfigurationFailure, match=r"python3\.11 is not a program for x86-64 Linux.*--python-home"):
        python_home(fake(tmp_path, head))


def test_a_folder_without_a_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFailure, match="has no bin/python3"):
        python_home(tmp_path)


def test_a_python_that_needs_a_newer_c_library_is_refused_by_name(tmp_path: Path) -> None:
    home = fake(tmp_path / "home", ELF_X86_64, rest=b"GLIBC_2.17\0GLIBC_2.34\0")
    assert python_home(home).misfits((2, 34)) == []
    module = home / "lib/python3.11/lib-dynload/math.cpython-311-x86_64-linux-gnu.so"
    module.write_bytes(b"GLIBC_2.4\0GLIBC_2.38\0")
    (module.parent / "_tkinter.cpython-311-x86_64-linux-gnu.so").write_bytes(b"GLIBC_2.40\0")
    assert python_home(home).misfits((2, 34)) == [f"{module.name} needs glibc 2.38"]
    plan = artifact.blueprint(Settings(home=tmp_path), home=home)
    with pytest.raises(ConfigurationFailure, match=r"math.* needs glibc 2\.38\. Give another.*--any-glibc"):
        artifact.build(plan, tmp_path / "build")


def test_a_python_that_the_lane_does_not_run_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, lane="spark-3.5")
    home = fake(tmp_path / "home", ELF_X86_64, "3.13")
    with pytest.raises(ConfigurationFailure, match=r"Python 3\.13, and jobs on emr-7\.13\.0 run with 3\.11"):
        artifact.blueprint(settings, home=home)
    assert artifact.blueprint(settings.model_copy(update={"lane": "spark-4.1"}), home=home).packed.python == "3.13"
