"""The command line: click, one file per command, each imported when it is run.

The only place that knows exit codes, stdout and stderr.

    exit code   meaning
    0           done
    1           reserved for `check`: an expectation failed
    2           could not run: an input that cannot be read, an option that cannot be meant
    3           reserved for `check`: inconclusive
    130         interrupted (Ctrl-C)
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

import click

from lbtrace._version import __version__
from lbtrace.errors import LbtraceError

DONE, COULD_NOT_RUN, INTERRUPTED = 0, 2, 130

COMMANDS = {
    "compare": "What did the balancer do? Two captures in, the answer out.",
    "show": "One capture alone: its connections and HTTP exchanges.",
    "demo": "Compare the bundled captures of a real experiment.",
    "lab": "The experiment on this machine, with real balancers.",
    "profiles": "The load balancers lbtrace can recognise.",
}


class Commands(click.Group):
    """Commands by name; a command's module is imported only when that command is run or asked for
    its help.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """lbtrace.cli.<name>.command"""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"lbtrace.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: lbtrace demo. Exit codes: 0 done, 2 could not run (1 and 3 are reserved "
    "for a later `check`).",
)
@click.version_option(__version__, prog_name="lbtrace", message="%(prog)s %(version)s")
def cli() -> None:
    """What did the load balancer do?

    Give lbtrace a packet capture taken in front of a load balancer and one taken behind it. It
    pairs the HTTP exchanges across the balancer and says what the balancer is and did, with the
    packets behind each claim.
    """


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # nothing made here is cyclic; collections would walk every exchange, again and again
    gc.disable()
    _lenient_output()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; the exit code. Errors that are meant are one line on stderr."""
    try:
        result = cli.main(args=arguments, prog_name="lbtrace", standalone_mode=False)
        sys.stdout.flush()
    except LbtraceError as error:
        _complain(str(error))
        return COULD_NOT_RUN
    except click.ClickException as error:
        _misused(error)
        return COULD_NOT_RUN
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return result if isinstance(result, int) else DONE


def _misused(error: click.ClickException) -> None:
    """A wrong command line is one line as well, with the way to its help; a command given without
    any argument shows its help.
    """
    message = error.format_message()
    if "\n" in message:
        error.show()
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    _complain(
        f"{message.rstrip('.')}. See {context.command_path if context else 'lbtrace'} --help."
    )


def _complain(message: str) -> None:
    """One line on stderr, safe to show: it may hold a file name."""
    from lbtrace.render.wording.escape import shown

    click.echo(f"lbtrace: {shown(message)}", err=True)


def _lenient_output() -> None:
    """A terminal that cannot show a character gets an escape instead of a traceback; a closed
    stream becomes the null device.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
