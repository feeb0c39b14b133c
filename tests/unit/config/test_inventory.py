"""Instances beside the settings file and from a program; choosing among them."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from axsync.cli import main
from axsync.config import in_force, load_settings
from axsync.config import inventory as inventory_module
from axsync.errors import ConfigError
from axsync.settings import Settings

ENVIRON = {"PATH": "/usr/bin:/bin", "AX_KEY": "key", "PRIVATE": "hidden"}


def table(name: str, **keys: object) -> str:
    told = {"url": f"https://{name}.example", "api_key": "env:AX_KEY", "api_secret": "env:AX_SECRET"} | keys
    return f"[instances.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in told.items())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A settings file with one instance, and two files beside it."""
    (tmp_path / "instances.d").mkdir()
    (tmp_path / "axsync.toml").write_text(table("prod"))
    (tmp_path / "instances.d" / "10-emea.toml").write_text(table("emea-1", tags=["emea", "gold"]) + table("emea-2"))
    (tmp_path / "instances.d" / "20-apac.toml").write_text(table("apac-1", tags=["gold"], in_flight=2))
    (tmp_path / "instances.d" / "notes.txt").write_text("no settings")
    return tmp_path / "axsync.toml"


def load(path: Path, **overrides: object) -> Settings:
    return load_settings(path, environ=ENVIRON, overrides=overrides)


def chosen(path: Path, **overrides: object) -> list[str]:
    return [instance.name for instance in load(path, **overrides).chosen()]


def printing(path: Path, text: str, *, more: str = "") -> None:
    """Let the inventory of this settings file be a program that prints the text."""
    program = path.parent / "list.py"
    program.write_text(f"import os, sys, time\n{more}\nsys.stdout.write({text!r})\n")
    command = f"command:{shlex.join([sys.executable, str(program)])}"
    path.write_text(f"[run]\ninventory = {json.dumps(command)}\n")


def test_files_beside_the_settings_name_more_instances(place: Path) -> None:
    """In the order of their names, behind those of the file itself; each with the settings of its table."""
    settings = load(place)

    assert [one.name for one in settings.instances] == ["prod", "emea-1", "emea-2", "apac-1"]
    assert settings.instances[3].in_flight == 2
    assert settings.instances[1].tags == ("emea", "gold")


def test_a_name_stands_in_one_place(place: Path) -> None:
    """The error names both files."""
    (place.parent / "instances.d" / "30-again.toml").write_text(table("apac-1"))

    with pytest.raises(ConfigError, match=r"'apac-1' is both in .*20-apac\.toml and in .*30-again\.toml"):
        load(place)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[lake]\nuri = 'x'\n", "unknown key 'lake'"),
        ("[instances.one", "is not valid TOML"),
        (table("a", url=""), "url"),
    ],
)
def test_a_mistake_beside_the_settings_names_its_file(place: Path, text: str, words: str) -> None:
    """Only instances may stand there."""
    (place.parent / "instances.d" / "30-wrong.toml").write_text(text)

    with pytest.raises(ConfigError, match=rf"30-wrong\.toml: .*{words}"):
        load(place)


def test_instances_are_chosen_by_globs_and_tags(place: Path) -> None:
    """Several names add up, several tags too; both together narrow."""
    assert chosen(place, instances=["emea-*"]) == ["emea-1", "emea-2"]
    assert chosen(place, instances=["prod", "apac-?"]) == ["prod", "apac-1"]
    assert chosen(place, tags=["gold"]) == ["emea-1", "apac-1"]
    assert chosen(place, instances=["emea-*"], tags=["gold"]) == ["emea-1"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"instances": ["amer-*"]}, "no instance matches 'amer-\\*'"),
        ({"tags": ["glod"]}, "no instance has the tag 'glod'; did you mean 'gold'"),
        ({"instances": ["prod"], "tags": ["gold"]}, "no instance that is chosen by name has a tag of gold"),
        ({"credentials": ["prod"], "tags": ["gold"]}, "instances and credentials cannot both be selected"),
    ],
)
def test_a_choice_of_nothing_is_refused(place: Path, overrides: dict[str, list[str]], words: str) -> None:
    """A slip of the pen must not become an empty run."""
    with pytest.raises(ConfigError, match=words):
        load(place, **overrides)


