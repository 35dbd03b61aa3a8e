"""What a running service takes of its machine, noted again and again, and drawn."""

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.kafka.support.service import Service

MIB = 2**20
DRAWN = {
    "worker_mib": "memory of the worker, MiB",
    "trainer_mib": "memory of the trainer, MiB",
    "files": "open files of the worker",
    "database_mib": "database, MiB",
    "log_mib": "write-ahead log, MiB",
    "models_mib": "models folder, MiB",
    "model": "version of the model that answers",
    "lag": "purchases not stored yet",
    "answers_per_s": "answers a second",
    "slowest_s": "slowest answer since the last look, s",
}


@dataclass(slots=True)
class VitalFigures:
    """Series by name, each with a value for every time in `seconds`."""

    service: Service
    seconds: list[float] = field(default_factory=list)
    series: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in DRAWN})
    _began: float = field(default_factory=time.monotonic)

    def look(self, latencies_s: list[float], answers_per_s: float) -> None:
        """Note everything once; the latencies are those since the last look."""
        worker, trainer, data = psutil.Process(self.service.process.pid), self.service.trainer(), self.service.data_dir
        database, metrics = self.service.database, self.service.metrics()
        lags = [value for name, value in metrics.items() if "lag_records" in name and "purchases" in name]
        now = {
            "worker_mib": worker.memory_info().rss / MIB,
            "trainer_mib": trainer.memory_info().rss / MIB if trainer else 0.0,
            "files": worker.num_fds(),
            "database_mib": _mib(database),
            "log_mib": _mib(database.with_name(f"{database.name}-wal")),
            "models_mib": sum(_mib(file) for file in (data / "models").rglob("*")),
            "model": metrics["alsobought_model_version"],
            "lag": sum(lags),
            "answers_per_s": answers_per_s,
            "slowest_s": max(latencies_s, default=0.0),
        }
        self.seconds.append(time.monotonic() - self._began)
        for name, value in now.items():
            self.series[name].append(float(value))

    def thirds(self, name: str) -> tuple[float, float]:
        """The medians of the middle third of the time and of the last one."""
        values = self.series[name]
        third = max(len(values) // 3, 1)
        return statistics.median(values[-2 * third : -third]), statistics.median(values[-third:])

    def draw(self, picture: Path, title: str) -> None:
        """One small plot for each series, over minutes."""
        import matplotlib as mpl  # noqa: PLC0415  # half a second that only this one needs

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415

        figure, axes = plt.subplots(len(DRAWN) // 2, 2, figsize=(11, 12), sharex=True, layout="constrained")
        for axis, (name, what) in zip(axes.flat, DRAWN.items(), strict=True):
            axis.plot([second / 60 for second in self.seconds], self.series[name], linewidth=1)
            axis.set_title(what, fontsize=9)
            axis.set_ylim(bottom=0)
            axis.grid(alpha=0.3)
        for axis in axes[-1]:
            axis.set_xlabel("minutes")
        figure.suptitle(title)
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture, dpi=90)
        plt.close(figure)


def _mib(file: Path) -> float:
    try:
        return file.stat().st_size / MIB if file.is_file() else 0.0
    except FileNotFoundError:  # removed since it was listed
        return 0.0
