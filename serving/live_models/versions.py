"""The versions on disk, as `/models/versions` and `alsobought models` list them."""

from pathlib import Path
from typing import Any

import msgspec

from model.snapshots.metadata import SnapshotRefused, read_about, versions
from serving.live_models.live_models import LiveModels


def list_versions(folder: Path, models: LiveModels | None = None) -> list[dict[str, Any]]:
    """The versions in the folder as plain values, newest first; `state` says which of them answers here."""
    listed = []
    serving = {model.version for model in list(models.live.values())} if models is not None else set()
    refused = dict(models.refused) if models is not None else {}
    for version in versions(folder):
        try:
            row = msgspec.to_builtins(read_about(folder, version))
        except SnapshotRefused as error:
            row = {"version": version, "problem": str(error)}
        row["state"] = "serving" if version in serving else "refused" if version in refused else "kept"
        if version in refused:
            row["problem"] = refused[version]
        listed.append(row)
    return listed
