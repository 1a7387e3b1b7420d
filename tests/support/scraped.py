"""A page of figures, as Prometheus reads it."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.openmetrics.parser import text_string_to_metric_families as of_openmetrics
from prometheus_client.parser import text_string_to_metric_families as of_text

__all__ = ["OPENMETRICS", "Page", "fetch", "read", "scrape"]

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True)
class Page:
    """What one scrape gave: each series once, by name and labels."""

    series: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float | None:
        """Of the series with exactly these labels; None where there is none."""
        return self.series.get((name, frozenset(labels.items())))

    def number(self, name: str, **labels: str) -> float:
        """As `value`, of a series that is there."""
        found = self.value(name, **labels)
        assert found is not None, (name, labels, sorted(one for one, _ in self.series))
        return found

    def of(self, name: str) -> set[frozenset[tuple[str, str]]]:
        """The labels of all series of a name."""
        return {labels for found, labels in self.series if found == name}

    @property
    def words(self) -> set[str]:
        """All values of labels."""
        return {value for _, labels in self.series for _, value in labels}


def fetch(address: str, accept: str = "*/*") -> tuple[str, str]:
    """The content type and the text."""
    request = urllib.request.Request(address, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def scrape(address: str, accept: str = "*/*") -> Page:
    """Fetch a page and read it."""
    return read(*fetch(address, accept))


def read(kind: str, text: str) -> Page:
    """A page of that content type; a series that stands twice is an error, as it is for Prometheus."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for name, labels, number in _samples(kind, text):
        series = (name, frozenset(labels.items()))
        assert series not in found, series
        found[series] = number
    return Page(found)


def _samples(kind: str, text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    families = of_openmetrics(text) if "openmetrics" in kind else of_text(text)  # type: ignore[no-untyped-call]
    for family in families:
        for sample in family.samples:
            yield sample.name, dict(sample.labels), sample.value
