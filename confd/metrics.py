"""Figures for Prometheus: what each is called and means, counts of a process, and the page that shows them.

Labels are names of apps, envs, containers, routes and words of ours: never a key, a value, an id or a user, so that
the number of series is bounded by what there is. Nothing is global: each program has a page of its own.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder

__all__ = ["Kind", "Metric", "Page", "Reading", "Samples", "Tally"]


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. A counter's name ends with `_total`; `buckets` are the upper bounds of a histogram's."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(slots=True)
class _Spread:
    """How many observations fell into each bucket, the last one without a bound, and their sum."""

    counts: list[int]
    total: float = 0.0


Reading: TypeAlias = Mapping[tuple[str, ...], float]
"""Values of the labels to the figure."""

Samples: TypeAlias = Mapping[Metric, Reading]
_Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


@dataclass(slots=True)
class Tally:
    """What a process counts while it works; safe for several threads, and never waits for a reader."""

    _counts: dict[Metric, dict[tuple[str, ...], float]] = field(default_factory=dict)
    _spreads: dict[Metric, dict[tuple[str, ...], _Spread]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, metric: Metric, *labels: str) -> None:
        """One more."""
        with self._lock:
            counts = self._counts.setdefault(metric, {})
            counts[labels] = counts.get(labels, 0.0) + 1.0

    def observe(self, metric: Metric, number: float, *labels: str) -> None:
        """One observation of a histogram."""
        with self._lock:
            spreads = self._spreads.setdefault(metric, {})
            spread = spreads.setdefault(labels, _Spread([0] * (len(metric.buckets) + 1)))
            spread.counts[bisect_left(metric.buckets, number)] += 1
            spread.total += number

    def keep(self, wanted: Callable[[Metric, tuple[str, ...]], bool]) -> None:
        """Forget all series but those that are wanted."""
        with self._lock:
            for metric, counts in self._counts.items():
                self._counts[metric] = {one: count for one, count in counts.items() if wanted(metric, one)}
            for metric, spreads in self._spreads.items():
                self._spreads[metric] = {one: spread for one, spread in spreads.items() if wanted(metric, one)}

    def families(self) -> Iterable[_Family]:
        with self._lock:
            counts = {metric: dict(found) for metric, found in self._counts.items()}
            spreads = {
                metric: {labels: _Spread(list(one.counts), one.total) for labels, one in found.items()}
                for metric, found in self._spreads.items()
            }
        yield from map(_family, counts, counts.values())
        yield from map(_histogram, spreads, spreads.values())


class Page:
    """What is shown of a tally, of sources that are read when somebody looks, and of the process itself."""

    def __init__(self, tally: Tally, sources: Sequence[Callable[[], Samples]] = ()) -> None:
        self._tally = tally
        self._sources = tuple(sources)
        self._one_at_a_time = threading.Lock()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def collect(self) -> Iterable[_Family]:
        """As a registry asks for it."""
        for source in self._sources:
            samples = source()
            yield from map(_family, samples, samples.values())
        yield from self._tally.families()

    def describe(self) -> Iterable[_Family]:
        """Nothing: a registry that is told of no names does not look before it is asked to."""
        return ()

    def text(self, accept: str) -> tuple[str, bytes]:
        """The content type and the page, as OpenMetrics where that is accepted."""
        encode, content_type = choose_encoder(accept)
        with self._one_at_a_time:
            return content_type, encode(self._registry)


def _family(metric: Metric, reading: Reading) -> _Family:
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = make(metric.name, metric.help, labels=metric.labels)
    for labels, number in reading.items():
        family.add_metric(labels, number)
    return family


def _histogram(metric: Metric, spreads: Mapping[tuple[str, ...], _Spread]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    bounds = [*map(str, metric.buckets), "+Inf"]
    for labels, spread in spreads.items():
        sums = [sum(spread.counts[: at + 1]) for at in range(len(bounds))]
        family.add_metric(labels, list(zip(bounds, sums, strict=True)), spread.total)
    return family
