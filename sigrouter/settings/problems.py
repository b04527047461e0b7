"""What is wrong with the settings, all of it at once and in words that an operator can act on."""


class SettingsError(Exception):
    """The node cannot be set up as asked. ``problems`` are sentences; none of them holds a secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
