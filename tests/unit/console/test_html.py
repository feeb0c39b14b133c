import pytest

from axsync.console.report.html import html, joined


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('<b title="\'">&', "&lt;b title=&quot;&#x27;&quot;&gt;&amp;"),
        ("{0} {} {x}", "{0} {} {x}"),
        ("\x1b[31m\u202e", r"\x1b[31m\u202e"),
        (None, ""),
        (1.5, "1.5"),
        (html("<i>{}</i>", "<"), "<i>&lt;</i>"),
        (joined([html("<i>"), html("</i>")]), "<i></i>"),
    ],
)
def test_a_value_is_text_and_only_what_was_made_here_is_html(value: object, shown: str) -> None:
    """Wherever it stands, between elements and in attributes."""
    assert html('<p class="{}">{}', value, value) == f'<p class="{shown}">{shown}'


def test_what_joins_pieces_gives_them_no_voice_of_its_own() -> None:
    """Text that was joined to HTML is text again, and is escaped where it is put into a page."""
    assert html("{}", html("<i>") + "<script>") == "&lt;i&gt;&lt;script&gt;"
