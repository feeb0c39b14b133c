"""What people see of a run: progress, log lines, tables, and what an error means and what to try.

Observers are callables that take one event. Whatever came from a server or a file is cleaned before it is shown.
"""
