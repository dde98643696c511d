"""What ends the stack before its time.

StackError
├── CannotStart   refused before anything was started: a busy port, a data folder in use
├── KeepsDying    a child ended again and again before the stack was ready
└── SampleFailed  the stack runs, but its first edit could not be made
"""


class StackError(Exception):
    """A message for the person at the terminal, naming what to do."""


class CannotStart(StackError):
    """Nothing was started."""


class KeepsDying(StackError):
    """A child could not be brought up."""


class SampleFailed(StackError):
    """The sample edit could not be made."""
