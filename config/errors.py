"""The one error of a wrong configuration: its text is for the operator, the process ends with exit code 2."""


class ConfigError(Exception):
    """Raised when settings, or the world they name, do not allow a start.

    The text names each wrong setting, its value (secrets masked), what is allowed and, where known, where it came from.
    """
