"""Scratch copies of a tool's folder, completed from Go modules. The checkout is never written."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from toolchain.golang import Go
from toolchain.model import ModuleFiles, Overlay, source_files


class Workspace:
    """The folders of one build below `scratch`, each copied on first use."""

    def __init__(self, sources: Path, scratch: Path, go: Go) -> None:
        self._sources = sources
        self._scratch = scratch
        self._go = go

    def folder(self, name: str) -> Path:
        """The copy of `name`, a folder anywhere below the sources."""
        target = self._scratch / name
        if not target.exists():
            root = Path(name).parts[0]
            for path in source_files(self._sources / root):
                copy = self._scratch / root / path.relative_to(self._sources / root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        return target

    def assemble(self, folder: str, steps: Iterable[ModuleFiles | Overlay]) -> Path:
        """The copy of `folder` after all of `steps`."""
        root = self.folder(folder)
        for step in steps:
            if isinstance(step, ModuleFiles):
                self.copy(step, root)
            else:
                shutil.copyfile(root / step.source, root / step.target)
        return root

    def copy(self, files: ModuleFiles, root: Path) -> None:
        """Copy files of a module below `root`; CommandError if the pattern matches none."""
        module = self._go.module(self.folder(files.pinned_in), files.module)
        found = [path for path in sorted(module.glob(files.pattern)) if path.is_file()]
        if not found:
            raise self._go.failure(f"copy {files.pattern}", f"not in {files.module}")
        for path in found:
            target = root / files.into / path.relative_to(module / files.strip)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o755 if files.executable else 0o644)
