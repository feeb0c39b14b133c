"""What people see of a run: progress, log lines, tables, and errors with their advice.

Observers are callables that take one event. Text from a server or a file is cleaned before it is shown.
"""
