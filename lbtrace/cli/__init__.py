"""The command line: click, one file per command, each imported when it is run.

The only place that knows exit codes, stdout and stderr.

    exit code   meaning
    0           done
    1           an expectation of `check` failed; `diff --fail-on-change` found a difference
    2           could not run: an input that cannot be read, or an option that makes no sense
    3           `check` or `diff` is inconclusive: the captures do not tell
    70          a bug in lbtrace: what happened, and where to look, is on stderr
    130         interrupted (Ctrl-C)
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lbtrace import compiled
from lbtrace._version import __version__
from lbtrace.cli.interrupted import hear_again, is_interrupt
from lbtrace.cli.truncated import tell_truncation
from lbtrace.errors import NO_ROOM, LbtraceError, nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

DONE, COULD_NOT_RUN, BUG, INTERRUPTED = 0, 2, 70, 130
_NOT_WRITTEN = (*NO_ROOM, errno.EIO)
_NOT_LOADED = ("failed to map segment", os.strerror(errno.ENOMEM))
_LONG = 300  # characters of a message of click that are shown
COMMANDS = {
    "compare": "Compare the two sides of a balancer: what did it do?",
    "show": "Show one capture: its connections and HTTP exchanges.",
    "capture": "Capture both sides of a balancer at the same time, and compare them.",
    "frame": "Show packets of a capture, layer by layer.",
    "check": "Does the balancer do what it must? A test for CI.",
    "fleet": "Compare many captures, in slices, here or on a cluster.",
    "diff": "How do two balancers, or two runs of one, differ?",
    "redact": "Mask the credentials in captures, to hand them on.",
    "demo": "Compare the captures that come with lbtrace.",
    "lab": "Run the experiment on this machine, with real balancers.",
    "merge": "Write both sides as one capture for Wireshark, on one clock.",
    "extract": "Write the connections of an exchange or a problem.",
    "wireshark-profile": "Write what shows lbtrace's comments in Wireshark.",
    "explain": "Say what a finding means, and what to do.",
    "mcp": "Let an assistant read captures, over the Model Context Protocol.",
    "profiles": "List the load balancers that lbtrace can recognise.",
}


class Commands(click.Group):
    """Commands by name. A command's module is imported only to run the command or to show its
    help.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """lbtrace.cli.<name>.command"""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"lbtrace.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A file instead of a command: two and more mean `compare`, one means `show`. A word that
        is neither is answered with the nearest command.
        """
        if ctx.resilient_parsing:  # a shell asks what may follow
            known = args[0] in COMMANDS or not _is_file(args[0])
            return super().resolve_command(ctx, args if known else ["compare", *args])
        word = args[0]
        if word not in COMMANDS and _is_file(word):
            files = [arg for arg in args if _is_file(arg)]
            return super().resolve_command(ctx, ["compare" if len(files) > 1 else "show", *args])
        if word not in COMMANDS and not word.startswith("-"):
            ctx.fail(f"There is no command and no file {word!r}{nearest(word, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """What the command returns, or that it was interrupted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            return _interrupted()
        except click.UsageError as error:
            command = ctx.invoked_subcommand and self.get_command(ctx, ctx.invoked_subcommand)
            if error.ctx is None and command:  # click does not say whose option lacks its value
                error.ctx = click.Context(command, ctx, ctx.invoked_subcommand)
            raise

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands and options; files, where no command begins so."""
        found = super().shell_complete(ctx, incomplete)
        if not any(item.value in COMMANDS for item in found) and not incomplete.startswith("-"):
            from click.shell_completion import CompletionItem

            found.append(CompletionItem(incomplete, type="file"))
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _is_file(word: str) -> bool:
    """Whether a word names an input, be it one that cannot be read."""
    return word == "-" or os.path.exists(word) or "://" in word


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: lbtrace demo. Exit codes: 0 done, 1 an expectation failed, 2 could not "
    "run, 3 inconclusive.",
)
@click.version_option(
    __version__,
    "-V",
    "--version",
    prog_name="lbtrace",
    message=f"%(prog)s %(version)s ({compiled.kind()})",
)
def cli() -> None:
    """What did the load balancer do?

    Give lbtrace two packet captures (lbtrace client.pcap backend.pcap): one from between the
    clients and a load balancer, one from
    between the balancer and its backends. It pairs the HTTP exchanges across the balancer. It says
    what the balancer is and what it did, and names the packets behind each claim.
    """


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # nothing made here is cyclic; collections would walk every exchange, again and again
    gc.disable()
    # no matrix is multiplied here; the threads that numpy starts for it would cost more than numpy
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _lenient_output()
    tell_truncation(COULD_NOT_RUN)
    hear_again()
    _leave(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code. An expected error is one line on stderr."""
    _sane_size()
    try:
        result = cli.main(
            args=list(arguments), prog_name="lbtrace", standalone_mode=False, obj=arguments
        )
        sys.stdout.flush()
    except LbtraceError as error:
        _complain(str(error))
        return COULD_NOT_RUN
    except click.ClickException as error:
        _misused(error)
        return COULD_NOT_RUN
    except click.Abort:  # before there is a command
        return INTERRUPTED
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit:  # click, when the reader of a pipe has seen enough
        return DONE
    except Exception as error:  # noqa: BLE001 - the last resort: a bug never looks like a result
        if _without_memory(error):
            _complain(
                "there is not enough memory for this input. Cut it: editcap -c 1000000 IN OUT."
            )
            return COULD_NOT_RUN
        if is_interrupt(error):
            return _interrupted()
        return _unforeseen(error)
    return result if isinstance(result, int) else DONE


