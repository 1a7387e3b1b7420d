"""`python3 -m confd.shim FILE`: write the shim as one file, for an image to copy."""

from __future__ import annotations

import sys
from pathlib import Path

from confd.shim.pack import pack

__all__: list[str] = []

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python3 -m confd.shim FILE\n\nWrite confd-entrypoint as one executable file.")
    try:
        pack(Path(sys.argv[1]))
    except OSError as error:
        sys.exit(f"cannot write {sys.argv[1]}: {error.strerror}")
