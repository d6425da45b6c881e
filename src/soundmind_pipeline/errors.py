"""Errors that are meant for the person at the keyboard."""


class SoundmindError(Exception):
    """A problem the user can mend; shown as one message without a traceback.

    Args:
        message: What is wrong, naming the file, line or parameter key.
        hint: The next step, as an imperative sentence or a command.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type, tuple[str, str | None]]:
        return (type(self), (self.message, self.hint))
