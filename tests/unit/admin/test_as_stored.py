"""What is not seen is named on pages, and goes back as it came."""

from services.admin.web.as_stored import as_stored


def test_what_is_not_seen_is_named_in_texts_alone() -> None:
    field = '<input value="\u202e1174"><textarea name="text">\n<b>\u202e1174</b></textarea>'
    assert as_stored(f'<p title="\u202e">\u202e1174</p>{field}') == f'<p title="\u202e">[U+202E]1174</p>{field}'


def test_scripts_with_an_order_of_their_own_stay() -> None:
    page = "<p>\u0645\u0631\u064a\u0636\u060c \u200f \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645</p>"
    assert as_stored(page) == page
