"""Which settings are in force, where each is from, and that what is printed is a settings file again."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from axsync.cli import main
from axsync.config import documented, in_force, load_settings
from axsync.config.documented import key_lines

CONFIG = Path(__file__).parents[3] / "config"
TEXT = """\
[lake]
keep_daily = 30

[instances."acme.eu"]
url = "${WHERE}"
api_key = "env:K"
api_secret = "env:S"
in_flight = 2

[entities."*"]
fields = [
  "hostname",
]
query = '''
fields = "x"
${TOKEN}'''

[entities.users]
page_size = 5

[run]
skip = ["tickets"]
on_finish = "notify ${TOKEN} k3yk3yk3yk3yk3yk3yk3yk3yk3yk3yk3yk3y"
"""
ENVIRON = {"WHERE": "https://acme.example", "TOKEN": "t0psecret"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """A working directory with a settings file."""
    with contextlib.chdir(tmp_path):
        Path("axsync.toml").write_text(TEXT)
        yield tmp_path


def origins(environ: dict[str, str] | None = None, **overrides: object) -> dict[str, tuple[object, str]]:
    found = in_force(environ=ENVIRON | (environ or {}), overrides=overrides)
    return {f"{one.table}.{one.key}": (one.value, one.origin) for one in found}


def test_each_setting_names_its_origin() -> None:
    """The line of the file, the variable, the option, or the default."""
    told = origins({"AXSYNC_LAKE": "there"}, entities=["users"], fields="mail", skip=["software"], limit=5)

    assert told["lake.uri"] == ("there", "AXSYNC_LAKE")
    assert told["lake.keep_daily"] == (30, "axsync.toml:2")
    assert (told["lake.keep_days"], told["lake.keep_snapshots"]) == ((0, "default"), (None, "default"))
    assert told["instances.acme.eu.url"] == ("https://acme.example", "axsync.toml:5")
    assert told["instances.acme.eu.in_flight"] == (2, "axsync.toml:8")
    assert told["entities.*.fields"] == (("hostname",), "axsync.toml:11")
    assert told["entities.users.page_size"] == (5, "axsync.toml:19")
    assert told["entities.users.fields"] == (("mail",), "--fields")
    assert told["run.entities"] == (("users",), "command line")
    assert told["run.skip"] == (("tickets", "software"), "axsync.toml:22, --skip")
    assert (told["run.limit"], told["run.publish"]) == ((5, "--limit"), ("what-is-whole", "default"))
    assert origins({"AXSYNC_LAKE": "there"}, lake="here")["lake.uri"] == ("here", "--lake")


def test_what_variables_and_credentials_make_is_told_too() -> None:
    """Without a table of its own."""
    Path("axsync.toml").unlink()
    told = origins({"AX_URL": "https://a.example", "AX_KEY": "k", "AX_SECRET": "s"})
    assert told["instances.default.url"] == ("https://a.example", "AX_URL")
    assert told["instances.default.api_key"] == ("env:AX_KEY", "variables")

    for part, text in (("key", "k"), ("secret", "s"), ("url", "https://b.example")):
        place = Path(f"prod.{part}")
        place.write_text(text)
        place.chmod(0o600)
    told = origins({"AXSYNC_CREDENTIALS_DIRECTORY": str(Path.cwd())}, credentials=["prod"])
    assert told["instances.prod.credential"] == ("prod", "--credential")
    assert told["instances.prod.url"] == ("https://b.example", "credential prod")
    assert told["instances.prod.in_flight"] == (4, "default")


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts with ${…} as they are written, keys as references, words that may be keys not at all."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    told = CliRunner().invoke(main, ["config"]).output

    assert "t0psecret" not in told
    assert "k3yk3y" not in told
    assert 'api_key = "env:K"' in told
    assert 'on_finish = "notify ${TOKEN} ***"' in told


def test_what_is_printed_means_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a settings file; and as JSON."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    Path("axsync.toml").write_text(TEXT.replace("k3y" * 12, ""))
    asked = ["users", "--query", "(x == ${1})", "--date", "2026-01-02", "--lake", "there"]
    ran = CliRunner().invoke(main, ["config", *asked])
    Path("b.toml").write_text(ran.stdout)
    overrides = {"entities": ["users"], "query": "(x == ${1})", "logical_date": "2026-01-02", "lake": "there"}

    assert ran.exit_code == 0, ran.output
    expected = load_settings(environ=ENVIRON, overrides=overrides)
    told = replace(expected, lake=replace(expected.lake, keep_days=0))  # the default beside keep_daily
    assert load_settings("b.toml", environ=ENVIRON) == told
    document = json.loads(CliRunner().invoke(main, ["config", "--output", "json"]).stdout)
    assert {"table": "lake", "key": "keep_daily", "value": 30, "origin": "axsync.toml:2"} in document


def test_the_package_holds_the_documented_file() -> None:
    """config/axsync.toml is a copy of it; `make config-files` writes it. --defaults prints it."""
    Path("axsync.toml").unlink()
    ran = CliRunner().invoke(main, ["config", "--defaults"])

    assert ran.stdout == documented() == (CONFIG / "axsync.toml").read_text("utf-8")
    assert CliRunner().invoke(main, ["config", "--defaults", "--schema"]).exit_code == 2


def test_lines_are_those_of_the_file() -> None:
    """Quoted and dotted names; not what stands inside a text, nor a second time."""
    assert key_lines('a.b = 1\n["x.y"]\n# c = 2\n"d" = """\ne = 3\n"""\nf = 4 # g = 5\n') == {
        ("a", "b"): 1,
        ("x.y",): 2,
        ("x.y", "d"): 4,
        ("x.y", "f"): 7,
    }
