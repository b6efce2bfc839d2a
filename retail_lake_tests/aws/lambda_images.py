"""What a Lambda function's container image would hold, made without a container: a Python environment, a handler, variables.

Belongs here: reading a Dockerfile on Lambda's base image, strictly, and carrying it out. Does not: running the handler
(`awslambda.py`).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_BASE = re.compile(r"public\.ecr\.aws/lambda/python:(\d+\.\d+)")


@dataclass(frozen=True)
class Image:
    """An image: the handler that it names, the variables that it sets, and its Python: one that is there, or made from
    wheels (addresses in S3) when it is first used."""

    handler: str
    wheels: Sequence[str] = ()
    python: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Broken(Exception):
    """The image cannot be built from that folder."""


def build(context: Path, folder: Path) -> Image:
    """The image that `docker build` would make of a folder, made in `folder`. Raises `Broken` for what is not understood.

    Its Python is this process's, whichever the base image has.
    """
    root, environment, handler = folder / "root", dict[str, str](), ""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "python")], check=True)
    for number, (word, rest) in enumerate(_instructions(context / "Dockerfile")):
        if number == 0 and not (word == "FROM" and _BASE.fullmatch(rest)):
            raise Broken(f"the image must be from Lambda's own Python image, not {rest}")
        match word:
            case "FROM":
                continue
            case "COPY":
                *sources, target = shlex.split(rest)
                for source in sources:
                    _copy(context / source, root / target.lstrip("/"))
            case "RUN":
                _run(rest, root, folder / "python")
            case "ENV":
                name, _, value = rest.partition("=")
                environment[name.strip()] = shlex.split(value)[0]
            case "CMD":
                handler = json.loads(rest)[0]
            case _:
                raise Broken(f"{word} is not understood here")
    if not handler:
        raise Broken("the Dockerfile names no handler (CMD)")
    return Image(handler, python=folder / "python" / "bin" / "python", environment=environment)


def _instructions(file: Path) -> Iterator[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", file.read_text()))
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        yield word.upper(), rest.strip()


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise Broken(f"COPY: {source.name} is not in the folder")
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _run(line: str, root: Path, python: Path) -> None:
    """A command with the image's Python first on the path, its absolute paths below the image's root."""
    for part in line.split("&&"):
        command = [re.sub(r"^/(?=tmp/|var/|opt/)", f"{root}/", word) for word in shlex.split(part)]
        if command[0] not in ("pip", "python", "rm"):
            raise Broken(f"RUN {command[0]} is not understood here")
        variables = {"PATH": f"{python / 'bin'}:{os.environ['PATH']}", "PIP_CONFIG_FILE": os.devnull, "HOME": str(root)}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Broken(f"RUN {part.strip()}: {(done.stderr or done.stdout).strip()[-2000:]}")
