"""The command line; the only place that knows exit codes, stdout and stderr."""


def main() -> None:
    """Run the command line."""
    raise NotImplementedError
