"""Pack the shim as the one file that images copy: a zip file that Python runs, with this package's modules in it.

No module of the shim itself imports this one.
"""

from __future__ import annotations

import shutil
import tempfile
import zipapp
from pathlib import Path

import confd

__all__ = ["pack"]

HERE = Path(__file__).parent
LEFT_OUT = {"__main__.py", "pack.py"}


def pack(target: Path) -> Path:
    """Write the file, executable, in place of what is there. Raises `OSError`."""
    with tempfile.TemporaryDirectory(dir=target.parent) as made:
        folder = Path(made, "files", "confd", "shim")
        folder.mkdir(parents=True)
        shutil.copy(confd.__file__, folder.parent)
        for module in HERE.glob("*.py"):
            if module.name not in LEFT_OUT:
                shutil.copy(module, folder)
        packed = Path(made, "packed")
        zipapp.create_archive(
            Path(made, "files"), packed, interpreter="/usr/bin/env python3", main="confd.shim.entrypoint:main"
        )
        packed.chmod(0o755)
        packed.replace(target)
    return target
