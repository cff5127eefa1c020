"""How long ``import annotary`` takes, and which heavy modules it brings along; as JSON."""

import json
import sys
import time

HEAVY = ["numpy", "PIL", "httpx", "starlette", "uvicorn", "sqlite3", "asyncio", "click"]

before = set(sys.modules)
started = time.perf_counter()
import annotary  # noqa: E402, F401

seconds = time.perf_counter() - started
loaded = set(sys.modules) - before
heavy = [name for name in HEAVY if name in loaded]
print(json.dumps({"milliseconds": seconds * 1000, "modules": len(loaded), "heavy": heavy}))
