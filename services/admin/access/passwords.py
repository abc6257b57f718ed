"""Passwords: Argon2id, with parameters that OWASP's Password Storage Cheat Sheet recommends."""

import asyncio
import functools
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret_raw

from services.runtime.errors import UsageError

SHORTEST: Final = 12
LONGEST: Final = 256
_WORD_BYTES: Final = 15
_HASHER: Final = PasswordHasher(memory_cost=12 * 1024, time_cost=3, parallelism=1)
"""12 MiB for each attempt: with the 64 MiB of RFC 9106 two people who log in together double the process."""


def generated() -> str:
    """A password nobody guesses."""
    return secrets.token_urlsafe(_WORD_BYTES)


async def hashed(password: str) -> str:
    """What is kept of a password. Raises ``UsageError`` for one too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(f"password of {len(password)} characters: choose one of {SHORTEST} to {LONGEST}")
    return await asyncio.to_thread(_HASHER.hash, password)


async def fits(password: str, kept: str | None) -> bool:
    """Whether it is the password that was kept; None: of nobody."""
    return await asyncio.to_thread(_fits, password[: LONGEST + 1], kept) and kept is not None


async def fingerprint(text: bytes, salt: bytes) -> bytes:
    """Always the same of a text that may hold a password, and no easier to guess it from than what is kept of one."""
    return await asyncio.to_thread(
        hash_secret_raw, text, salt, _HASHER.time_cost, _HASHER.memory_cost, _HASHER.parallelism, 32, Type.ID
    )


def outdated(kept: str) -> bool:
    """Whether it was made with other parameters than today's: to be made again when its password is known (pure)."""
    return _HASHER.check_needs_rehash(kept)


def _fits(password: str, kept: str | None) -> bool:
    try:
        return _HASHER.verify(kept or _nobodys(), password)
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _nobodys() -> str:
    """Verified for names that do not exist, so that they take as long as others."""
    return _HASHER.hash(secrets.token_urlsafe())
