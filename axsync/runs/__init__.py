"""The use cases: a run, and looks at instances. Each is imported from its module, so that none waits for the rest."""
