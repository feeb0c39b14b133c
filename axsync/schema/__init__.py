"""Fields of a catalogue, the kinds of their values, and the columns they become. Pure.

`kinds`      what values are and how they are served; their Arrow types, and how the manifest writes them
`columns`    fields, columns, their names, and which column a key of a served record belongs to
`dates`      the forms in which dates are served
`registry`   the columns of an entity type in all instances, which only grow
`field_ids`  numbers of columns, for tables that know a column by its number
`selection`  which lanes a run has, and which fields each of them requests
"""
