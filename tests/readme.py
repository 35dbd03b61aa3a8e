"""What README.md and docs show in fenced blocks, for the tests that run it. `python -m tests.readme` renews the demo's.

In: README.md and docs/*.md as they lie there. Out: the blocks, by language, as a reader would copy them.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_DEMO_S = 240


def blocks(page: Path, heading: str) -> dict[str, str]:
    """The fenced blocks between this heading and the next, by language; KeyError when there is no such heading."""
    text = page.read_text(encoding="utf-8")
    ends = [*_HEADING.finditer(text)]
    for found, following in zip(ends, [*ends[1:], None], strict=True):
        if found[1] == heading:
            part = text[found.end() : following.start() if following else len(text)]
            return dict(_FENCE.findall(part))
    raise KeyError(f"no heading {heading!r} in {page.name}")


def demo_block() -> str:
    """What README.md says the demo shows."""
    return blocks(README, "Two commands")[""]


def demo_output() -> str:
    """All that `alsobought demo --once` prints."""
    command = [sys.executable, "-m", "serving", "demo", "--once"]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_DEMO_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def excerpt(output: str) -> str:
    """The part of the demo's output that README.md shows: the end of the progress, the first customer, the purchase."""
    lines = output.splitlines(keepends=True)
    heads = [at for at, line in enumerate(lines) if re.match(r"\S+ (bought last|has just bought): ", line)]
    progress = [line for line in lines if re.match(r"(purchases|learning): 100 %", line)]
    closing = next(at for at, line in enumerate(lines) if line.startswith("It ran"))
    return "".join([*progress, *lines[heads[0] : heads[1]], *lines[heads[-1] : closing]])


def _renew() -> None:
    text = README.read_text(encoding="utf-8")
    README.write_text(text.replace(f"```\n{demo_block()}```", f"```\n{excerpt(demo_output())}```"), encoding="utf-8")


if __name__ == "__main__":
    _renew()
