"""Counts, histograms and the page that shows them."""

from __future__ import annotations

import threading

import pytest

from confd.agent.figures import AGENT_METRICS
from confd.api.metrics import API_METRICS
from confd.metrics import Kind, Metric, Page, Tally
from tests.support.scraped import OPENMETRICS, read
from tests.support.scraped import Page as Read

DONE = Metric("confd_done_total", Kind.COUNTER, "done", ("app",))
TOOK = Metric("confd_took_seconds", Kind.HISTOGRAM, "took", ("app",), (0.5, 1.0))
DEPTH = Metric("confd_depth", Kind.GAUGE, "depth")
LABELS = {
    *("app", "env", "container", "state", "cause", "action", "result", "code", "about", "version"),
    *("method", "route", "status"),
}


def shown(page: Page, accept: str = "") -> Read:
    kind, body = page.text(accept)
    return read(kind, body.decode())


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_a_page_shows_counts_spreads_and_what_its_sources_say(accept: str) -> None:
    tally = Tally()
    tally.add(DONE, "web")
    tally.add(DONE, "web")
    for number in (0.5, 0.7, 3.0):
        tally.observe(TOOK, number, "web")
    page = shown(Page(tally, [lambda: {DEPTH: {(): 4}}]), accept)
    assert page.number("confd_done_total", app="web") == 2
    buckets = [page.number("confd_took_seconds_bucket", app="web", le=one) for one in ("0.5", "1.0", "+Inf")]
    assert buckets == [1, 2, 3]
    assert page.number("confd_took_seconds_sum", app="web") == 4.2
    assert page.number("confd_depth") == 4
    assert page.number("process_open_fds") > 0


def test_a_label_s_text_is_escaped() -> None:
    tally = Tally()
    tally.add(DONE, 'a"b\\c\nd')
    assert shown(Page(tally)).number("confd_done_total", app='a"b\\c\nd') == 1


def test_what_is_not_wanted_any_more_is_forgotten() -> None:
    tally = Tally()
    for app in ("web", "gone"):
        tally.add(DONE, app)
        tally.observe(TOOK, 0.1, app)
    tally.keep(lambda metric, labels: labels == ("web",))
    assert "gone" not in shown(Page(tally)).words


def test_threads_lose_no_count() -> None:
    tally = Tally()

    def count() -> None:
        for _ in range(1000):
            tally.add(DONE, "web")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert shown(Page(tally)).number("confd_done_total", app="web") == 4000


@pytest.mark.parametrize("metric", {*AGENT_METRICS, *API_METRICS}, ids=lambda metric: metric.name)
def test_each_figure_has_its_unit_and_labels_that_are_bounded_b161(metric: Metric) -> None:
    assert metric.name.startswith("confd_")
    assert metric.help
    assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
    assert bool(metric.buckets) is (metric.kind is Kind.HISTOGRAM)
    assert set(metric.labels) <= LABELS
