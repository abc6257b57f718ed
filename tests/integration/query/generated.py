"""Query tables with generated studies, written by one statement a table."""

from datetime import date, timedelta
from typing import Any, NamedTuple

import psycopg

FILL = """
insert into index.patient (patient_id, name, name_folded, birth_date, sex)
select 'PAT' || lpad(n::text, 7, '0'), 'NAME' || lpad(n::text, 7, '0') || '^GIVEN' || mod(n, 7),
       'name' || lpad(n::text, 7, '0') || '^given' || mod(n, 7), '19' || 10 + mod(n, 90) || '0101',
       case mod(n, 2) when 0 then 'F' else 'M' end
from generate_series(1, %(patients)s) n;

insert into index.study (study_instance_uid, patient, study_date, study_time, accession_number, study_id, description)
select '1.2.826.1.' || n, p.id, to_char(date '2000-01-01' + (mod(n, 6000)), 'YYYYMMDD'),
       lpad((mod(n, 24))::text, 2, '0') || lpad((mod(n, 60))::text, 2, '0') || '00',
       'ACC' || lpad(n::text, 7, '0'), 'ID' || n, 'Study number ' || n
from generate_series(1, %(studies)s) n
join index.patient p on p.patient_id = 'PAT' || lpad((1 + mod(n, %(patients)s))::text, 7, '0');

insert into index.series (study_instance_uid, series_instance_uid, modality, series_number, series_date, series_time,
                          description)
select '1.2.826.1.' || n, '1.2.826.1.' || n || '.' || e,
       case when e = 2 then 'PT' else (array['CT', 'MR', 'NM', 'CT'])[1 + mod(n, 4)] end, e::text,
       to_char(date '2000-01-01' + (mod(n, 6000)), 'YYYYMMDD'), '101500', 'Series ' || e
from generate_series(1, %(studies)s) n, generate_series(1, %(series)s) e;

insert into index.instance (sop_instance_uid, revision, received_at, object_key, study_instance_uid,
    series_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number, image_type, image_id, row_count,
    column_count, frame_count)
select '1.2.826.1.' || n || '.' || e || '.' || i, 1, now(), 'objects/' || n || '/' || e || '/' || i, '1.2.826.1.' || n,
    '1.2.826.1.' || n || '.' || e, '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', i::text,
    'ORIGINAL\\PRIMARY', 'IMG' || i, 512, 256, 1
from generate_series(1, %(studies)s) n, generate_series(1, %(series)s) e, generate_series(1, %(instances)s) i;
"""


def fill(connection: psycopg.Connection[Any], studies: int, *, series: int = 2, instances: int = 2) -> None:
    """Half as many patients as studies; study n is of patient 1 + n % patients and has the UID 1.2.826.1.n.

    Constraints between the tables are not checked: the rows fit each other by construction.
    """
    values = {"patients": max(1, studies // 2), "studies": studies, "series": series, "instances": instances}
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        for statement in FILL.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode(), values)
    connection.execute("analyze index.patient, index.study, index.series, index.instance")


class Study(NamedTuple):
    """What the statements above write for study ``number`` out of ``studies``."""

    number: int
    studies: int = 10_000

    @property
    def uid(self) -> str:
        """Study Instance UID."""
        return f"1.2.826.1.{self.number}"

    @property
    def patient(self) -> int:
        """Number of its patient."""
        return 1 + self.number % (self.studies // 2)

    @property
    def patient_id(self) -> str:
        """Patient ID."""
        return f"PAT{self.patient:07}"

    @property
    def patient_name(self) -> str:
        """Patient's Name."""
        return f"NAME{self.patient:07}^GIVEN{self.patient % 7}"

    @property
    def date(self) -> str:
        """Study Date."""
        return (date(2000, 1, 1) + timedelta(self.number % 6000)).strftime("%Y%m%d")

    @property
    def time(self) -> str:
        """Study Time."""
        return f"{self.number % 24:02}{self.number % 60:02}00"

    @property
    def accession(self) -> str:
        """Accession Number."""
        return f"ACC{self.number:07}"

    @property
    def modalities(self) -> set[str]:
        """Modalities in Study."""
        return {("CT", "MR", "NM", "CT")[self.number % 4], "PT"}
