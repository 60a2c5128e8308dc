"""The one error that the command line shows as a sentence instead of a traceback."""


class Failure(Exception):
    """Something that a person can put right: its text says what went wrong and what to do now."""
