"""The routes of promotion and approval: who counts as who, what is answered, and what is masked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.services.context import Context

PROD, QA = "/v1/apps/web/envs/prod", "/v1/apps/web/envs/qa"


def headers(who: str) -> dict[str, str]:
    """Those of a token; the client calls its user the same, whoever it is."""
    return {"Authorization": f"Bearer token-of-{who}", "X-Confd-Author": "dev"}


@pytest.fixture
def client(context: Context) -> FlaskClient:
    names = ("admin", "anna", "ben", "cleo")
    return create_app(context, {f"token-of-{name}": name for name in names}).test_client()


def call(client: FlaskClient, who: str, route: str, body: Any = None, status: int = 200) -> Any:
    method, path = route.split(" ")
    data = None if method in ("GET", "DELETE") else json.dumps(body or {})
    answer = client.open(path, method=method, data=data, headers=headers(who))
    assert answer.status_code == status, answer.data
    return json.loads(answer.data)


@pytest.fixture
def asking(client: FlaskClient) -> FlaskClient:
    """Env prod asks for approval."""
    call(client, "admin", f"PATCH {PROD}/settings", {"set": {"A": "1", "B": "1"}})
    call(client, "admin", "PUT /v1/envs/prod/rules", {"approval": {"approvers": ["anna", "ben"]}})
    return client


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (f"PATCH {PROD}/settings", {"set": {"A": "2"}}),
        (f"PUT {PROD}/settings/A", {"value": "2"}),
        (f"DELETE {PROD}/settings/A", None),
        (f"POST {PROD}/rollback", {"to": 0, "force": True}),
        (f"POST {PROD}/promote", {"from": "qa"}),
        (f"PUT {PROD}/binding", {"wait": {"min": "1s"}}),
        ("PUT /v1/envs/prod/policies/base", {"preset": "secure"}),
        ("PUT /v1/envs/prod/rules", {}),
        ("PATCH /v1/apps/web/envs/_default/settings", {"set": {"A": "2"}}),
        (f"POST {PROD}/proposals", {"set": {"A": "2"}}),
    ],
)
def test_each_write_is_answered_with_a_proposal_that_another_token_approves(
    asking: FlaskClient, route: str, body: Any
) -> None:
    call(asking, "admin", f"PATCH {QA}/settings", {"set": {"A": "2"}})
    told = call(asking, "anna", route, body, 202)
    way = f"{PROD}/proposals/{told['proposal']}"
    before = call(asking, "anna", f"GET {PROD}/changes")["changes"]
    assert told["diff"] != []
    refused = call(asking, "anna", f"POST {way}/approve", {}, 403)
    assert (refused["code"], "somebody else" in refused["detail"]) == ("refused", True)
    assert "anna, ben" in call(asking, "cleo", f"POST {way}/approve", {}, 403)["detail"]
    done = call(asking, "ben", f"POST {way}/approve", {"yes": True})
    assert done["approved"]["state"] == "approved"
    assert len(call(asking, "anna", f"GET {PROD}/changes")["changes"]) == len(before) + 1


def test_who_somebody_says_to_be_does_not_count(asking: FlaskClient) -> None:
    told = call(asking, "anna", f"PATCH {PROD}/settings", {"set": {"A": "2"}}, 202)
    way = f"{PROD}/proposals/{told['proposal']}"
    as_ben = headers("anna") | {"X-Confd-Author": "ben"}
    assert asking.post(f"{way}/approve", data="{}", headers=as_ben).status_code == 403
    shown = call(asking, "ben", f"GET {way}")
    assert (shown["by"], shown["author"], shown["approvers"]) == ("anna", "dev", ["anna", "ben"])


def test_a_dry_run_says_what_it_would_become(asking: FlaskClient) -> None:
    told = call(asking, "anna", f"PATCH {PROD}/settings", {"set": {"A": "2"}, "dry_run": True})
    assert (told["approval"], "proposal" in told) == (["prod"], False)
    one = call(asking, "anna", f"POST {PROD}/proposals", {"set": {"A": "2"}}, 202)
    looked = call(asking, "ben", f"POST {PROD}/proposals/{one['proposal']}/approve", {"dry_run": True})
    assert (looked["approved"]["state"], "plan" in looked, "approval" in looked) == ("open", True, False)


def test_an_outdated_one_is_a_conflict_and_its_author_rebases_it(asking: FlaskClient) -> None:
    first = call(asking, "anna", f"PATCH {PROD}/settings", {"set": {"A": "2"}}, 202)["proposal"]
    second = call(asking, "cleo", f"PATCH {PROD}/settings", {"set": {"A": "3"}}, 202)["proposal"]
    call(asking, "ben", f"POST {PROD}/proposals/{second}/approve")
    refused = call(asking, "ben", f"POST {PROD}/proposals/{first}/approve", {}, 409)
    assert (refused["code"], "A in layer prod/web" in refused["detail"]) == ("outdated", True)
    rebased = call(asking, "anna", f"POST {PROD}/proposals/{first}/rebase")
    assert rebased["diff"] == [{"key": "A", "action": "change", "before": "3", "after": "2"}]
    call(asking, "ben", f"POST {PROD}/proposals/{first}/approve")
    call(asking, "ben", f"POST {PROD}/proposals/{first}/reject", {"message": "too late"}, 409)
    listed = call(asking, "ben", f"GET {PROD}/proposals?all=true")["proposals"]
    assert [one["state"] for one in listed] == ["approved", "approved"]
    assert call(asking, "ben", f"GET {PROD}/proposals")["proposals"] == []


def test_a_rejected_one_tells_why(asking: FlaskClient) -> None:
    one = call(asking, "anna", f"PATCH {PROD}/settings", {"set": {"A": "2"}}, 202)["proposal"]
    done = call(asking, "cleo", f"POST {PROD}/proposals/{one}/reject", {"message": "not today"})
    assert (done["state"], done["closed"]["by"], done["closed"]["why"]) == ("rejected", "cleo", "not today")
    call(asking, "ben", f"GET {PROD}/proposals/none", status=404)


def test_an_approval_that_is_not_the_last_one_is_answered_with_what_it_lacks(client: FlaskClient) -> None:
    call(client, "admin", "PUT /v1/envs/prod/rules", {"approval": {"count": 2}})
    one = call(client, "anna", f"PATCH {PROD}/settings", {"set": {"A": "2"}}, 202)["proposal"]
    waits = call(client, "ben", f"POST {PROD}/proposals/{one}/approve", {}, 202)
    assert (waits["proposal"], waits["approved"]["lacks"]) == (one, 1)
    assert call(client, "cleo", f"POST {PROD}/proposals/{one}/approve")["change"] == 1


def test_apps_are_promoted_together(client: FlaskClient) -> None:
    for app in ("web", "api"):
        call(client, "admin", f"PATCH /v1/apps/{app}/envs/qa/settings", {"set": {"A": "1", "B": "1"}})
    wish = {"from": "qa", "except": ["B"]}
    looked = call(client, "admin", "POST /v1/envs/prod/promote", wish | {"dry_run": True})
    assert [(one["app"], one["kept"], "plan" in one) for one in looked["apps"]] == [
        ("api", {"B": "not chosen"}, True),
        ("web", {"B": "not chosen"}, True),
    ]
    assert call(client, "admin", "POST /v1/envs/prod/promote", wish, 409)["code"] == "needs-yes"
    done = call(client, "admin", "POST /v1/envs/prod/promote", wish | {"yes": True})
    assert ([one["change"] for one in done["apps"]], done["reaches"]["apps"]) == ([1, 1], 2)
    call(client, "admin", "PUT /v1/envs/prod/rules", {"approval": True})
    call(client, "admin", "PATCH /v1/apps/web/envs/qa/settings", {"set": {"A": "2"}})
    waits = call(client, "admin", "POST /v1/envs/prod/promote", wish, 202)
    assert ["proposal" in one for one in waits["apps"]] == [False, True]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/from"),
        ({"from": 1}, "/from"),
        ({"from": "prod"}, "/from"),
        ({"from": "qa", "only": "A"}, "/only"),
        ({"from": "qa", "except": [1]}, "/except/0"),
        ({"from": "qa", "prune": 1}, "/prune"),
        ({"from": "qa", "colour": 1}, "/colour"),
    ],
)
def test_a_promotion_that_is_none_is_refused_with_its_place(client: FlaskClient, body: Any, pointer: str) -> None:
    assert call(client, "admin", f"POST {PROD}/promote", body, 400)["pointer"] == pointer


def test_the_rules_of_an_env_tell_who_has_to_agree(asking: FlaskClient) -> None:
    rules = call(asking, "anna", "GET /v1/envs/prod/rules")["rules"]
    assert rules["approval"] == {"required": True, "approvers": ["anna", "ben"], "count": 1}
    assert rules["out_of_band"] == "hold"
    assert call(asking, "anna", "PUT /v1/envs/qa/rules", {"approval": 1}, 400)["pointer"] == "/approval"
