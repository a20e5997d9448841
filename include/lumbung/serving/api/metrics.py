"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
MEDIA = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Requests by path and status, and how long they took."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, list[int]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            path: as in the OpenAPI document, so that there are few.
            status: of the answer.
            seconds: from its headers to its answer.
        """
        self._requests[path, status] += 1
        times = self._times.setdefault(path, [0] * (len(BOUNDS) + 1))
        times[bisect_left(BOUNDS, seconds)] += 1
        self._seconds[path] += seconds

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """The page.

        Args:
            gauges: what else is shown: help and value by name.
        """
        lines = ["# HELP lumbung_api_requests_total Requests.", "# TYPE lumbung_api_requests_total counter"]
        for (path, status), number in sorted(self._requests.items()):
            lines.append(f'lumbung_api_requests_total{{path="{path}",status="{status}"}} {number}')
        name = "lumbung_api_request_seconds"
        lines += [f"# HELP {name} How long requests took.", f"# TYPE {name} histogram"]
        for path, times in sorted(self._times.items()):
            total = 0
            for bound, number in zip((*BOUNDS, "+Inf"), times, strict=True):
                total += number
                lines.append(f'{name}_bucket{{path="{path}",le="{bound}"}} {total}')
            lines.append(f'{name}_sum{{path="{path}"}} {self._seconds[path]:.6f}')
            lines.append(f'{name}_count{{path="{path}"}} {total}')
        for gauge, (text, value) in gauges.items():
            lines += [f"# HELP {gauge} {text}", f"# TYPE {gauge} gauge", f"{gauge} {value:g}"]
        return "\n".join(lines) + "\n"
