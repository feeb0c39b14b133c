"""Fields of a catalogue, the kinds of their values, and the columns they become. Pure.

`fields`     catalogue entries, kinds, columns and their names
`selection`  which lanes a run has, and which fields each of them requests
`keys`       which column a key of a served record belongs to
`dates`      the forms in which dates are served; `forms` those of numbers and bools served as strings
`kinds`      how the manifest writes kinds, and how a kind may change from one snapshot to the next
"""
