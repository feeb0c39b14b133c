"""Page bytes → record batches. The fast path is pyarrow's; what it refuses is cleaned record by record.

Theory of operation
-------------------
1. A page stays bytes. Its envelope is cut to the rows alone and read by pyarrow as one object with an explicit
   schema, which lets go of the interpreter lock and refuses unknown keys, mixed types and duplicate keys.
2. What pyarrow would take but change is looked for: in the bytes before (explicit nulls, numbers with more digits
   than a double holds), in the arrays afterwards (dates in another form, doubles beyond exact integers, no id).
3. Only if one of these finds something, the page is split, and the records that need it go through
   `shape.Rules.clean`. Clean and untouched records are joined and take the same way as in 1: typing has one
   implementation. What cannot be read at all becomes a dead letter.
"""

from axsync.convert.converter import Converted, Converter

__all__ = ["Converted", "Converter"]
