"""Commands that fail in one message and end cleanly on Ctrl-C."""

import functools
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import click

from soundmind_pipeline.errors import explain

INTERRUPTED = 130


class UserError(click.ClickException):
    """A :class:`SoundmindError` as click shows it: one message, exit code 1, no traceback."""

    def show(self, file: Any = None) -> None:
        """Print the message to standard error."""
        click.secho(f"Error: {self.message}", fg="red", err=True)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def guarded(callback: Callable[..., Any], after_interrupt: str = "Nothing was written.") -> Callable[..., Any]:
    """Wrap a command so that what users can mend is shown as one message, and Ctrl-C ends it cleanly.

    Args:
        callback: The command.
        after_interrupt: What to tell the user who interrupted it.
    """

    @functools.wraps(callback)
    def call(*args: Any, **kwargs: Any) -> Any:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            with warnings.catch_warnings():
                # `--pipeline` is how people know this project; Kedro 1.7 deprecates it in favour of `--pipelines`.
                warnings.filterwarnings("ignore", message="Option '--pipeline' is deprecated")
                return callback(*args, **kwargs)
        except KeyboardInterrupt:
            click.secho(f"Interrupted. {after_interrupt}", fg="yellow", err=True)
            sys.exit(INTERRUPTED)
        except click.ClickException:
            raise
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            raise UserError(str(known)) from error

    return call
