"""etcd with users: tokens end, and nothing that lasts may end with them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from confd.config import EtcdConfig
from confd.errors import Configuration, Refused
from confd.ports import Area, Put
from confd.stores.etcd import EtcdStore
from tests.support.etcd import EtcdProcess
from tests.support.mirrors import A, Seen
from tests.support.wait import until


@pytest.fixture
def secured(start_etcd: Callable[..., EtcdProcess], tmp_path: Path) -> tuple[EtcdProcess, EtcdConfig]:
    """An etcd with users whose tokens live one second (simple tokens are prolonged by use)."""
    etcd = start_etcd("--auth-token-ttl", "1")
    for words in (
        "user add root:planted",
        "user grant-role root root",
        "role add app",
        "role grant-permission app readwrite /confd/ --prefix=true",
        "user add app:planted",
        "user grant-role app app",
        "auth enable",
    ):
        etcd.ctl(*words.split())
    password = tmp_path / "password"
    password.write_text("planted\n")
    return etcd, replace(etcd.config, user="app", password_file=str(password))


def test_an_expired_token_costs_nothing_b86(
    secured: tuple[EtcdProcess, EtcdConfig], follow: Callable[..., Seen], caplog: pytest.LogCaptureFixture
) -> None:
    etcd, config = secured
    store = EtcdStore(config)
    seen = follow(store)
    assert seen.mirror.wait_current(5)
    with caplog.at_level(logging.INFO, "confd"):
        user = ("--user", "root:planted")
        expired = time.monotonic() + 4  # asking whether it has would prolong it; etcd sweeps once a second
        until(lambda: time.monotonic() > expired, 6)
        etcd.ctl("put", A, "1", *user)
        until(lambda: seen.text == "1", 5)
        assert store.read([A]).entries[A].text == "1"
        assert len([record for record in caplog.records if "authenticating again" in record.message]) == 1
        etcd.ctl("user", "add", "third:x", *user)
        assert store.commit([Put(A, "2")]) == 3
        until(lambda: seen.text == "2", 5)
    assert "planted" not in caplog.text


def test_a_restarted_member_that_forgot_its_tokens_is_used_again_b86(
    secured: tuple[EtcdProcess, EtcdConfig], follow: Callable[..., Seen]
) -> None:
    etcd, config = secured
    store = EtcdStore(config)
    seen = follow(store)
    assert seen.mirror.wait_current(5)
    etcd.kill()
    until(lambda: not seen.mirror.current, 5)
    etcd.start()
    store.commit([Put(A, "3")])
    until(lambda: seen.mirror.current and seen.text == "3", 10)


def test_what_the_user_may_not_read_is_refused(secured: tuple[EtcdProcess, EtcdConfig]) -> None:
    _, config = secured
    with pytest.raises(Refused):
        EtcdStore(config).snapshot([Area("/other/")])


def test_a_wrong_password_is_a_configuration_error(secured: tuple[EtcdProcess, EtcdConfig], tmp_path: Path) -> None:
    _, config = secured
    (tmp_path / "wrong").write_text("x")
    with pytest.raises(Configuration):
        EtcdStore(replace(config, password_file=str(tmp_path / "wrong"))).read([A])
