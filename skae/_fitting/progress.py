"""Progress: a bar, or a line for each epoch."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import sys
from typing import Any

from skae._fitting.watchers import Watcher

# Without the epochs a second, the losses have room in 80 columns.
_BAR = (
    "{desc} {percentage:3.0f}%|{bar:8}| {n_fmt}/{total_fmt} "
    "[{elapsed}<{remaining}{postfix}]"
)


class ProgressBar(Watcher):
    """Shows the epochs done, the loss and the time left."""

    _format: str | None = _BAR
    _options: dict[str, Any] = {}

    def __init__(self, name: str, epochs: int | None):
        self._name = name
        self._total = epochs
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> "ProgressBar":
        from tqdm.auto import tqdm

        self._bar = tqdm(
            total=self._total,
            initial=self._done,
            desc=self._name,
            bar_format=self._format,
            **self._options,
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def go_on(self, epoch: int, n_rows: int) -> None:
        self._done = epoch

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        self._bar.set_postfix({k: f"{v:.4g}" for k, v in logs.items()}, refresh=False)
        self._bar.update()
        return False


class RowsBar(ProgressBar):
    """Shows the rows done in all epochs, the loss and the time left."""

    _options = {"unit": " rows", "unit_scale": True}

    def __init__(self, name: str, n_rows: int | None = None, epochs: int = 1):
        super().__init__(name, None if n_rows is None else n_rows * epochs)
        self._n_rows = n_rows
        self._format = None
        if n_rows is not None:
            self._format = _BAR.replace("total_fmt}", "total_fmt} rows")

    def go_on(self, epoch: int, n_rows: int) -> None:
        self._done = epoch * (self._n_rows or 0) + n_rows

    def update(self, n_rows: int) -> None:
        self._bar.update(n_rows)

    def part_end(self, n_rows: int, sums: tuple[float, ...]) -> None:
        self._bar.set_postfix({"loss": f"{sums[0] / sums[1]:.4g}"}, refresh=False)
        self._bar.update(n_rows)

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        self._bar.set_postfix({k: f"{v:.4g}" for k, v in logs.items()}, refresh=False)
        return False


class EpochLines(Watcher):
    """Writes a line for each epoch, which a log file can hold."""

    def __init__(self, epochs: int):
        self._epochs = epochs

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        losses = "".join(f" - {name}: {value:.4g}" for name, value in logs.items())
        sys.stdout.write(f"Epoch {epoch + 1}/{self._epochs}{losses}\n")
        sys.stdout.flush()
        return False
