"""One line on the terminal that tells how far a training loop has come."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


class ProgressLine:
    """A progress bar with rate, time left and the newest figures; silent where there is no terminal.

    Args:
        bar: The bar, or None to say nothing (ranks other than the first).
    """

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self, label: str, figures: Mapping[str, float]) -> None:
        """One step is done; show `label` and `figures`."""
        if self._bar is not None:
            self._bar.set_description_str(label, refresh=False)
            self._bar.set_postfix({name: f"{value:.3g}" for name, value in figures.items()}, refresh=False)
            self._bar.update()


@contextmanager
def progress_line(total: int, done: int, label: str, shown: bool) -> Iterator[ProgressLine]:
    """A progress line for `total` steps of which `done` are behind.

    Args:
        total: Steps of the whole job.
        done: Steps done before (a resumed job).
        label: What is being done.
        shown: False keeps it silent; on anything but a terminal it is silent anyway.
    """
    if not shown:
        yield ProgressLine(None)
        return
    with tqdm(
        total=total, initial=done, desc=label, unit="step", dynamic_ncols=True, smoothing=0.1, disable=None, leave=False
    ) as bar:
        yield ProgressLine(bar)
