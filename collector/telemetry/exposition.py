"""The figures as Prometheus reads them: its text format, or OpenMetrics where the Accept header asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from collector.telemetry.counters import Counters
from collector.telemetry.families import FAMILIES, PREFIX, Family

# Values by the one label of a gauge, "" for a gauge without any.
Gauges = Mapping[str, Mapping[str, float]]


class Exposition(Collector):
    """Renders what one process counted, and the gauges it is asked for at each scrape."""

    def __init__(self, counters: Counters, gauges: Callable[[], Gauges]) -> None:
        """Use a registry of its own: whoever shares the process may have filled the global one."""
        self._counters = counters
        self._gauges = gauges
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)  # process_cpu_seconds_total, process_resident_memory_bytes, …

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the figures and their content type, for an Accept header."""
        encode, media = choose_encoder(accept)
        return encode(self._registry), media

    def families(self) -> Iterable[Metric]:
        """Return the figures, and those of the process."""
        return self._registry.collect()

    def collect(self) -> Iterator[Metric]:
        """Yield every family that has a figure. The registry calls this at each scrape."""
        yield from self._totals()
        yield from self._histograms()
        for name, values in self._gauges().items():
            family = FAMILIES[name]
            gauge = GaugeMetricFamily(PREFIX + name, family.sentence, labels=family.labels)
            for label, value in values.items():
                gauge.add_metric([label] if family.labels else [], value)
            yield gauge

    def _totals(self) -> Iterator[Metric]:
        made: dict[str, CounterMetricFamily] = {}
        for series, total in self._counters.totals().items():
            family = FAMILIES[series.name]
            if series.name not in made:
                made[series.name] = CounterMetricFamily(PREFIX + series.name, family.sentence, labels=family.labels)
            made[series.name].add_metric(_labels(family, series.signal, series.reason), total)
        yield from made.values()

    def _histograms(self) -> Iterator[Metric]:
        made: dict[str, HistogramMetricFamily] = {}
        for series, (counts, total) in self._counters.distributions().items():
            family = FAMILIES[series.name]
            if series.name not in made:
                made[series.name] = HistogramMetricFamily(PREFIX + series.name, family.sentence, labels=family.labels)
            below, buckets = 0, []
            for bound, count in zip((*family.bounds, float("inf")), counts, strict=True):
                below += count
                buckets.append((_bound_text(bound), float(below)))
            made[series.name].add_metric(_labels(family, series.signal, series.reason), buckets, total)
        yield from made.values()


def _bound_text(bound: float) -> str:
    text: str = floatToGoString(bound)  # type: ignore[no-untyped-call]
    return text


def _labels(family: Family, signal: str, reason: str) -> list[str]:
    """Return the values of a family's labels, in its order."""
    values = {"signal": signal, "reason": reason}
    return [values[name] for name in family.labels]
