import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from click.testing import CliRunner, Result

from axsync.cli import main
from axsync.errors import UnknownEntity
from axsync.runs.check import CheckStep, InstanceCheck

Axsync: TypeAlias = Callable[..., Result]
Fake: TypeAlias = Any  # of conftest.py, which cannot be imported: test folders are no packages


def test_check_ends_with_what_the_first_failure_means(axsync: Axsync, fake: Fake) -> None:
    """A refused credential is exit code 4."""
    step = CheckStep(
        "credential", ok=False, text="401", advice="Check that key and secret belong to this host.", failure="refused"
    )
    fake.checks = (InstanceCheck("default", "https://acme.example", (step,)),)
    result = axsync("check")

    assert result.exit_code == 4
    assert "credential: Check that key and secret" in result.stdout


def test_check_hands_on_where_the_probe_goes(axsync: Axsync, fake: Fake) -> None:
    """Without the option, nowhere."""
    axsync("check", "--probe", "probe.json")
    assert fake.probe_to == Path("probe.json")

    axsync("check")
    assert fake.probe_to is None


def test_a_probe_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """Exit code 2."""
    keys = {"AX_URL": "https://acme.example", "AX_KEY": "k", "AX_SECRET": "s"}
    result = CliRunner(env=keys).invoke(main, ["check", "--probe", str(tmp_path / "no" / "probe.json")])

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "the record cannot be written to" in result.stderr
    assert "No such file or directory" in result.stderr


def test_entities_lists_what_is_offered(axsync: Axsync) -> None:
    """As a table, or as JSON."""
    assert "devices" in axsync("entities").stdout
    assert json.loads(axsync("entities", "--output", "json").stdout)[0]["count"] == 2000


def test_fields_asks_for_its_entity_type(axsync: Axsync, fake: Fake) -> None:
    """Column names and types are shown."""
    result = axsync("fields", "devices")

    assert fake.entity == "devices"
    assert "list<string>" in result.stdout


def test_a_mistyped_entity_type_names_the_nearest(axsync: Axsync, fake: Fake) -> None:
    """One sentence, with the name that was probably meant."""
    fake.error = UnknownEntity("device", instance="default", nearest="devices")
    result = axsync("fields", "device")

    assert result.exit_code == 2
    assert "did you mean 'devices'?" in result.stderr


def test_what_a_person_should_know_is_told_beside_the_table(axsync: Axsync, fake: Fake) -> None:
    """A notice goes to stderr, as a sentence or as a log line; nothing of it can command a terminal."""
    fake.notice = "WARNING: insecure_tls\x1b[2J = true"

    assert axsync("check").stderr == "WARNING: insecure_tls = true\n"
    assert json.loads(axsync("check", "--log-format", "json").stderr)["text"] == "WARNING: insecure_tls = true"
    assert "WARNING" in axsync("entities", "-q").stderr


def test_queries_lists_what_can_be_copied(axsync: Axsync, fake: Fake) -> None:
    """Name, id, AQL as it is, fields as --fields takes them; or all of it as JSON."""
    result = axsync("queries", "devices")

    assert fake.entity == "devices"
    assert result.stdout.splitlines() == [
        "devices  Tier one  5f",
        '  query   ("labels"  == "x")',
        "  fields  hostname, labels",
        "1 saved query",
    ]
    assert json.loads(axsync("queries", "--output", "json").stdout)[0]["query"] == '("labels"  == "x")'
