"""Copies the example with a shortened year: `shorten.py [--months N] [--sample SHARE] [--retries N] FOLDER`.

The scripts stay as they are; only parameters of the manifests change. Uses the standard library alone.
"""

import argparse
import shutil
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "flights"


def shorten(folder: Path, months: int = 3, sample: float = 0.1, retries: int | None = None) -> Path:
    """Copies the example into a folder that is not there yet, and returns the folder."""
    leave = shutil.ignore_patterns("data", ".windlass", "__pycache__")
    shutil.copytree(EXAMPLE, folder, ignore=leave)
    world = {
        "months: 12, sample: 1.0": f"months: {months}, sample: {sample}",
        "times: 13": f"times: {months + 1}",
    }
    replace(folder / "pipeline-world.yaml", world)
    if months < 12:
        # A short year has fewer months in which a model can get a tenth worse.
        replace(folder / "monitor.yaml", {"above: 1.10, of: test": "above: 1.05, of: test"})
    if retries is not None:
        line = f"  retries: {{limit: {retries}, backoff: 100ms, maxBackoff: 2s}}\n"
        for path in sorted(folder.glob("pipeline-*.yaml")):
            replace(path, {"  triggers:\n": line + "  triggers:\n"})
    return folder


def replace(path: Path, changes: dict[str, str]) -> None:
    """Replaces the first place of each text in a file; a text that is not there is an error."""
    text = path.read_text()
    for old, new in changes.items():
        if old not in text:
            raise SystemExit(f"{path.name} does not say `{old}` any more: tests/shorten.py has to follow")
        text = text.replace(old, new, 1)
    path.write_text(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=3)
    parser.add_argument("--sample", type=float, default=0.1)
    parser.add_argument("--retries", type=int)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    shorten(options.folder, options.months, options.sample, options.retries)
