"""Runs a recipe as a user does, in a process of its own, or here, where TensorFlow is loaded."""

import runpy
import subprocess
import sys
import time
from pathlib import Path

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


class Recipe:
    """One of the scripts in `recipes/`."""

    def __init__(self, name: str):
        self.path = RECIPES / f"{name}.py"

    def run(self, *flags, **options) -> subprocess.CompletedProcess:
        """Runs it in a process of its own."""
        return subprocess.run(
            self._command(flags), capture_output=True, text=True, timeout=500, **options
        )

    def run_here(self, monkeypatch, *flags) -> int:
        """Runs it in this process; returns its exit status."""
        monkeypatch.syspath_prepend(RECIPES)
        monkeypatch.setattr(sys, "argv", [str(self.path), *map(str, flags)])
        try:
            runpy.run_path(str(self.path), run_name="__main__")
        except SystemExit as end:
            return end.code
        return 0

    def run_and_kill(self, *flags, when: Path) -> None:
        """Starts it in a process of its own and kills that as soon as a file is there."""
        process = subprocess.Popen(
            self._command(flags), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 240
        while not when.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
        process.wait()

    def _command(self, flags) -> list[str]:
        return [sys.executable, str(self.path), *map(str, flags)]
