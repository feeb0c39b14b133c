"""Fields of a catalogue, the kinds of value they hold, the columns that they become. Pure.

`fields`     catalogue entries, kinds, columns and their names
`selection`  which lanes a run has, and which fields each of them asks for
`keys`       which column a key of a served record belongs to
`dates`      the forms in which dates are served; `forms` those of numbers and bools that come as texts
`kinds`      how the manifest writes kinds
`widen`      how a column's kind may change from one snapshot to the next
"""
