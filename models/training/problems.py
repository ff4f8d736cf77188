"""The one error that a person can do something about: it is printed without a traceback."""


class Problem(Exception):
    """Says what is wrong with the input, and what would be right."""
