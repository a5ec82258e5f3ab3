"""The ``edgebatch`` command: its subcommands, and what users see when something goes wrong.

Modules of commands import nothing heavy at their top, so that help and completion stay quick.
"""

from __future__ import annotations

import inspect
import io
import os
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from edgebatch import __version__
from edgebatch.cli import (
    calibrate,
    compare,
    convert,
    devices,
    engines,
    fidelity,
    generate,
    models,
    plan,
    precisions,
    report,
    reproduce,
    run,
    scenario,
    serve,
    simulate,
    solve,
    sweep,
    trace,
)
from edgebatch.errors import EdgebatchError, EngineError

EXIT_OK = 0
EXIT_PIPE_CLOSED = 1
EXIT_BAD_INPUT = 2
EXIT_ENGINE_FAILED = 3
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="edgebatch",
    help="Serve the most LLM requests in time on an edge node.",
    epilog="edgebatch COMMAND --help explains a command and shows examples.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _register(name: str, command: Callable[..., None], examples: str) -> None:
    # line breaks of the source would show in the help, so paragraphs are joined
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    explained = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    app.command(name, help=explained, epilog=f"Examples:\n\n{examples}")(command)


_register("compare", compare.command, compare.EXAMPLES)
_register("simulate", simulate.command, simulate.EXAMPLES)
_register("plan", plan.command, plan.EXAMPLES)
_register("sweep", sweep.command, sweep.EXAMPLES)
_register("report", report.command, report.EXAMPLES)
_register("serve", serve.command, serve.EXAMPLES)
_register("run", run.command, run.EXAMPLES)
_register("generate", generate.command, generate.EXAMPLES)
_register("calibrate", calibrate.command, calibrate.EXAMPLES)
_register("convert", convert.command, convert.EXAMPLES)
_register("reproduce", reproduce.command, reproduce.EXAMPLES)
_register("fidelity", fidelity.command, fidelity.EXAMPLES)
_register("scenario", scenario.command, scenario.EXAMPLES)
_register("solve", solve.command, solve.EXAMPLES)
_register("models", models.command, models.EXAMPLES)
_register("devices", devices.command, devices.EXAMPLES)
_register("precisions", precisions.command, precisions.EXAMPLES)
_register("engines", engines.command, engines.EXAMPLES)
_register("trace", trace.command, trace.EXAMPLES)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgebatch {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _without_command(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)


def main() -> NoReturn:
    """Run the command line and exit: 0 if all went well, 2 on bad input, 3 if an engine failed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _run() -> int:
    """Return the exit status of one run; whatever was foreseen to go wrong is said in one line."""
    try:
        status = app(prog_name="edgebatch", standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return EXIT_PIPE_CLOSED
    except typer.TyperException as error:
        return _fail(error.format_message())
    except EngineError as error:
        _fail(str(error))
        return EXIT_ENGINE_FAILED
    except EdgebatchError as error:
        return _fail(str(error))
    except OSError as error:
        _silence_stdout()
        return _fail(str(error))
    return status if isinstance(status, int) else EXIT_OK


def _fail(message: str) -> int:
    print("edgebatch: error:", " ".join(message.split()), file=sys.stderr)
    return EXIT_BAD_INPUT


def _silence_stdout() -> None:
    """Send what is still buffered nowhere, or Python would complain once more as it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
