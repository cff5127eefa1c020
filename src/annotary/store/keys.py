"""Secret keys, the key that addresses are signed with, and answers kept for repeated requests."""

from __future__ import annotations

import secrets

import msgspec

from annotary import ids
from annotary.store.database import Database

_COLUMNS = "id, hash, name, role, project, created, revoked"


class KeyRow(msgspec.Struct, frozen=True):
    """A secret key as it is stored: of the secret itself only the SHA-256 is known."""

    id: bytes
    hash: bytes
    name: str
    role: str
    project: bytes | None
    created: int
    revoked: int | None


def insert(db: Database, key: KeyRow) -> None:
    """Add a key."""
    db.execute(
        f"INSERT INTO secret_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (key.id, key.hash, key.name, key.role, key.project, key.created, key.revoked),
    )


def find(db: Database, id_: bytes) -> KeyRow | None:
    """The key with an id, also when it was revoked."""
    found = db.row(f"SELECT {_COLUMNS} FROM secret_keys WHERE id = ?", (id_,))
    return None if found is None else KeyRow(*found)


def all_of(db: Database) -> list[KeyRow]:
    """Every key, the oldest first."""
    found = db.rows(f"SELECT {_COLUMNS} FROM secret_keys ORDER BY created, id")
    return [KeyRow(*each) for each in found]


def revoke(db: Database, id_: bytes) -> None:
    """Let a key open nothing any more."""
    db.execute("UPDATE secret_keys SET revoked = ? WHERE id = ?", (ids.now_ms(), id_))


def signing_key(db: Database) -> bytes | None:
    """The 32 bytes that addresses are signed with, once they are made."""
    found: bytes | None = db.value("SELECT secret FROM signing_key")
    return found


def new_signing_key(db: Database) -> bytes:
    """Sign with other bytes from now on: all addresses that were given stop working."""
    secret = secrets.token_bytes(32)
    db.execute("DELETE FROM signing_key")
    db.execute("INSERT INTO signing_key (secret) VALUES (?)", (secret,))
    return secret


class AnswerRow(msgspec.Struct, frozen=True):
    """An answer that was given."""

    request: bytes
    status: int
    body: bytes


def find_answer(db: Database, caller: bytes, key: str, since: int) -> AnswerRow | None:
    """What a caller was answered under a key, unless that was before ``since`` (ms)."""
    found = db.row(
        "SELECT request, status, body FROM answers WHERE caller = ? AND key = ? AND created >= ?",
        (caller, key, since),
    )
    return None if found is None else AnswerRow(*found)


def keep_answer(db: Database, caller: bytes, key: str, answer: AnswerRow) -> None:
    """Remember an answer."""
    db.execute(
        "INSERT INTO answers (caller, key, request, status, body, created)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (caller, key) DO UPDATE SET"
        " request = excluded.request, status = excluded.status, body = excluded.body,"
        " created = excluded.created",
        (caller, key, answer.request, answer.status, answer.body, ids.now_ms()),
    )


def forget_answers(db: Database, before: int) -> None:
    """Drop the answers given before a time (ms)."""
    db.execute("DELETE FROM answers WHERE created < ?", (before,))
