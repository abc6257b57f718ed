"""Rows that an older gateway wrote get what queries need, by the migration itself."""

import psycopg
import pytest
from private_servers.postgresql import PrivatePostgresql

from services.runtime import migrate as module
from services.runtime.migrate import migrate, migrations
from tests.conftest import fresh_database

OLD_ROWS = """
insert into index.patient (patient_id, name, name_folded) values ('P', 'Müller^Jörg=山', 'muller^jorg=山');
insert into index.study (study_instance_uid, patient) values ('1', 1);
insert into index.series (study_instance_uid, series_instance_uid) values ('1', '1.1');
insert into index.instance (sop_instance_uid, revision, received_at, object_key, study_instance_uid,
    series_instance_uid, sop_class_uid, transfer_syntax_uid)
select '1.1.' || n, 1, '2026-01-01 00:00+00', 'objects/' || n, '1', '1.1', '1', '1' from generate_series(1, 3) n;
insert into storage.fact (received_at, object_key, facts) values
    ('2026-01-01 00:00+00', 'objects/1', '{"values": {"00540400": ["IMAGE 7"]}}'),
    ('2026-01-01 00:00+00', 'objects/2', '{"values": {"00540400": []}}');
"""


async def test_names_and_image_ids_of_existing_rows(
    postgresql: PrivatePostgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_database(postgresql, "template1") as url:
        monkeypatch.setattr(module, "migrations", lambda: migrations()[:1])
        await migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute(OLD_ROWS.encode())
        monkeypatch.undo()
        assert await migrate(url) == [each.number for each in migrations()[1:]]
        with psycopg.connect(url) as connection:
            names = connection.execute("select name_whole, name_ideographic, name_phonetic from index.patient")
            assert names.fetchall() == [("muller jorg", "山", "")]
            images = connection.execute("select sop_instance_uid, image_id from index.query_instance_view order by 1")
            assert images.fetchall() == [("1.1.1", "IMAGE 7"), ("1.1.2", ""), ("1.1.3", "")]
