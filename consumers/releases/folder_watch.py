"""Whether the versions in the models folder are still what was written: damage is noticed while nobody opens them.

In: the folder. Out: versions that are damaged or gone, each told once.
Promise: a look costs a stat for each file; what has not changed since it was compared with its checksums is not read
again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from model.snapshots.metadata import SnapshotRefused, versions
from model.snapshots.reader import check_files

_Signature = tuple[tuple[str, int, int], ...]  # name, bytes, and when it was written, of every file


@dataclass(slots=True)
class FolderWatch:
    """Remembers what it has looked at; for one thread at a time."""

    models: Path
    _checked: dict[str, tuple[_Signature, SnapshotRefused | None]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def problem(self, version: str) -> SnapshotRefused | None:
        """What is wrong with a version now; None when every file is as its manifest says."""
        signature = _signature(self.models / version)
        known = self._checked.get(version)
        if known is not None and known[0] == signature:
            return known[1]
        try:
            check_files(self.models, version)
            found = None
        except SnapshotRefused as refused:
            found = refused
        self._checked[version] = signature, found
        return found

    def damaged(self, wanted: Iterable[str] | None = None) -> dict[str, SnapshotRefused]:
        """What is wrong with these versions, or with all in the folder; sound ones are left out."""
        found = {version: self.problem(version) for version in (versions(self.models) if wanted is None else wanted)}
        return {version: problem for version, problem in found.items() if problem is not None}

    def news(self) -> dict[str, SnapshotRefused]:
        """What is damaged or gone and was not when it was last asked for. What comes back sound may be told again."""
        there = set(versions(self.models))
        damaged = self.damaged(there | set(self._checked))
        news = {version: problem for version, problem in damaged.items() if version not in self._told}
        self._told = set(damaged)
        for version in set(self._checked) - there - self._told:
            del self._checked[version]
        return news


def _signature(folder: Path) -> _Signature:
    try:
        entries = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in entries)
