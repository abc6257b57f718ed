"""Scripted remote AEs for every tier of tests.

``StationReceiver`` is a Storage SCP that remembers what it got and misbehaves on demand. ``RawSender`` is a Storage SCU
on a plain socket that shares no code with the gateway: what it sends is what the test says, byte for byte.
"""

from tests.stations.part10 import Part10, part10
from tests.stations.raw_sender import RawSender
from tests.stations.receiver import (
    AbortAfterData,
    Accept,
    Answer,
    Behaviour,
    Cut,
    Freeze,
    Refuse,
    RejectAssociations,
    Slow,
    StationReceiver,
)

__all__ = [
    "AbortAfterData",
    "Accept",
    "Answer",
    "Behaviour",
    "Cut",
    "Freeze",
    "Part10",
    "RawSender",
    "Refuse",
    "RejectAssociations",
    "Slow",
    "StationReceiver",
    "part10",
]
