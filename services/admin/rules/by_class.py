"""What becomes of instances for their SOP class, by the profile and the stations there are."""

from dataclasses import replace

from services.admin.station_rows import all_stations
from services.dicom.rules import ByClass
from services.runtime.db import Connection


async def with_stations(conn: Connection, by_class: ByClass) -> ByClass:
    """What the profile says, and which station takes PET raw data now."""
    stations = (await all_stations(conn)).values()
    return replace(by_class, pet_raw_station=next((each.title for each in stations if each.pet_raw), None))
