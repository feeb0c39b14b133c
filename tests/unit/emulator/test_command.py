"""`axsync emulate` as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from axsync.emulator.command import emulate
from axsync.emulator.faults import KINDS, from_spec


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "axsync.emulator", "--size", "devices=30", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}) as server:
        try:
            yield server
        finally:
            server.kill()


def line(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    return server.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """Exit code 0; the log is on disk."""
    log = tmp_path / "log.jsonl"
    with running("--output", "json", "--log", str(log), EMULATOR_KEY="k", EMULATOR_SECRET="s") as server:
        ready = json.loads(line(server))
        request = urllib.request.Request(ready["url"] + "/api/v2/about", headers={"api-key": "k", "api-secret": "s"})  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            assert answer.status == 200
        server.send_signal(number)

        assert server.wait(10) == 0

    assert ready["profile"] == "p70"
    assert json.loads(log.read_text())["path"] == "/api/v2/about"


def test_welcome_can_be_pasted() -> None:
    """Three export lines."""
    with running("--profile", "v1") as server:
        text = [line(server) for _ in range(6)]

    assert "profile v1" in text[0]
    assert [row.partition("=")[0] for row in text[2:5]] == ["export AX_URL", "export AX_KEY", "export AX_SECRET"]


def test_faults_are_explained() -> None:
    """Every kind has its line."""
    result = CliRunner().invoke(emulate, ["--list-faults"])

    assert result.exit_code == 0
    assert all(kind in result.output for kind in KINDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--fault", "earthquake:0.5"],
        ["--size", "devices=many"],
        ["--size", "Foo=3"],
        ["--size", "foo=3"],
        ["--type", "devices", "--size", "foo=3"],
        ["--profile", "p99"],
        ["--host", "0.0.0.0"],  # noqa: S104
        ["--drift", "nan"],
        ["--latency", "inf"],
        ["--log", "no/such/folder/log.jsonl"],
        ["--merged-dates", "oldest"],
        ["--unknown-fields", "keep"],
        ["--shapes", "round"],
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str]) -> None:
    """Exit code 2, before anything starts."""
    assert CliRunner().invoke(emulate, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "device=3"], "--size names 'device', which is not offered; did you mean 'devices'?"),
        (["--type", "users", "--size", "devices=3"], "--size names 'devices', which is not offered; `--type devices`"),
        (["--type", "user"], "there is no type 'user'; did you mean 'users'?"),
        (["--fault", "empty-pge"], "unknown fault 'empty-pge'; did you mean 'empty-page'?"),
    ],
)
def test_a_mistyped_name_is_refused_with_the_nearest(arguments: list[str], words: str) -> None:
    """Whoever mistypes a type would otherwise wonder where its rows are."""
    result = CliRunner().invoke(emulate, arguments)

    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_faults_of_the_catalogue_are_explained_by_examples() -> None:
    """Each example can be read as it is printed; alternatives stand for one of them."""
    output = CliRunner().invoke(emulate, ["--list-faults"]).output
    examples = [word for row in output.partition("\n\n")[2].splitlines() for word in row.split() if ":on=" in word]

    assert "403:on=fields" in examples
    assert "other-body:on=fields,body={}" in examples
    assert all(from_spec(spec).on for one in examples for spec in [one.partition("|")[0]])


def test_options_reach_the_instance() -> None:
    """Merging, drawn shapes and refused names, from the command line."""
    options = ["--merged-dates", "list", "--shapes", "4", "--unknown-fields", "refuse", "--output", "json"]
    keys = {"api-key": "k", "api-secret": "s", "Content-Type": "application/json"}
    with running(*options, EMULATOR_KEY="k", EMULATOR_SECRET="s") as server:
        url = json.loads(line(server))["url"] + "/api/v2/assets/devices"
        body = json.dumps({"fields": ["no.such"]}).encode()
        request = urllib.request.Request(url, body, headers=keys)  # noqa: S310
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)  # noqa: S310

    assert refused.value.code == 400
    assert b"no.such" in refused.value.read()


def test_a_port_in_use_is_one_sentence() -> None:
    """Exit code 2, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(emulate, ["--port", str(port)])

    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in result.output


def test_a_json_value_of_a_fault_keeps_its_commas() -> None:
    """Items end at commas, but not within a list, an object or a text."""
    fault = from_spec('other-body:on=types,body={"asset_types":["users","a,b"]},times=2')

    assert (fault.on, fault.times) == ("types", 2)
    assert fault.details == {"body": {"asset_types": ["users", "a,b"]}}


def test_former_options_keep_working() -> None:
    """`--mishap` and `--list-mishaps` do what `--fault` and `--list-faults` do, unlisted."""
    former, listed = (CliRunner().invoke(emulate, [name]).output for name in ("--list-mishaps", "--list-faults"))

    assert former == listed
    assert "unknown fault 'earthquake'" in CliRunner().invoke(emulate, ["--mishap", "earthquake"]).output
    assert [one.opts[0] for one in emulate.params if getattr(one, "hidden", False)] == ["--mishap", "--list-mishaps"]
