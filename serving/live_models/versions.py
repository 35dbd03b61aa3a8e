"""The versions on disk, as `/models/versions` and `alsobought models` list them."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from model.snapshots.metadata import SnapshotRefused, read_about, versions
from serving.live_models.live_models import LiveModels


def list_versions(
    folder: Path, models: LiveModels | None = None, damaged: Mapping[str, SnapshotRefused] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """The versions in the folder as plain values, newest first; `state` says which of them answers here.

    One that answers goes on answering from memory when its files are damaged: `problem` says so, too.
    """
    listed = []
    serving = {model.version for model in list(models.live.values())} if models is not None else set()
    refused = dict(models.refused) if models is not None else {}
    for version in versions(folder):
        try:
            row = msgspec.to_builtins(read_about(folder, version))
        except SnapshotRefused as error:
            row = {"version": version, "problem": str(error)}
        problem = refused.get(version) or (str(damaged[version]) if version in damaged else row.get("problem"))
        if problem:
            row["problem"] = problem
        others = "refused" if version in refused else "damaged" if problem else "kept"
        row["state"] = "serving" if version in serving else others
        listed.append(row)
    return listed