def test_a_program_prints_instances(place: Path) -> None:
    """The same keys as in a file; what it prints is taken as it is, without expanding anything in it."""
    instance = {
        "url": "https://t1.example",
        "api_key": "env:AX_KEY",
        "api_secret": "file:/${PRIVATE}",
        "tags": ["gold"],
    }
    printing(place, json.dumps({"instances": {"t1": instance}}))

    found = {one.name: one for one in load(place).instances}

    assert list(found) == ["emea-1", "emea-2", "apac-1", "t1"]
    assert "${PRIVATE}" in repr(found["t1"].credential)
    assert found["t1"].tags == ("gold",)


@pytest.mark.parametrize(
    ("text", "more", "words"),
    [
        ("{}", "", "must print"),
        ("[1]", "", "must print"),
        ('{"instances": {}}', "", "names no instance"),
        ('{"instances": {"t1": {}}, "next": 2}', "", "unknown key 'next'"),
        ('{"instances": {"t1": {"url": "https://t1.example"}}}', "", "t1.*api_key"),
        ('{"instances": {"t1": "secret-word"}}', "", "must be a table"),
        ("secret-word", "", "does not print JSON"),
        ("x" * 5000, "", "printed more than"),
        ("", "sys.exit(3)", "exit code 3"),
        ("", "time.sleep(60)", "did not finish"),
    ],
)
def test_a_program_that_prints_something_else_is_refused(
    place: Path, text: str, more: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it printed is not repeated: it may be a secret."""
    monkeypatch.setattr(inventory_module, "INVENTORY_SECONDS", 0.4 if "sleep" in more else 20.0)
    monkeypatch.setattr(inventory_module, "INVENTORY_BYTES", 4096)
    printing(place, text, more=more)

    with pytest.raises(ConfigError, match=words) as caught:
        load(place)
    assert "inventory" in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_a_program_knows_little_of_the_environment(place: Path) -> None:
    """As every program that axsync starts."""
    printing(place, "{}", more="sys.exit(4 if 'PRIVATE' in os.environ or 'AX_KEY' in os.environ else 5)")

    with pytest.raises(ConfigError, match="exit code 5"):
        load(place)


@pytest.mark.parametrize("inventory", ["list.py", "command:", "file:list.json", "command:'x"])
def test_an_inventory_is_a_command(place: Path, inventory: str) -> None:
    """Refused before anything is started."""
    place.write_text(f"[run]\ninventory = {json.dumps(inventory)}\n")

    with pytest.raises(ConfigError, match="inventory"):
        load(place)


def test_the_origin_of_an_instance_is_its_file_or_the_inventory(place: Path) -> None:
    """`axsync config` says where each setting is from."""
    keys = {"url": "https://t1.example", "api_key": "env:AX_KEY", "api_secret": "env:AX_SECRET"}
    printing(place, json.dumps({"instances": {"t1": keys}}))
    found = {(one.table, one.key): one.origin for one in in_force(place, environ=ENVIRON)}

    assert found["instances.t1", "url"] == "inventory"
    assert found["instances.apac-1", "in_flight"].endswith("20-apac.toml")
    assert found["instances.apac-1", "tries"] == "default"


def test_a_variable_in_a_file_beside_is_shown_as_it_is_written(place: Path) -> None:
    """What is put in its place may be a secret."""
    further = place.parent / "instances.d" / "30-more.toml"
    further.write_text(table("more", proxy="http://p.example", proxy_user="${AX_KEY}", proxy_password="env:P"))
    found = {(one.table, one.key): one.value for one in in_force(place, environ=ENVIRON)}

    assert found["instances.more", "proxy_user"] == "${AX_KEY}"


def test_what_is_printed_can_be_loaded_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its place. What would name instances twice is a comment: the program, and the tables of files beside it."""
    keys = {"url": "https://t1.example", "api_key": "env:AX_KEY", "api_secret": "env:AX_SECRET"}
    printing(place, json.dumps({"instances": {"t1": keys}}))
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    printed = CliRunner().invoke(main, ["config", "--config", str(place)])
    before = {one.name: one for one in load(place).instances}
    place.write_text(printed.stdout)

    assert printed.exit_code == 0, printed.output
    assert {one.name: one for one in load(place).instances} == before
    assert "# inventory = " in printed.stdout
    assert "# [instances.apac-1]" in printed.stdout
