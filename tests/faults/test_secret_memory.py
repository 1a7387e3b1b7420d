"""Secrets on a host that has only a disk where they are to stand: memory is mounted there. Needs root."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from confd.agent.secretfolders import SecretFolders, is_in_memory
from confd.model import RenderedFile
from confd.secret import Digest
from confd.secretfiles import FOLDER
from confd.targets.memory import MemoryTarget


def test_where_there_is_only_a_disk_memory_is_mounted() -> None:
    due = [RenderedFile(f"{FOLDER}/DB", "s3cret", 0o444, None, Digest("v1:x"), ())]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as disk:
        assert not is_in_memory(Path(disk)), "the test needs a folder on a disk: /var/tmp is in memory here"
        folders = SecretFolders(Path(disk) / "secrets" / "x", MemoryTarget({}))
        assert folders.why_not() == ""
        try:
            with folders.filled(due) as folder:
                assert is_in_memory(Path(folder))
            with folders.filled(due):
                assert len(os.listdir(folders.root)) == 2
        finally:
            subprocess.run(["umount", str(Path(disk) / "secrets")], check=True)
