"""The error tree of `bench.study`; each message says what to do.

StudyError
├── SourceError   the edits to compare cannot be used
├── FolderError   the study folder is missing, incomplete, damaged or already in use
└── AnswerError   an answer, a rater's name or a file of answers is not valid
"""


class StudyError(Exception):
    """Base of all errors of `bench.study`."""


class SourceError(StudyError):
    """The edits to compare cannot be used."""


class FolderError(StudyError):
    """The study folder is missing, incomplete, damaged or already in use."""


class AnswerError(StudyError):
    """An answer, a rater's name or a file of answers is not valid."""
