"""What becomes of errors: a text, or JSON of one shape, and an exit code.

Exit codes: 0 done; 1 the data was refused (import, check, export with losses); 2 the call was
wrong (usage, unknown names, files that cannot be read or written); 3 the store or the server
failed; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

DATA_REFUSED, WRONG_CALL, FAILED, INTERRUPTED = 1, 2, 3, 130

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""The disk is to blame, not the call."""


class Stopped(Exception):
    """Ctrl-C ended the command; the message says what the store holds now.

    ``at_once``: the process ends without waiting for its threads.
    """

    def __init__(self, message: str, *, at_once: bool = False) -> None:
        super().__init__(message)
        self.at_once = at_once


class Program(click.Group):
    """The root command: every error of every command ends here, and none in a traceback."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **settings: Any) -> NoReturn:
        """Run the command of the arguments and end the process."""
        arguments = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in _options(arguments)
        settings["standalone_mode"] = False
        whole_process = args is None
        try:
            code = super().main(arguments, *rest, **settings)
        except click.ClickException as error:
            code = _wrong_call(error, as_json)
        except (click.Abort, KeyboardInterrupt):
            code = tell_interrupted("Interrupted.", as_json)
        except Stopped as stop:
            code = tell_interrupted(str(stop), as_json)
            if stop.at_once and whole_process:
                os._exit(code)
        except OSError as error:
            code = tell("OSError", *_os_error(error), as_json, _os_code(error))
        except Exception as error:
            code = _known(error, as_json)
        if whole_process:
            # Python itself has things to end yet: a Ctrl-C then is no reason for a traceback
            signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
        sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Errors of the system inside the block say that ``place`` cannot be written."""
    try:
        yield
    except OSError as error:
        name = Path(error.filename) if isinstance(error.filename, str) else place
        if error.errno == errno.EPIPE or not name.is_relative_to(place):
            raise
        message = f"{name} cannot be written: {error.strerror or error}."
        raise OSError(error.errno, message) from error


def must_be_writable(folder: Path) -> None:
    """Raise what writing into ``folder`` would raise, before hours of work; nothing is made."""
    found = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    problem = 0 if found.is_dir() else errno.ENOTDIR
    if not problem and not os.access(found, os.W_OK | os.X_OK):
        problem = errno.EACCES
    if problem:
        with writing(folder):
            raise OSError(problem, os.strerror(problem), os.fspath(folder))


def tell(code: str, message: str, hint: str, as_json: bool, exit_code: int) -> int:
    """Print an error where errors go; answers the exit code."""
    if as_json:
        import msgspec

        body = {"error": {"code": code, "message": message, "hint": hint}}
        click.echo(msgspec.json.encode(body).decode(), err=True)
    else:
        click.secho(f"Error: {message}", fg="red", err=True)
        if hint:
            click.echo(f"\nHint: {hint}", err=True)
    return exit_code


def tell_interrupted(message: str, as_json: bool) -> int:
    """Print what an interrupt has led to; answers the exit code."""
    if as_json:
        return tell("Interrupted", message, "", True, INTERRUPTED)
    click.secho(message, fg="yellow", err=True)
    return INTERRUPTED


def _wrong_call(error: click.ClickException, as_json: bool) -> int:
    if not as_json:
        error.show()
        return WRONG_CALL
    context = getattr(error, "ctx", None)
    hint = f"{context.command_path} --help says how it is called." if context else ""
    return tell("UsageError", error.format_message(), hint, True, WRONG_CALL)


def _known(error: Exception, as_json: bool) -> int:
    from annotary import errors as known

    if not isinstance(error, known.AnnotaryError):
        raise error
    code = WRONG_CALL if error.status < 500 else FAILED
    if isinstance(error, known.ImportFailedError | known.LossRefusedError):
        code = DATA_REFUSED
    return tell(error.code, error.message, error.hint, as_json, code)


def _os_error(error: OSError) -> tuple[str, str]:
    if error.filename is None:
        return error.strerror or str(error), ""
    return f"{error.filename}: {error.strerror}.", ""


def _os_code(error: OSError) -> int:
    return FAILED if error.errno in _FULL else WRONG_CALL


def _options(arguments: Sequence[str]) -> Sequence[str]:
    """The arguments before ``--``, which ends the options."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments
