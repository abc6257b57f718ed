"""Slots: a limit over processes that the kernel enforces and frees."""

import subprocess
import sys
from pathlib import Path

from services.dicom.slots import Slots

_HOLD_ALL = """
import sys
from pathlib import Path
from services.dicom.slots import Slots
slots = Slots(Path(sys.argv[1]), 2)
held = [slots.acquire(), slots.acquire()]
print(all(held), flush=True)
sys.stdin.read()
"""


def test_the_limit_holds_and_a_released_slot_is_free_again(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 2)
    first, second = slots.acquire(), slots.acquire()
    assert first is not None
    assert second is not None
    assert slots.acquire() is None
    first.release()
    first.release()
    third = slots.acquire()
    assert third is not None
    assert slots.acquire() is None
    second.release()
    third.release()


def test_the_limit_can_change_while_slots_are_held(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1)
    held = [slots.acquire()]
    slots.limit = 2
    held.append(slots.acquire())
    assert all(held)
    slots.limit = 1
    assert slots.acquire() is None
    for slot in filter(None, held):
        slot.release()


def test_a_killed_process_gives_its_slots_back(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD_ALL, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        slots = Slots(tmp_path, 2)
        assert slots.acquire() is None
        holder.kill()
        holder.wait(10)
        slot = slots.acquire()
        assert slot is not None
        slot.release()


def test_one_holder_gets_no_more_than_its_share_of_all_processes(tmp_path: Path) -> None:
    here, elsewhere = Slots(tmp_path, 4), Slots(tmp_path, 4)
    held = [here.acquire({"GREEDY": 2}), elsewhere.acquire({"GREEDY": 2})]
    assert all(held)
    assert here.acquire({"GREEDY": 2}) is None
    assert elsewhere.acquire({"GREEDY": 2}) is None
    others = [elsewhere.acquire({"CT/../1": 2, "\\TITLE": 1}), here.acquire({"MR1": 2})]
    assert all(others)
    assert here.acquire({"CT2": 2}) is None
    assert here.acquire({"CT2": 2, "\\TITLE": 1}) is None
    for slot in filter(None, [held[0], *others]):
        slot.release()
    again = elsewhere.acquire({"GREEDY": 2, "\\TITLE": 1})
    assert again is not None
    assert [path.parent for path in tmp_path.rglob("of-*")] == [tmp_path] * 5  # titles are no paths
