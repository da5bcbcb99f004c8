"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

__all__ = ["Metrics"]

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one service.

    Parameters
    ----------
    pending, bytes_held, replaced : callable
        Images in line, bytes of bodies in memory, decoding processes that were replaced.
    """

    def __init__(
        self, pending: Callable[[], float], bytes_held: Callable[[], float], replaced: Callable[[], float]
    ) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "gingham_requests", "Requests answered", ["path", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "gingham_request_seconds", "Seconds from the head of a request to its answer", ["path"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.images = Counter("gingham_images", "Images by what became of them", ["outcome"], registry=self.registry)
        self.in_flight = Gauge("gingham_requests_in_flight", "Requests being answered", registry=self.registry)
        self.loads = Counter("gingham_model_loads", "Models loaded while serving", ["outcome"], registry=self.registry)
        self.model = Info("gingham_model", "The model that answers", registry=self.registry)
        gauges = {
            "gingham_images_pending": ("Images waiting or being worked on", pending),
            "gingham_body_bytes_held": ("Bytes of bodies in memory", bytes_held),
            "gingham_decoders_replaced": ("Decoding processes that crashed or were killed", replaced),
        }
        for name, (about, value) in gauges.items():
            Gauge(name, about, registry=self.registry).set_function(value)

    def page(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(self.registry)
