"""Two API processes whose clocks are an hour apart, on one store: what they answer tells of the store alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.clock import ManualClock
from confd.services.context import Context

TOKEN = {"Authorization": "Bearer t"}
WEB = "/v1/apps/web/envs/dev"


@pytest.fixture
def apart(context: Context) -> tuple[FlaskClient, FlaskClient]:
    """One whose clock is ahead, and one whose is right."""
    ahead = ManualClock()
    ahead.advance(3600)
    clocks = (ahead, ManualClock())
    made = [create_app(replace(context, clock=clock), {"t": "admin"}).test_client() for clock in clocks]
    return made[0], made[1]


def _set(client: FlaskClient, value: int) -> None:
    assert client.put(f"{WEB}/settings/a", data=json.dumps({"value": value}), headers=TOKEN).status_code == 200


def _json(client: FlaskClient, path: str) -> Any:
    return json.loads(client.get(f"{WEB}/{path}", headers=TOKEN).data)


def test_the_order_of_changes_is_that_of_revisions_whatever_the_clocks_say_b102(
    apart: tuple[FlaskClient, FlaskClient],
) -> None:
    for number in range(1, 5):
        _set(apart[number % 2], number)
    for client in apart:
        found = _json(client, "changes")["changes"]
        times, revisions = [one["at"] for one in found], [one["revision"] for one in found]
        assert [one["number"] for one in found] == [4, 3, 2, 1]
        assert revisions == sorted(revisions, reverse=True)
        assert times != sorted(times, reverse=True)  # they are only shown


def test_a_rollback_goes_to_a_change_and_never_to_a_time_b102(apart: tuple[FlaskClient, FlaskClient]) -> None:
    ahead, right = apart
    _set(ahead, 1)
    _set(right, 2)
    for to in ("10:00", "2026-01-01T00:30:00Z", 1.5, True):
        answer = right.post(f"{WEB}/rollback", data=json.dumps({"to": to}), headers=TOKEN)
        assert answer.status_code == 400, to
    assert right.post(f"{WEB}/rollback", data="{}", headers=TOKEN).status_code == 200
    assert _json(ahead, "settings")["settings"]["a"]["value"] == 1
    assert ahead.post(f"{WEB}/rollback", data='{"to": 2}', headers=TOKEN).status_code == 200
    assert _json(right, "settings")["settings"]["a"]["value"] == 2


@pytest.mark.parametrize("path", ["settings", "settings?layer=own", "settings/a", "changes", "changes/1", "plan"])
def test_a_tag_does_not_depend_on_the_time_b102(apart: tuple[FlaskClient, FlaskClient], path: str) -> None:
    _set(apart[0], 1)
    tags = {client.get(f"{WEB}/{path}", headers=TOKEN).headers["ETag"] for client in apart}
    (tag,) = tags
    for client in apart:
        assert client.get(f"{WEB}/{path}", headers={**TOKEN, "If-None-Match": tag}).status_code == 304
