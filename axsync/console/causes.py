"""What Python and its libraries say went wrong, as a person would say it: no names of classes, no numbers of errors."""

import json

# Their texts speak of the code, not of what a person could look at.
_ABOUT_CODE = (TypeError, AttributeError, IndexError, AssertionError)


def in_words(cause: BaseException) -> str:
    """The cause in words; empty where it has none that help."""
    match cause:
        case OSError(strerror=str(why)):
            return f"{why}: {cause.filename}" if isinstance(cause.filename, str) else why
        case UnicodeError():
            return "it is no text in UTF-8"
        case json.JSONDecodeError():  # orjson's is one as well
            return f"it is no JSON: {cause.msg}"
        case KeyError():
            return f"it has no {cause}"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return "" if isinstance(cause, _ABOUT_CODE) else str(cause)
