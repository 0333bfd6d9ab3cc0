"""The program: runs a command and turns what goes wrong into one line on standard error and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from pathlib import Path

from streamgauge.errors import StreamgaugeError

COULD_NOT_RUN = 4
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
PIPE_CLOSED = 141
"""128 + SIGPIPE, as of a program that was cut off by ``head``."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 fine, 1 finding, 2 usage or config, 3 not enough data, 4 could not run."""
    from streamgauge.cli.output import settle_streams

    settle_streams()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code. Whatever happens, nobody sees a traceback."""
    from streamgauge.cli.main import app
    from streamgauge.cli.output import PipeClosed, silence

    try:
        code = app(arguments, standalone_mode=False, prog_name="streamgauge")
    except StreamgaugeError as error:
        return _say(str(error), getattr(error, "exit_code", COULD_NOT_RUN))
    except PipeClosed:
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as ended:
        if ended.code != 1:
            raise
        silence()  # what typer makes of a closed pipe; 1 means a finding here
        return PIPE_CLOSED
    except Exception as error:
        return _unforeseen(error)
    return code if isinstance(code, int) else 0


def _unforeseen(error: Exception) -> int:
    from streamgauge.cli.output import cannot_take_more, silence

    told = getattr(error, "format_message", None)  # typer's own: a wrong option, a missing argument
    if told is not None:
        return _usage(error, str(told()))
    if type(error).__name__ == "Abort":
        return INTERRUPTED
    if cannot_take_more(error):
        silence()
        return _say(f"the output cannot be written ({os.strerror(getattr(error, 'errno', 0))})", COULD_NOT_RUN)
    if os.environ.get("STREAMGAUGE_TRACEBACK"):
        traceback.print_exception(error)
    # The text of an unforeseen error may quote content, so only its type and place are told.
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return _say(
        f"internal error {type(error).__name__} at {where}: please report it, with STREAMGAUGE_TRACEBACK=1 for the details", COULD_NOT_RUN
    )


def _usage(error: Exception, message: str) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{message}\n")
        return 2
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", "streamgauge")
    return _say(f"{message.rstrip('.')}; see `{command} --help`", getattr(error, "exit_code", 2))


def _say(text: str, code: int) -> int:
    with contextlib.suppress(OSError):  # nobody there to be told
        sys.stderr.write(f"streamgauge: {text}\n")
    return code


if __name__ == "__main__":
    main()
