"""Presence, values, codes and item counts of the attributes of one data set (PS3.5 7.4, PS3.3 5.3)."""

from collections.abc import Callable

from services.dicom.iods.data_sets import MAX_ELEMENTS, DataSet, Element, holds, name_of
from services.dicom.iods.definitions import ANY_VALUE, Level, Rule, scheme

Report = Callable[[str, str, str], None]
"""Takes rule, path and reference of a finding."""

_CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)
_CODING_SCHEME = 0x00080102


def check_level(level: Level, here: DataSet, main: DataSet, report: Report) -> None:
    """Check a data set whose elements are all known."""
    elements = here.elements
    for key, rule in level.rules.items():
        element = elements.get(key)
        if element is None:
            if rule.decidable and rule.type != "3" and _required(rule, here, main):
                report(f"type-{rule.type}-missing", here.path + name_of(key), rule.reference)
        elif element.empty:
            if rule.type[0] == "1":
                report(f"type-{rule.type}-empty", here.path + name_of(key), rule.reference)
        elif rule.values is not None or rule.count is not None:
            _check_element(rule, element, here, main, report)


def check_counts(main: DataSet, report: Report) -> None:
    """Check items that are counted in the main data set, which is known only at its end."""
    for path, reference, key, items in main.counted:
        if main.integer(key) not in (None, items):
            report("item-count", path, reference)


def check_code(rule: Rule, item: DataSet, path: str, report: Report) -> None:
    """Check an item of a code sequence against its code table; the scheme may go by an older name (notes B1)."""
    if rule.codes is None:
        return
    values = [item.elements[tag].first() for tag in _CODE_VALUES if tag in item.elements]
    designator = item.elements.get(_CODING_SCHEME)
    if not any(values) or designator is None or designator.empty:
        return
    name = scheme(designator.first())
    if not any((value, name) in rule.codes for value in values):
        report("code", path, rule.reference)


def _required(rule: Rule, here: DataSet, main: DataSet) -> bool:
    return all(holds(term, here, main) for term in rule.when) and not any(
        holds(term, here, main) for term in rule.unless
    )


def _check_element(rule: Rule, element: Element, here: DataSet, main: DataSet, report: Report) -> None:
    path = here.path + name_of(rule.key)
    if rule.values is not None and not _allowed(rule, element):
        report("value" if any(rule.values.values()) else "not-empty", path, rule.reference)
    if rule.count is not None and element.vr == "SQ" and len(main.counted) < MAX_ELEMENTS:
        in_main, key = rule.count
        number = None if in_main else here.integer(key)
        if in_main:
            main.counted.add((path, rule.reference, key, element.items))
        elif number is not None and number != element.items:
            report("item-count", path, rule.reference)


def _allowed(rule: Rule, element: Element) -> bool:
    if element.vr == "SQ" or rule.values is None:
        return rule.values is None or any(rule.values.values())
    values = element.values()
    for position, allowed in rule.values.items():
        looked_at = values if position == ANY_VALUE else values[position - 1 : position]
        if not allowed.issuperset(looked_at):
            return False
    return True
