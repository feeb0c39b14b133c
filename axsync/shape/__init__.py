"""What fits: pure rules that put each served value into its typed column or, exactly, into the rescue column.

`borders`  finds the records of a page without reading them
`exact`    reads one record without rounding anything
`keys`     which column a served key belongs to
`fit`      decides, record by record, what fits: `strict` is the quick test, `misfit` splits what fails it
`rescue`   the text of the rescue column and the paths in it
`restore`  the way back: a row and its lane's manifest entry give the served record
`dates`    the forms in which dates are served
`sample`   settles what a catalogue leaves open by a look at the first page
`widen`    how a column's kind may change between snapshots; `kinds` is how the manifest writes it
"""
