"""`make fuzz MINUTES=10`: libFuzzer, by atheris, changes bytes towards code of ours that was not yet run.

Each target has its share of the time and a corpus in .fuzz/ that later runs go on from. An input that raises ends
the target, and its bytes are kept: `python -m tests.fuzz.run TARGET FILE` runs it again. atheris has wheels for Linux
and few versions of Python, so it is in no lock file: `make fuzz` installs it, and says so where it can not.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import NAMES, Targets

CORPUS = Path(".fuzz")
_LONGEST_BYTES = 400
_OURS = ("consumers", "serving", "model.store.plan", "model.store.writer", "tests.fuzz.odd_records")


def fuzz(name: str, seconds: int) -> int:
    """Fuzz one target in a process of its own, since libFuzzer ends the one it runs in; its exit code."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", f"-max_len={_LONGEST_BYTES}", f"-artifact_prefix={CORPUS}/{name}-"]
    program = [sys.executable, "-m", "tests.fuzz.run", "--inside", name, "-verbosity=1", *limits, str(folder)]
    return subprocess.run(program, check=False).returncode


def inside(name: str, arguments: list[str]) -> None:
    """Be the process that libFuzzer runs in."""
    import atheris  # noqa: PLC0415 - optional: there is no wheel of it for every platform

    with tempfile.TemporaryDirectory() as folder, Targets(Path(folder) / "data") as targets:
        target = targets.by_name()[name]
        for module in [module for known, module in sorted(sys.modules.items()) if known.startswith(_OURS)]:
            for function in vars(module).values():
                if getattr(function, "__module__", None) == module.__name__:
                    _instrument(atheris, function)
        atheris.Setup([sys.argv[0], *arguments], target)
        atheris.Fuzz()


def _instrument(atheris, thing) -> None:
    """Let libFuzzer see which branches of a function, or of a class's methods, are taken."""
    methods = vars(thing).values() if isinstance(thing, type) else [thing]
    for method in methods:
        if hasattr(method, "__code__"):
            atheris.instrument_func(method)


def main() -> None:
    if sys.argv[1] == "--inside":
        inside(sys.argv[2], sys.argv[3:])
    elif sys.argv[1] in NAMES:
        with tempfile.TemporaryDirectory() as folder, Targets(Path(folder) / "data") as targets:
            targets.by_name()[sys.argv[1]](Path(sys.argv[2]).read_bytes())
    else:
        seconds = max(int(float(sys.argv[1]) * 60 / len(NAMES)), 1)
        found = {name: fuzz(name, seconds) for name in NAMES}
        print(
            "\n".join(f"{name}: {'sound' if code == 0 else f'exit {code}, see above'}" for name, code in found.items())
        )
        sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
