"""The engine behind every door: one method per route, struct in, struct out.

``Service.annotations.list`` answers the route ``annotations.list``, and so on. The service
knows no HTTP, no keys and no files of the caller; what differs between doors is its ``Links``.
"""

from annotary.service.service import Service

__all__ = ["Service"]
