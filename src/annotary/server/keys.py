"""Secret keys: who may come in, and what they may do.

A key reads ``annotary_<id>_<secret>``: 8 bytes that name it and 32 random ones, in hexadecimal.
The store keeps the SHA-256 of the secret part: with 256 random bits there is nothing to guess,
so a slow hash would add nothing. ``list`` shows keys by their id.
"""

from __future__ import annotations

import builtins
import hashlib
import hmac
import re
import secrets

import msgspec

from annotary import ids
from annotary.errors import BadRequestError, NotFoundError
from annotary.store import Store, projects
from annotary.store import keys as stored
from annotary.store.keys import KeyRow

ROLES = ("viewer", "editor", "owner")
"""From the one that may least to the one that may all."""

_FORM = re.compile(r"annotary_([0-9a-f]{16})_([0-9a-f]{64})")


class SecretKey(msgspec.Struct, frozen=True, rename="camel"):
    """A key without its secret. ``project_id``: the only project it may see."""

    id: str
    name: str
    role: str
    create_date: int
    project_id: str | None = None
    revoke_date: int | None = None


def create(
    store: Store, name: str, role: str = "editor", project_id: str | None = None
) -> tuple[SecretKey, str]:
    """Make a key; answers it and its secret text, which cannot be had again.

    Raises :class:`BadRequestError` for an unknown role and :class:`NotFoundError` for an unknown
    project.
    """
    if role not in ROLES:
        raise BadRequestError(f"There is no role {role!r}.", hint=f"There are: {', '.join(ROLES)}.")
    id_, secret = secrets.token_bytes(8), secrets.token_hex(32)
    with store.write() as db:
        project = None if project_id is None else projects.find(db, project_id).id
        row = KeyRow(id_, _hash(secret), name, role, project, ids.now_ms(), None)
        stored.insert(db, row)
    return _public(row), f"annotary_{id_.hex()}_{secret}"


def list(store: Store) -> builtins.list[SecretKey]:
    """All keys, the oldest first; revoked ones too."""
    with store.read() as db:
        return [_public(each) for each in stored.all_of(db)]


def revoke(store: Store, key_id: str) -> SecretKey:
    """Let a key open nothing any more, at once. Raises :class:`NotFoundError`."""
    try:
        raw = bytes.fromhex(key_id.removeprefix("key_"))
    except ValueError:
        raw = b""
    with store.write() as db:
        if stored.find(db, raw) is None:
            raise NotFoundError(
                f"There is no secret key {key_id!r}.", hint="List them: annotary key list."
            )
        stored.revoke(db, raw)
        found = stored.find(db, raw)
    assert found is not None
    return _public(found)


def rotate_links(store: Store) -> None:
    """Let all signed addresses that were given stop working, at once; keys stay as they are."""
    with store.write() as db:
        stored.new_signing_key(db)


def verify(store: Store, text: str) -> KeyRow | None:
    """The key that a secret text opens; None where it opens nothing."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    with store.read() as db:
        found = stored.find(db, bytes.fromhex(match[1]))
    given = _hash(match[2])
    # compared also where there is no such key, so that the time tells nothing
    same = hmac.compare_digest(given, found.hash if found else b"\0" * 32)
    return found if found is not None and same and found.revoked is None else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _public(row: KeyRow) -> SecretKey:
    return SecretKey(
        id=ids.show("key", row.id),
        name=row.name,
        role=row.role,
        create_date=row.created,
        project_id=None if row.project is None else ids.show("proj", row.project),
        revoke_date=row.revoked,
    )
