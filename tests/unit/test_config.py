from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from confd.config import AgentConfig, agent_config, server_config
from confd.errors import Configuration


def agent(*arguments: str, **environ: str) -> AgentConfig:
    return agent_config(["--host-name", "h1", *arguments], environ)


def test_flag_wins_over_variable_over_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('env = "from-file"\nprefix = "/from-file"\nresync = 7\n')
    config = agent("--config", str(file), "--env", "from-flag", CONFD_ENV="from-env", CONFD_PREFIX="/from-env")
    assert (config.env, config.etcd.prefix, config.resync_s) == ("from-flag", "/from-env", 7.0)
    assert config.docker_timeout_s == 60.0


def test_lists_repeat_take_commas_and_come_from_files(tmp_path: Path) -> None:
    config = agent("--env", "dev", "--allow-run", "cap-add,publish", "--allow-run", "publish", "--etcd", "a:1, b:2")
    assert config.allow_run == ("cap-add", "publish")
    assert config.etcd.endpoints == ("a:1", "b:2")
    file = tmp_path / "agent.toml"
    file.write_text('env = "dev"\nallow-run = ["user"]\nobserve = true\n')
    config = agent("--config", str(file))
    assert config.allow_run == ("user",)
    assert config.observe


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "--env"),
        (("--env", "_default"), "_default"),
        (("--env", "Dev"), "--env"),
        (("--env", "dev", "--host-name", "a b"), "--host-name"),
        (("--env", "dev", "--prefix", "confd/"), "--prefix"),
        (("--env", "dev", "--label-prefix", "x"), "--label-prefix"),
        (("--env", "dev", "--resync", "0"), "resync"),
        (("--env", "dev", "--metrics-listen", "8701"), "--metrics-listen"),
        (("--env", "dev", "--etcd-user", "root"), "password file"),
        (("--env", "dev", "--config", "/does/not/exist"), "cannot read"),
    ],
)
def test_what_is_wrong_is_named(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(Configuration, match=named):
        agent(*arguments)


def test_an_unknown_member_of_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('envv = "dev"\n')
    with pytest.raises(Configuration, match="'envv' is unknown"):
        agent("--config", str(file))


def test_up_has_defaults_and_passes_flags_on_to_its_agent(tmp_path: Path) -> None:
    flags = ["--data", str(tmp_path), "--allow-run", "user", "--docker-host", "unix:///d.sock", "--observe"]
    config = server_config(["up", *flags], {})
    assert (config.env, config.listen) == ("dev", ("127.0.0.1:8700",))
    assert config.token_file == tmp_path / "api" / "token"
    passed = agent_config(["--env", "dev", "--host-name", "h1", *config.agent_arguments], {})
    assert (passed.allow_run, passed.docker_host, passed.observe) == (("user",), "unix:///d.sock", True)


def test_a_bad_listen_address_is_refused() -> None:
    with pytest.raises(Configuration, match="--listen"):
        server_config(["api", "--listen", "8700"], {})


@pytest.mark.parametrize(
    ("read", "example"),
    [(agent_config, "confd-agent --env prod"), (server_config, "confd-server up")],
)
def test_the_help_has_an_example_and_names_the_variables(
    read: Callable[..., object], example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read(["--help"], {})
    told = capsys.readouterr().out
    assert example in told.partition("Examples:")[2]
    assert "CONFD_" in told


def test_a_flag_that_does_not_exist_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        agent("--no-such-flag")
    assert end.value.code == 2
    assert "--no-such-flag" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "address"), [((), "127.0.0.1:8701"), (("none",), None), (("unix:/run/m",), "unix:/run/m")]
)
def test_metrics_are_served_on_the_loopback_unless_told_otherwise(
    given: tuple[str, ...], address: str | None
) -> None:
    flags = [word for one in given for word in ("--metrics-listen", one)]
    assert agent("--env", "dev", *flags).metrics_listen == address
    passed = server_config(["up", *flags], {}).agent_arguments
    assert agent("--env", "dev", *passed).metrics_listen == address