def _without_memory(error: BaseException | None) -> bool:
    """Whether the system refused memory, here or where this error comes from. A library that cannot
    be loaded for it says so in the words of the loader (dlopen(3)).
    """
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, ImportError) and any(words in str(error) for words in _NOT_LOADED):
            return True
        error = error.__cause__ or error.__context__
    return False


def _unforeseen(error: Exception) -> int:
    """Say what no command has foreseen, in one line; the exit code."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _NOT_WRITTEN and isinstance(error, OSError) and error.filename is None:
        _complain(f"Cannot write to standard output: {os.strerror(number or 0)}.")
    elif number in (errno.EMFILE, errno.ENFILE):
        _complain("more files are open than the system allows. Allow more: ulimit -n 1024.")
    else:
        _complain(_bug(error))
        return BUG
    return COULD_NOT_RUN


def _interrupted() -> int:
    _complain("interrupted.")
    return INTERRUPTED


def _leave(code: int) -> NoReturn:
    """End the process at once. To take millions of objects apart first, as Python does, takes
    longer than to make some.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream that is closed
            stream.flush()
    os._exit(code)


def _bug(error: Exception) -> str:
    """One line for an error that nobody foresaw, with the place it comes from. Its text is left
    out: it may hold what the capture holds.
    """
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = ""
    if place is not None:
        where = f" at {os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}"
    return (
        f"this is a bug in lbtrace {__version__}: {type(error).__name__}{where}. "
        "Please report it with the command and, if you may, the capture."
    )


def _misused(error: click.ClickException) -> None:
    """A wrong command line is one line, too, and names the command that shows help. A command
    without any argument shows its help.
    """
    message = error.format_message()
    if "\n" in message:
        error.show()
        return
    if isinstance(error, click.NoSuchOption):
        near = nearest(error.option_name, error.possibilities or ())
        message = f"No such option {error.option_name!r}{near}"
    context = error.ctx if isinstance(error, click.UsageError) else None
    if len(message) > _LONG:  # it names all words that are too many
        message = f"{message[:_LONG]} …"
    end = "" if message.endswith("?") else "."
    _complain(
        f"{message.rstrip('.')}{end} See {context.command_path if context else 'lbtrace'} --help."
    )


def _complain(message: str) -> None:
    """One line on stderr, escaped: it may hold a file name."""
    from lbtrace.render.wording.escape import shown

    click.echo(f"lbtrace: {shown(message)}", err=True)


def _sane_size() -> None:
    """Take a size of the terminal that is no number out of the environment: rich trusts it."""
    for name in ("COLUMNS", "LINES"):
        stated = os.environ.get(name, "")
        if not (stated.isascii() and stated.isdigit() and len(stated) < 6):
            os.environ.pop(name, None)


def _lenient_output() -> None:
    """A character that the terminal cannot show becomes an escape, not a traceback. A closed stream
    becomes the null device.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
