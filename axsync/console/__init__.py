"""What commands do, and what people see of it: progress, log lines, tables, pages, and errors with their advice.

A command that `cli` declares is a function here: it gets an `Invocation`, and returns an exit code or None for 0.
Observers are callables that take one event. Text from a server or a file is cleaned before it is shown.
"""
