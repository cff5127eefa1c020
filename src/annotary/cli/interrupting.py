"""Ctrl-C: what runs is stopped, and what is said afterwards is true of the store."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from annotary.cli.failures import Stopped, tell_interrupted

if TYPE_CHECKING:
    from annotary.client.project import Project
    from annotary.model import Operation

PATIENCE_SECONDS = 60.0
"""How long to wait for work that was asked to stop."""
_LOOK_SECONDS = 0.2

T = TypeVar("T")


def interruptible(work: Callable[[], T]) -> T:
    """Do the work in a thread of its own; what it answers or raises, this answers or raises.

    Ctrl-C raises KeyboardInterrupt here and never in the middle of the work, which may be
    committing. It goes on until it is asked to stop, see :func:`stopped`.
    """
    answers: list[T] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # raised where the caller waits
            errors.append(error)
        finally:
            ended.set()

    threading.Thread(target=run, name="annotary-command", daemon=True).start()
    try:
        while not ended.wait(_LOOK_SECONDS):
            pass
    except KeyboardInterrupt:
        # the store is closed when the process ends, and not under the feet of the work
        atexit.register(ended.wait, PATIENCE_SECONDS)
        raise
    if errors:
        raise errors[0]
    return answers[0]


def stopped(stop: Callable[[float], T], follow: str) -> T:
    """Let ``stop`` ask the work to stop and wait for it so many seconds; answers how it ended.

    A second Ctrl-C leaves at once. ``follow`` tells how to see what became of the work.
    """
    as_json = bool(click.get_current_context().meta.get("as_json"))
    with _leaving_at_once(f"Left without waiting. {follow}", as_json):
        if not as_json:
            click.echo("\nCancelling ... (Ctrl-C again leaves without waiting)", err=True)
        return stop(PATIENCE_SECONDS)


@contextmanager
def done(message: str) -> Iterator[None]:
    """The work is done and only its report is not: a Ctrl-C inside the block says so."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(f"Interrupted. {message}") from None


def stop_operation(project: Project, op_id: str, seconds: float) -> Operation:
    """Ask an operation to stop, and wait until it has."""
    from annotary import ConflictError

    with suppress(ConflictError):  # it may have ended by itself
        project.operations.cancel(op_id)
    return project.operations.wait_until_done(op_id, seconds, raise_exception_if=None)


def still_running(follow: str) -> NoReturn:
    """Work has not stopped in time: the process must not wait for it when it ends."""
    raise Stopped(f"It has not stopped after {PATIENCE_SECONDS:.0f} s. {follow}", at_once=True)


@contextmanager
def _leaving_at_once(message: str, as_json: bool) -> Iterator[None]:
    def leave(signal_: int, frame: FrameType | None) -> None:
        os._exit(tell_interrupted(message, as_json))

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
