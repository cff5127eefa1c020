"""The SDK: :class:`Client` and what it answers."""

from annotary.client.client import Client

__all__ = ["Client"]
