"""What fits: pure rules that put each served value into its typed column or, exactly, into the rescue column.

`exact`    reads one record without rounding anything, finds the records of a page
`fit`      decides, record by record, what fits; returns clean JSON and what has to be rescued
`rescue`   the text of the rescue column and the paths in it
`restore`  the way back: a row and its lane's manifest entry give the served record
`dates`    the forms in which dates are served
`sample`   settles what a catalogue leaves open by a look at the first page
"""
