"""The one exception for a mistake in what the user gave."""


class InputError(ValueError):
    """A mistake in a file, column, text, setting or folder that the user gave.

    The message is one line that names what is wrong, where (file and row, or argument), what was
    received and what to do. The recipes print it and exit with status 2, without a traceback.
    """
