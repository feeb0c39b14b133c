"""The recipe for Dagster: its asset runs, is tried again after 75, and after no other code."""

import dagster as dg
from stage import calls, check, ends_with, published, recipe

module = recipe("dagster_job")


def materialized() -> bool:
    return dg.materialize([quick], raise_on_error=False, instance=dg.DagsterInstance.ephemeral()).success


def without_waiting() -> dg.AssetsDefinition:
    """The asset, whose pause between tries is the only thing that is not as in the recipe."""
    asked = module.dg.RetryRequested

    def at_once(**settings: int) -> Exception:
        return asked(**{**settings, "seconds_to_wait": 0})

    module.dg.RetryRequested = at_once
    return module.axonius_lake


quick = without_waiting()
ends_with()
check("a real run succeeds", materialized(), True)
check("and publishes", published(), True)
ends_with(75, 75)
check("after 75 it is tried again", (materialized(), calls()), (True, 3))
for code in (1, 2, 3, 4, 5):
    ends_with(code)
    check(f"after {code} it is not", (materialized(), calls()), (False, 1))
check("it has a schedule", module.definitions.get_repository_def().has_schedule_def("axsync_every_night"), True)
