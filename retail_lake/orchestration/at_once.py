"""Work that depends on other work, several pieces at a time, and all of it stopped together. No Dagster in here.

Belongs here: order, threads and their end. Does not: what the work is, or what a failure of it means (`flow.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

LOOK_SECONDS: Final = 1.0
"""How long a wait goes on before a signal is seen that the system gave to another thread than the waiting one."""
T = TypeVar("T")
R = TypeVar("R")


def run_all(
    pieces: Sequence[T],
    needs: Callable[[T], Collection[T]],
    run: Callable[[T], R],
    told: Callable[[R], None],
    *,
    at_once: int,
    stop: threading.Event,
) -> None:
    """Run every piece after those it `needs`, `at_once` at a time, and hand each result to `told` as it comes.

    `pieces` are in an order that suits their needs; needs that are no pieces do not count. `told` is called in this thread;
    so is `run`, if only one piece runs at a time. When a piece raises, what is under way goes on to its end and is told, nothing
    more begins, and then the first exception is raised. When this thread is interrupted, or `told` raises, `stop` is set
    for those under way to see, and they are waited for.
    """
    try:
        if at_once > 1:
            _run_in_threads(pieces, needs, run, told, at_once, stop)
        else:
            for piece in pieces:
                told(run(piece))
    except BaseException:
        stop.set()
        raise


def _run_in_threads(
    pieces: Sequence[T],
    needs: Callable[[T], Collection[T]],
    run: Callable[[T], R],
    told: Callable[[R], None],
    at_once: int,
    stop: threading.Event,
) -> None:
    waiting = {piece: set(needs(piece)) & set(pieces) for piece in pieces}
    running: dict[Future[R], T] = {}
    done: set[T] = set()
    wrong: BaseException | None = None
    with ThreadPoolExecutor(at_once, thread_name_prefix="table") as threads:
        try:
            while running or (waiting and wrong is None):
                ready = [piece for piece, before in waiting.items() if before <= done] if wrong is None else []
                for piece in ready[: at_once - len(running)]:
                    del waiting[piece]
                    running[threads.submit(run, piece)] = piece
                assert running, f"these wait for each other: {list(waiting)}"
                ended, _ = wait(running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in [f for f in running if f in ended]:
                    done.add(running.pop(future))
                    # Asked, not caught: an interrupt of this thread must not be taken for the piece's own.
                    if (error := future.exception()) is None:
                        told(future.result())
                    else:
                        wrong = wrong or error
        except BaseException:
            stop.set()  # before the threads are waited for
            raise
    if wrong is not None:
        raise wrong
