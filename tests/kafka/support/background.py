"""Something that goes on in another thread while a test does its work, and ends with a context."""

import threading
from typing import Self


class Background:
    """A context manager: `work` goes on until `ended` is set; what fails in it fails the test when the context ends."""

    def __init__(self, name: str) -> None:
        self.ended = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def work(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._thread.join()
        assert not self._failed, f"{self._thread.name} could not go on: {self._failed[0]!r}"

    def _guarded(self) -> None:
        try:
            self.work()
        except Exception as problem:  # noqa: BLE001 - told to the test's own thread, whatever it is
            self._failed.append(problem)
