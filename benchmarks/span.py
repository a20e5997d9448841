"""What `benchmarks.watch.program` reads: a program's own wall clock and CPU, without its start."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable


def own_cpu() -> float:
    """Seconds of user and system time of this process and of the children that it has waited for."""
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def report(run: Callable[[], int]) -> None:
    """Run, and print seconds, CPU and the rows that it gives."""
    began, before = time.perf_counter(), own_cpu()
    rows = run()
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": own_cpu() - before, "rows": rows}))
