"""What is gathered for a cut: what is new and what is open, in bounded memory."""

import subprocess
import sys

from support.activity import Activity, row

MEASURED = """
import resource, sys
from lumbung.core.settings import load
from lumbung.storage.lake import open_lake
from lumbung.systems.stream_models.batches import make_batches
from lumbung.systems.stream_models.by import By
lake = open_lake(load({"LUMBUNG_HOME": sys.argv[1]}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(batch.rows for batch in make_batches(lake, By.parse("event:5h"))))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def grown(activity):
    command = [sys.executable, "-c", MEASURED, str(activity.settings.home)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(map(int, output.split()[-2:]))  # DuckDB may show its progress before


def test_memory_does_not_grow_with_the_stream(tmp_path):
    """Of long rows that differ, as equal ones are small."""
    sizes = []
    padding = "".join(chr(97 + (index * index * 7) % 26) for index in range(800))
    for name, rows in (("small", 10_000), ("large", 60_000)):
        activity = Activity(tmp_path / name)
        for start in range(0, rows, 5000):
            values = (row(seq, student_id=f"{seq:08}{padding}{seq}") for seq in range(start, start + 5000))
            activity.land(start // 5000 % 3, *values)
        cut, megabytes = grown(activity)
        assert rows - 5000 < cut <= rows
        sizes.append(megabytes)
    assert sizes[1] < sizes[0] + 100, sizes
