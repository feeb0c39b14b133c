import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from axsync.cli import main
from axsync.config import load_settings

URL = "https://acme.on.axonius.com"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def init(*arguments: str, answers: str = "", **environ: str) -> Result:
    return CliRunner(env=environ).invoke(main, ["init", *arguments], input=answers)


def test_four_answers_become_settings_that_load() -> None:
    """Each answer is where it belongs; what was not asked has its default."""
    result = init(answers=f"{URL}\nenv:MY_KEY file:/run/secrets/s\n/srv/lake\ndevices, users\n")

    assert result.exit_code == 0, result.output
    settings = load_settings(environ={})
    (instance,) = settings.instances
    assert (instance.name, instance.url, settings.lake.uri) == ("prod", URL, "/srv/lake")
    assert settings.run.entities == ("devices", "users")
    document = tomllib.loads(Path("axsync.toml").read_text())
    assert document["instances"]["prod"]["api_key"] == "env:MY_KEY"
    assert document["instances"]["prod"]["api_secret"] == "file:/run/secrets/s"
    assert result.stdout == "axsync.toml was written. Next:\n  axsync check\n  axsync run\n"


def test_enter_takes_what_is_offered() -> None:
    """The three variables, a folder called lake, all entity types."""
    result = init(answers="\n\n\n\n", AX_URL=URL)

    assert result.exit_code == 0, result.output
    settings = load_settings(environ={})
    assert (settings.instances[0].url, settings.lake.uri, settings.run.entities) == (URL, "lake", ())


def test_a_stored_credential_is_named() -> None:
    """One word is a name of the credential store."""
    result = init("--yes", "--url", URL, "--credential", "prod")

    assert result.exit_code == 0, result.output
    assert f"  axsync credential add prod --url {URL}\n  axsync check\n" in result.stdout
    assert tomllib.loads(Path("axsync.toml").read_text())["instances"]["prod"]["credential"] == "prod"
    assert load_settings(environ={}).instances[0].url == URL


def test_yes_asks_nothing() -> None:
    """Options, then variables, then defaults."""
    result = init("--yes", "--entity", "devices", AX_URL=URL, AXSYNC_LAKE="/srv/lake")

    assert (result.exit_code, result.stderr) == (0, "")
    settings = load_settings(environ={})
    assert (settings.lake.uri, settings.run.entities) == ("/srv/lake", ("devices",))


def test_options_are_not_asked_for() -> None:
    """Only what is still unknown is."""
    result = init("--url", URL, "--lake", "there", "--entity", "users", answers="\n")

    assert result.exit_code == 0, result.output
    assert "Credential" in result.stderr
    assert "Lake" not in result.stderr


def test_a_file_that_is_there_is_left_alone() -> None:
    """Before anything is asked."""
    Path("axsync.toml").write_text("# mine\n")
    result = init("--yes", "--url", URL)

    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert Path("axsync.toml").read_text() == "# mine\n"


def test_a_link_that_leads_nowhere_is_left_alone() -> None:
    """Nothing is written through it."""
    Path("axsync.toml").symlink_to("elsewhere")

    assert init("--yes", "--url", URL).exit_code == 2
    assert not Path("elsewhere").exists()


def test_a_bad_answer_is_asked_for_again() -> None:
    """With one sentence that says why."""
    result = init(answers=f"acme\n{URL}\n\n\n\n")

    assert result.exit_code == 0, result.output
    assert "url must begin with https://" in result.stderr


def test_a_secret_that_was_typed_is_not_repeated() -> None:
    """Neither in the sentence nor in the file."""
    result = init("--url", URL, answers="0123456789abcdef 0123456789abcdef\n\n\n\n")

    assert "never the secret itself" in result.stderr
    assert result.stderr.count("0123456789abcdef") == 2  # as it was typed, which this terminal stands in for
    assert "0123456789abcdef" not in Path("axsync.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--yes",), "url is missing"),
        (("--yes", "--url", "acme"), "url must begin with"),
        (("--yes", "--url", URL, "--entity", "../x"), "entities must be written"),
        (("--yes", "--url", URL, "--instance", "a b"), "instance must be written"),
        (("--yes", "--url", URL, "--lake", "ftp://x"), "uri must be a folder"),
        (("--yes", "--url", URL, "--credential", "a b c"), "credential must be the name"),
        (("--yes", "--url", URL, "--config", "no/such/folder.toml"), "cannot be written"),
        ((), "standard input ended before all questions were answered"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], words: str) -> None:
    """One sentence, exit code 2, no file."""
    result = init(*arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert not Path("axsync.toml").exists()


@pytest.mark.parametrize("odd", ['a "quoted" folder', "back\\slash", "dollar ${HOME} and $${x}", "dash – ü", "a.b"])
def test_odd_answers_come_back_as_they_were_given(odd: str) -> None:
    """TOML's quotes and the settings' own variables are kept out of each other's way."""
    assert init("--yes", "--url", URL, "--lake", odd).exit_code == 0

    assert load_settings(environ={}).lake.uri == odd


def test_a_dot_in_the_name_of_an_instance_stays_in_it() -> None:
    """And does not become a table in a table."""
    init("--yes", "--url", URL, "--instance", "acme.eu")

    assert load_settings(environ={}).instances[0].name == "acme.eu"


def test_what_stands_in_comments_is_right_too(tmp_path: Path) -> None:
    """Without its hashes it loads, and is the default."""
    init("--yes", "--url", URL)
    text = Path("axsync.toml").read_text()
    lines = [line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in text.splitlines()]
    (tmp_path / "all.toml").write_text("\n".join(lines))

    assert lines != text.splitlines()
    assert load_settings(tmp_path / "all.toml", environ={}) == load_settings(environ={})
