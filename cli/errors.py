"""The command line's errors, each with its exit code.

CliError
├── EditNotMade    1  an edit failed, or was canceled by someone else
├── BadPhoto       3  a photo cannot be found, read or edited
├── Refused        4  the request or the key was refused
├── ServiceAway    5  the service cannot be reached, or cannot take edits now
└── ModelUnusable  6  the model cannot be loaded here

`Stopped` is not an error: Ctrl-C ended the command.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command's exit status means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BAD_PHOTO = 3
    REFUSED = 4
    SERVICE_AWAY = 5
    MODEL_UNUSABLE = 6
    STOPPED = 130


MEANINGS = {
    ExitCode.DONE: "every edit was made",
    ExitCode.FAILED: "an edit failed, or of several photos at least one",
    ExitCode.USAGE: "an argument or option is wrong",
    ExitCode.BAD_PHOTO: "the photo cannot be found, read or edited",
    ExitCode.REFUSED: "a parameter or the API key was refused",
    ExitCode.SERVICE_AWAY: "the server cannot be reached, or takes no edits now",
    ExitCode.MODEL_UNUSABLE: "the model cannot be loaded on this machine",
    ExitCode.STOPPED: "stopped by Ctrl-C; edits on the server were canceled",
}


class CliError(Exception):
    """Base of the command line's errors. The message says what to do."""

    exit_code = ExitCode.FAILED
    ends_all = False  # whether the next photo would meet it too


class EditNotMade(CliError):
    """An edit failed."""


class BadPhoto(CliError):
    """A photo cannot be found, read or edited."""

    exit_code = ExitCode.BAD_PHOTO


class Refused(CliError):
    """The request or the key was refused."""

    exit_code = ExitCode.REFUSED
    ends_all = True


class ServiceAway(CliError):
    """The service cannot be reached, or cannot take edits now."""

    exit_code = ExitCode.SERVICE_AWAY
    ends_all = True


class ModelUnusable(CliError):
    """The model cannot be loaded here."""

    exit_code = ExitCode.MODEL_UNUSABLE
    ends_all = True


class Stopped(Exception):
    """Ctrl-C ended the command."""
