"""Files of other programs, brought in by `confctl import`, in a running container; and out and in again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
FILES = {
    "app.yaml": "log:\n  level: debug\n  rate: 1.10\ncountry: NO\n",
    "app.toml": 'country = "NO"\n[log]\nlevel = "debug"\nrate = 1.10\n',
    "app.ini": "country = NO\n[log]\nlevel = debug\nrate = 1.10\n",
    "app.properties": "country=NO\nlog/level=debug\nlog/rate=1.10\n",
    "app.xml": "<app><country>NO</country><log><level>debug</level><rate>1.10</rate></log></app>\n",
    "compose.yaml": 'services:\n  app:\n    environment: {COUNTRY: "NO", LOG_LEVEL: debug, LOG_RATE: "1.10"}\n',
    "map.yaml": 'kind: ConfigMap\ndata: {COUNTRY: "NO", LOG_LEVEL: debug, LOG_RATE: "1.10"}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_a_container_has_what_a_file_says(confd: Confd, engine: EngineProcess, tmp_path: Path, name: str) -> None:
    file, app = tmp_path / name, name.replace(".", "-")
    file.write_text(FILES[name])
    engine.run(app, SERVE, labels={"confd.app": app})
    until(lambda: confd.status(app), 20)
    form = ["--format", "k8s-configmap"] if name == "map.yaml" else []
    shown = confd.ctl("import", app, str(file), "-e", "dev", "--dry-run", *form)
    assert "debug" in shown
    assert "LOG_LEVEL" not in engine.variables(app)
    confd.ctl("import", app, str(file), "-e", "dev", "--wait", "30s", *form)
    found = engine.variables(app)
    country = found.get("COUNTRY") or found["country"]  # a key that is a variable's name already stays as it is
    assert (country, found["LOG_LEVEL"], found["LOG_RATE"]) == ("NO", "debug", "1.10")


@pytest.mark.parametrize("form", ["json", "yaml", "toml", "properties", "ini", "xml"])
def test_what_is_exported_and_imported_again_changes_nothing_b18(confd: Confd, tmp_path: Path, form: str) -> None:
    app, file = f"again-{form}", tmp_path / f"file.{form}"
    confd.ctl("set", app, "log/level=debug", "country=NO", "price=5 $ each", "-e", "dev")
    file.write_text(confd.ctl("export", app, "-e", "dev", "--format", form))
    assert "nothing to change" in confd.words("import", app, str(file), "-e", "dev", "--replace", expect=0)
