"""Errors that end the stack early.

StackError
├── CannotStart    nothing was started: a busy port, a data folder in use
├── StartupFailed  a process exited again and again before the stack was ready
└── SampleFailed   the stack runs, but the sample edit could not be made
"""


class StackError(Exception):
    """Base of the stack's errors. The message tells the person at the terminal what to do."""


class CannotStart(StackError):
    """Nothing was started."""


class StartupFailed(StackError):
    """A process did not stay up."""


class SampleFailed(StackError):
    """The sample edit could not be made."""
