"""Whether an object says that a Xeleris made it; only then do its tables apply."""

from typing import Final

from services.dicom.iods.data_sets import DataSet
from services.dicom.iods.definitions import Key

IMPLEMENTATION_UID: Final = "1.2.840.113619.6.281"
_CREATOR: Final = 0x00080014
_MANUFACTURER: Final = 0x00080070
_MARKER: Final = "0009:GEMS_GENIE_1:01"
_MODELS: Final = (0x00081090, 0x00181018)

WANTED: Final[frozenset[Key]] = frozenset({_CREATOR, _MANUFACTURER, _MARKER, *_MODELS})


def made_by_xeleris(main: DataSet) -> bool:
    """Whether the creator of an object says so.

    Instance Creator UID decides where it is there: in all tables of SOP Common it is the Implementation Class UID of
    the product (R29), and objects received and sent on keep that of their maker. Without it, the model name, of the
    equipment or of the capture device, must begin with Xeleris, and the object carry the maker's name (Tables 3-18,
    5-6) or the marker GEMS_GENIE of the private image tables (3-28, 9-9). The marker alone does not do: cameras and
    older workstations of the maker write it too.
    """
    if _CREATOR in main.elements:
        return _text(main, _CREATOR) == IMPLEMENTATION_UID
    named = any(_text(main, model).upper().startswith("XELERIS") for model in _MODELS)
    maker = _text(main, _MANUFACTURER).startswith("GE MEDICAL SYSTEMS")
    return named and (maker or _text(main, _MARKER) == "GEMS_GENIE")


def _text(main: DataSet, key: Key) -> str:
    element = main.elements.get(key)
    return element.first() if element is not None else ""
