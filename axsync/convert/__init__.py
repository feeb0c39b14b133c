"""Page bytes → record batches. pyarrow is the fast path; records that it would refuse or change are cleaned one by one.

Theory of operation
-------------------
1. A page stays bytes. Its envelope is cut down to the rows, and pyarrow reads it as one object with an explicit
   schema. pyarrow releases the interpreter lock and refuses unknown keys, mixed types and duplicate keys.
2. What pyarrow would accept but change is detected separately: in the bytes beforehand (explicit nulls, numbers with
   more digits than a double holds), in the arrays afterwards (dates in another form, doubles beyond exact integers,
   missing ids).
3. Only if one of these finds something is the page split, and the records that need it go through `fit.Rules.clean`.
   Cleaned and untouched records are joined and typed as in 1, so typing has one implementation. A record that cannot
   be read at all becomes a dead letter.
"""

from axsync.convert.converter import Converted, Converter

__all__ = ["Converted", "Converter"]
