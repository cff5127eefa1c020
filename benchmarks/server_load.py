"""Writers and readers side by side on one server: times, and whether paging loses anything.

    python benchmarks/server_load.py [--writers 8] [--readers 8] [--seconds 60] [--rate 400]

A server is started on a new store, in a process of its own. Each writer creates annotations one
by one, numbered; each reader walks through all pages, again and again. In every walk no
annotation may come twice, and of each writer the numbers must be whole: 0, 1, 2 ... without a
gap, because a writer makes one after the other. At the end there must be as many annotations as
were acknowledged. The exit code is 1 when anything of that fails.

In one of the rounds the writers together offer ``--rate`` annotations a second, evenly, and a
time is counted from the moment at which the call was due, so that a server which falls behind
shows it. In the others each writer makes the next as soon as the last is done.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing as mp
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

PAGE = 500
BOX = [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]]


class Door:
    """One connection to the server that is kept open."""

    def __init__(self, address: str, key: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
        self._headers = {"Secret-Key": key, "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """The body of a good answer. Raises RuntimeError for any other."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, self._headers)
        response = self._connection.getresponse()
        data = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:300]!r}")
        return data


class Item(msgspec.Struct):
    """What readers look at of an annotation."""

    id: str
    properties: dict[str, int]


class Page(msgspec.Struct, rename="camel"):
    """A page of annotations."""

    data: list[Item]
    next_page: str | None = None


def write(
    address: str, key: str, project: str, number: int, every: float, end: float, out: Any
) -> None:
    """Create annotations until the end, one ``every`` so many seconds if that is not 0.

    Tells the seconds that each took.
    """
    times, faults = [], []
    try:
        door = Door(address, key)
        body: dict[str, Any] = {"assetId": "image.png", "tag": "dog", "boundType": "Rectangle"}
        n = 0
        due = time.perf_counter() + every * number / 8
        while time.time() < end:
            if every:
                due += every
                time.sleep(max(due - time.perf_counter(), 0))
            body |= {"bound": BOX, "properties": {"writer": number, "n": n}}
            begin = due if every else time.perf_counter()
            door.ask("POST", f"/projects/{project}/annotations", body)
            times.append(time.perf_counter() - begin)
            n += 1
    except (RuntimeError, OSError) as error:
        faults.append(f"writer {number}: {error!r}")
    out.put(("write", times, faults, 0))


def read(address: str, key: str, project: str, end: float, out: Any) -> None:
    """Walk through all pages until the end; tells the seconds that each full page took."""
    times, faults, walks = [], [], 0
    decode = msgspec.json.Decoder(Page).decode
    try:
        door = Door(address, key)
        while time.time() < end:
            seen: set[str] = set()
            numbers: dict[int, list[int]] = {}
            cursor = ""
            while True:
                path = f"/projects/{project}/annotations?limit={PAGE}{cursor}"
                begin = time.perf_counter()
                data = door.ask("GET", path)
                took = time.perf_counter() - begin
                page = decode(data)
                if len(page.data) == PAGE:
                    times.append(took)
                for each in page.data:
                    if each.id in seen:
                        faults.append(f"{each.id} came twice")
                    seen.add(each.id)
                    numbers.setdefault(each.properties["writer"], []).append(each.properties["n"])
                if page.next_page is None:
                    break
                cursor = f"&page={page.next_page}"
            for writer, found in numbers.items():
                if found != list(range(len(found))):
                    faults.append(f"a walk lost annotations of writer {writer}")
            walks += 1
    except (RuntimeError, OSError) as error:
        faults.append(f"reader: {error!r}")
    out.put(("read", times, faults, walks))


def show(name: str, times: list[float], seconds: float) -> None:
    """One line of figures."""
    if not times:
        print(f"{name}: none")
        return
    ordered = sorted(times)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    print(
        f"{name}: {len(times)}, {len(times) / seconds:.0f}/s, p50 {p50 * 1e3:.2f} ms, "
        f"p99 {p99 * 1e3:.2f} ms ({p99 / p50:.1f} x), most {ordered[-1] * 1e3:.1f} ms"
    )


def round_(
    address: str,
    key: str,
    project: str,
    writers: int,
    readers: int,
    seconds: float,
    rate: float,
) -> int:
    """Run writers and readers side by side; answers how many faults were found."""
    every = writers / rate if rate else 0.0
    out: Any = mp.Queue()
    end = time.time() + seconds
    tasks = [
        mp.Process(target=write, args=(address, key, project, i, every, end, out))
        for i in range(writers)
    ] + [mp.Process(target=read, args=(address, key, project, end, out)) for _ in range(readers)]
    for task in tasks:
        task.start()
    times: dict[str, list[float]] = {"write": [], "read": []}
    faults: list[str] = []
    walks = 0
    for _ in tasks:
        kind, took, wrong, walked = out.get()
        times[kind] += took
        faults += wrong
        walks += walked
    for task in tasks:
        task.join()
    offered = f", {rate:.0f}/s offered" if rate else ""
    print(f"\n{writers} writers, {readers} readers, {seconds:.0f} s{offered}")
    show("create one annotation", times["write"], seconds)
    if readers:
        show(f"page of {PAGE}", times["read"], seconds)
        print(f"walks through all pages: {walks}")
    count = len(times["write"])
    info = json.loads(Door(address, key).ask("GET", f"/projects/{project}"))
    stored = info["statistic"]["totalAnnotations"]
    print(f"acknowledged {count}, stored {stored}")
    if stored != count:
        faults.append(f"{count} were acknowledged, {stored} are there")
    for fault in faults[:20]:
        print("FAULT:", fault)
    return len(faults)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=400, help="a second, of all writers")
    given = parser.parse_args()
    faults = 0
    with tempfile.TemporaryDirectory() as home:
        code = "import sys; from annotary.server import serve; serve(sys.argv[1], port=0)"
        server = subprocess.Popen(
            [sys.executable, "-c", code, home],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            address, key = started(server)
            short = given.seconds / 6
            for writers, readers, seconds, rate in (
                (1, 0, short, 0.0),
                (given.writers, 0, short, 0.0),
                (given.writers, 0, short, given.rate),
                (given.writers, given.readers, given.seconds, 0.0),
            ):
                project = prepare(address, key)
                faults += round_(address, key, project, writers, readers, seconds, rate)
        finally:
            server.terminate()
            server.communicate()
    print("\nno fault" if not faults else f"\n{faults} faults")
    return 1 if faults else 0


def started(server: subprocess.Popen[str]) -> tuple[str, str]:
    """The address and the first key that a new server prints."""
    address = key = ""
    assert server.stdout is not None
    while not (address and key):
        line = server.stdout.readline()
        if not line:
            raise SystemExit("the server did not start")
        address = line.split()[-1] if "Annotary serves" in line else address
        key = line.strip() if line.strip().startswith("annotary_") else key
    return address, key


def prepare(address: str, key: str) -> str:
    """A new project with one image."""
    door = Door(address, key)
    project: str = json.loads(door.ask("POST", "/workspace/projects", {"name": "load"}))["id"]
    image = [{"filename": "image.png", "width": 400, "height": 200}]
    door.ask("POST", f"/projects/{project}/assets:register", image)
    return project


if __name__ == "__main__":
    sys.exit(main())
