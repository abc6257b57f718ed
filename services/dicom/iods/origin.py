"""Whether an object says that a Xeleris made it; only then do its tables apply."""

from typing import Final

from services.dicom.iods.data_sets import DataSet
from services.dicom.iods.definitions import Key

IMPLEMENTATION_UID: Final = "1.2.840.113619.6.281"
_CREATOR: Final = 0x00080014
_MARKER: Final = "0009:GEMS_GENIE_1:01"
_MODELS: Final = (0x00081090, 0x00181018)

WANTED: Final[frozenset[Key]] = frozenset({_CREATOR, _MARKER, *_MODELS})


def made_by_xeleris(main: DataSet) -> bool:
    """Whether the creator of an object says so.

    That is the Instance Creator UID of all tables of SOP Common (the Implementation Class UID, R29), or the marker
    GEMS_GENIE of the private image tables (3-28, 9-9) together with a model name that begins with Xeleris. The marker
    alone does not do: cameras and older workstations of the maker write it too.
    """
    creator = main.elements.get(_CREATOR)
    if creator is not None and creator.first() == IMPLEMENTATION_UID:
        return True
    marker = main.elements.get(_MARKER)
    if marker is None or marker.first() != "GEMS_GENIE":
        return False
    models = (main.elements.get(tag) for tag in _MODELS)
    return any(model is not None and model.first().upper().startswith("XELERIS") for model in models)
