"""What is to be committed is not deleted before (the gate), whatever a person says of what we committed ourselves."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from services.storage.corrections import Corrector
from services.storage.deletion import Needed
from services.storage.requests import Requests
from tests.factories import ct
from tests.integration.storage.conftest import Storage
from tests.integration.storage.test_recording import deliver

UID = ct(1).sop_instance_uid


async def stored(storage: Storage, state: str, commit_on: str | None, commit: bool | None) -> None:
    """An instance with one delivery; ARCHIVE is a commit server."""
    await storage.handle(storage.receive(ct(1)))
    await storage.rows(
        "insert into config.station (title, host, port, commit_server) values ('ARCHIVE', '127.0.0.1', 104, true)"
    )
    await deliver(storage, ct(1), "ARCHIVE", state)
    await storage.rows(
        "update routing.delivery set commit_on = %(server)s, commit = %(commit)s", server=commit_on, commit=commit
    )


async def archived(storage: Storage, revision: int = 1) -> None:
    await storage.rows(
        "insert into commitment.archived (sop_instance_uid, revision, server, study_instance_uid, commitment, "
        "transaction_uid) values (%(uid)s, %(revision)s, 'ARCHIVE', '1', gen_random_uuid(), '1')",
        uid=UID,
        revision=revision,
    )


@pytest.mark.parametrize(
    ("state", "commit_on", "commit", "stays"),
    [
        ("DELIVERED", "ARCHIVE", None, True),
        ("WARNED", "ARCHIVE", True, True),
        ("DELIVERED", None, None, False),
        ("FAILED", None, True, False),
        ("CANCELED", None, None, False),
        ("SUPERSEDED", None, None, False),
    ],
)
async def test_an_instance_stays_until_whoever_is_asked_has_committed_it(
    storage: Storage, state: str, commit_on: str | None, commit: bool | None, stays: bool
) -> None:
    await stored(storage, state, commit_on, commit)
    if stays:
        await archived(storage, revision=2)
        with pytest.raises(Needed, match=rf"{UID} \(not yet committed by ARCHIVE\).*--even-uncommitted"):
            await storage.delete(UID)
        await archived(storage)
    assert await storage.delete(UID) == 1


@pytest.mark.parametrize("state", ["PENDING", "SENDING", "UNKNOWN"])
async def test_an_instance_stays_while_a_delivery_of_it_has_not_ended(storage: Storage, state: str) -> None:
    await stored(storage, state, None, False)
    await deliver(storage, ct(1), "WS", "PENDING")
    told = r"2 deliveries have not ended: 1 to ARCHIVE, 1 to WS; wait, .*'gateway jobs list'.*--force with --why"
    for override in ({}, {"even_uncommitted": True}):
        with pytest.raises(Needed, match=told):
            await storage.delete(UID, **override)
    assert await storage.delete(UID, force=True) == 1


async def test_what_is_still_to_be_committed_needs_both_words(storage: Storage) -> None:
    await stored(storage, "PENDING", None, None)
    with pytest.raises(Needed, match=r"1 delivery has not ended: 1 to ARCHIVE.*not yet committed by ARCHIVE"):
        await storage.delete(UID)
    with pytest.raises(Needed, match=r"nothing was deleted: 1 instance has to stay.*--even-uncommitted"):
        await storage.delete(UID, force=True)
    assert await storage.delete(UID, force=True, even_uncommitted=True) == 1


async def test_a_person_may_delete_the_uncommitted_but_not_what_we_promised(storage: Storage) -> None:
    await stored(storage, "DELIVERED", "ARCHIVE", None)
    await storage.rows(
        "insert into commitment.inbound_item (received_at, inbound, position, sop_class_uid, sop_instance_uid, state, "
        "revision) values (now(), gen_random_uuid(), 1, '1', %(uid)s, 'COMMITTED', 1)",
        uid=UID,
    )
    with pytest.raises(Needed, match="committed to a peer by this gateway"):
        await storage.delete(UID, even_uncommitted=True)
    await storage.rows("delete from commitment.inbound_item")
    assert await storage.delete(UID, even_uncommitted=True) == 1


async def promise(storage: Storage, state: str) -> None:
    await storage.rows(
        "with asked as (insert into commitment.inbound (received_at, id, object_key, calling_aet, called_aet, "
        "peer_address, association, transaction_uid, state, total) values (now(), gen_random_uuid(), 'k', 'MODALITY', "
        "'GATEWAY', '127.0.0.1', 'a', '1.2', %(state)s, 1) returning received_at, id) "
        "insert into commitment.inbound_item (received_at, inbound, position, sop_class_uid, sop_instance_uid, state, "
        "revision) select received_at, id, 1, '1', %(uid)s, 'COMMITTED', 1 from asked",
        state=state,
        uid=UID,
    )


@pytest.mark.parametrize("state", ["FAILED", "CANCELED"])
async def test_what_we_promised_stays_while_the_archive_has_not_got_it(storage: Storage, state: str) -> None:
    await stored(storage, state, None, None)
    await promise(storage, "REPORTED")
    with pytest.raises(Needed, match="not yet committed by ARCHIVE, committed to a peer by this gateway"):
        await storage.delete(UID, even_uncommitted=True)


async def test_what_a_peer_is_still_to_be_told_of_stays(storage: Storage) -> None:
    await storage.handle(storage.receive(ct(1)))
    await promise(storage, "READY")
    with pytest.raises(Needed, match="to be reported as committed to MODALITY"):
        await storage.delete(UID, even_uncommitted=True)
    await storage.rows("update commitment.inbound set state = 'REPORTED'")
    assert await storage.delete(UID) == 1


async def test_what_no_rule_was_asked_about_stays(storage: Storage) -> None:
    await storage.handle(storage.receive(ct(1)))
    await storage.rows("update storage.receipt set rule_set = 1")
    with pytest.raises(Needed, match="not routed yet"):
        await storage.delete(UID)


async def test_a_request_to_delete_is_carried_out_once_or_refused_with_the_reason(
    storage: Storage, tmp_path: Path
) -> None:
    await stored(storage, "DELIVERED", "ARCHIVE", None)
    corrector = Corrector(storage.objects, tmp_path, 1 << 30)
    requests = Requests(storage.database, storage.settings, corrector, commitment=True)

    async def ask(kind: str = "delete", **body: object) -> dict[str, object] | None:
        request = uuid4()
        await storage.rows(
            "insert into config.request (id, kind, body, requested_by) values (%(id)s, %(kind)s, %(body)s, 'anna')",
            id=request,
            kind=kind,
            body=json.dumps({"uids": [ct(1).study_instance_uid], **body}),
        )
        await requests.reconcile()
        await requests.carry_out(request)
        found = await storage.rows("select result from storage.request_done where request = %(id)s", id=request)
        return found[0]["result"] if found else None

    refused = await ask()
    assert refused is not None
    assert "not yet committed by ARCHIVE" in str(refused["error"])
    assert await ask("send") is None
    await deliver(storage, ct(1), "WS", "PENDING")
    assert "1 to WS" in str(await ask(even_uncommitted=True))
    await deliver(storage, ct(1), "PACS1", "SENDING")  # it may arrive yet
    given_up = [{"destination": "WS", "deliveries": 1}]
    done = await ask(even_uncommitted=True, force=True, why="WS is gone")
    assert done == {"instances": 1, "given_up": given_up}
    [told] = await storage.rows("select actor, after from audit.entry where action = 'studies.delete'")
    assert told["actor"] == "anna"
    assert told["after"]["why"] == "WS is gone"
    assert told["after"]["given_up"] == given_up
    assert await requests.reconcile() == 0
