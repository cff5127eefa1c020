"""Walk through a project in pages of 500 and time every page: PROJECT. Prints JSON.

The store is the one in ``ANNOTARY_HOME``; times are milliseconds.
"""

import json
import statistics
import sys
import time

from annotary import Client

LIMIT = 500
EDGE = 200
"""Pages at either end that are compared with each other."""

client = Client()
project = next(each for each in client.list_projects() if each.name == sys.argv[1])
project = client.get_project(project.id)
times: list[float] = []
count = 0
cursor = None
while True:
    asked = {"limit": LIMIT} if cursor is None else {"limit": LIMIT, "page": cursor}
    started = time.perf_counter()
    page = project.annotations.list(pagination=asked)
    times.append((time.perf_counter() - started) * 1000)
    count += len(page.data)
    cursor = page.next_page
    if not cursor:
        break
ordered = sorted(times)
if len(times) < EDGE:
    sys.exit(f"{count} annotations are too few to compare the first pages with the last")
# The very first page opens the store, the very last one is not full.
first, last = statistics.median(times[1 : EDGE + 1]), statistics.median(times[-EDGE - 1 : -1])
found = {"annotations": count, "pages": len(times), "p50": statistics.median(times)}
found |= {"p99": ordered[int(len(ordered) * 0.99)], "first": first, "last": last}
print(json.dumps(found))
