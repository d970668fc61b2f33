"""The one exception of this project, and how a command line is read and ends."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

INTERRUPTED = "interrupted; the same command goes on from here"
STAGES = Path(__file__).parents[1] / "stages"


class PipelineError(Exception):
    """Something a user can put right; its text says what was expected, what was given and where."""


def command_line(module: str, doc: str | None, **positional: str) -> argparse.ArgumentParser:
    """Return the parser of ``python -m module``; ``positional`` are arguments with their help."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(f"python -m {module}", description=doc, formatter_class=form)
    for name, what in positional.items():
        parser.add_argument(name, help=what)
    return parser


def run_stage(name: str, main: Callable[[], None]) -> None:
    """Run a stage's ``main`` and end the process as a command line should.

    A ``PipelineError``, any ``OSError`` (missing file, full disk) or Ctrl-C ends the process with
    one line on standard error, which begins with ``name``: exit status 1, or 130 for Ctrl-C.
    Anything else is a defect of ours and keeps its traceback.
    """
    try:
        main()
    except PipelineError as error:
        _fail(name, str(error))
    except FileNotFoundError as error:
        missing = f"{error.filename} is missing" if error.filename else error
        hint = f"; `dvc repro {name}` first makes what {name} needs"
        _fail(name, f"{missing}{hint if (STAGES / f'{name}.py').is_file() else ''}")
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _fail(name, f"{error.strerror or error}{where}; nothing half-written was left behind")
    except KeyboardInterrupt:
        _fail(name, INTERRUPTED, status=130)


def _fail(name: str, message: str, status: int = 1) -> None:
    print(f"{name}: {message}", file=sys.stderr)
    raise SystemExit(status)
