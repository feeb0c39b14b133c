"""How a file, the environment and the command line become settings, and what is said when they do not."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.config import check_lake, load_lake, load_settings
from axsync.errors import ConfigError, LakeError
from axsync.runs.resume import plan_of
from axsync.settings import (
    CredentialReference,
    EntitySettings,
    InstanceSettings,
    LakeSettings,
    RunSettings,
    Settings,
    StoredCredential,
)

CONFIG = Path(__file__).parents[3] / "config"
INSTANCE = '[instances.prod]\nurl = "https://acme"\napi_key = "env:K"\napi_secret = "env:S"\n'
VARIABLES = {"AX_URL": "https://acme", "AX_KEY": "k", "AX_SECRET": "s"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty working directory."""
    with contextlib.chdir(tmp_path):
        yield tmp_path


def loaded(text: str, environ: dict[str, str] | None = None, **overrides: object) -> Settings:
    Path("a.toml").write_text(text, "utf-8")
    return load_settings(Path("a.toml"), environ=environ or {}, overrides=overrides)


def refusal(text: str, environ: dict[str, str] | None = None, overrides: dict[str, object] | None = None) -> str:
    """The sentence with which the file is refused, after a look that nothing was written."""
    with pytest.raises(ConfigError) as caught:
        loaded(text, environ, **overrides or {})
    assert os.listdir() == ["a.toml"]  # noqa: PTH208  names only
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_documented_file_holds_the_defaults() -> None:
    """config/axsync.toml says what the values say."""
    settings = load_settings(CONFIG / "axsync.toml", environ={})
    instance = settings.instances[0]

    assert settings.lake == LakeSettings()
    assert settings.entities == {"default": EntitySettings()}
    assert settings.run == RunSettings()
    assert instance == InstanceSettings(instance.name, instance.url, instance.credential)


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (LakeSettings, "lake"),
        (InstanceSettings, "instances.prod"),
        (CredentialReference, "instances.prod"),
        (EntitySettings, "entities.default"),
        (RunSettings, "run"),
    ],
)
def test_the_documented_file_names_every_option(kind: type, table: str) -> None:
    """No field of a value is absent from its table in config/axsync.toml, and each line says why."""
    text = (CONFIG / "axsync.toml").read_text("utf-8").partition(f"\n[{table}]\n")[2]
    lines = re.split(r"^\[", text, maxsplit=1, flags=re.MULTILINE)[0]
    for option in fields(kind):
        if (kind, option.name) != (InstanceSettings, "name"):
            assert re.search(rf"^(# )?{option.name} = .*", lines, re.MULTILINE), option.name


def test_the_demo_file_loads() -> None:
    """config/demo.toml needs nothing around it."""
    assert load_settings(CONFIG / "demo.toml", environ={}).instances[0].url == "http://127.0.0.1:8765"


def test_a_file_may_be_named_by_a_text(tmp_path: Path) -> None:
    """As by a path; an empty text names none."""
    place = tmp_path / "a.toml"
    place.write_text('[lake]\nuri = "there"\n')
    keys = {"AX_URL": "https://a.example", "AX_KEY": "k", "AX_SECRET": "s"}

    assert load_settings(str(place), environ=keys) == load_settings(place, environ=keys)
    assert load_lake(str(place), environ={}) == load_lake(place, environ={})
    with pytest.raises(ConfigError, match="there is no configuration file"):
        load_settings("nowhere.toml", environ=keys)


def test_three_variables_make_an_instance() -> None:
    """Without a file, AX_URL, AX_KEY, AX_SECRET and AXSYNC_LAKE are enough."""
    settings = load_settings(environ=VARIABLES | {"AXSYNC_LAKE": "elsewhere"})

    keys = CredentialReference("env:AX_KEY", "env:AX_SECRET")
    assert settings == Settings(LakeSettings("elsewhere"), (InstanceSettings("default", "https://acme", keys),))


@pytest.mark.parametrize("name", ["AX_URL", "AX_KEY", "AX_SECRET"])
def test_a_missing_or_empty_variable_is_named(name: str) -> None:
    """Who sets two of three variables is told the third."""
    others = {key: value for key, value in VARIABLES.items() if key != name}
    expected = f"there is no axsync.toml here; set AX_URL, AX_KEY and AX_SECRET (not set: {name})"

    with pytest.raises(ConfigError) as caught:
        load_settings(environ=others)
    assert str(caught.value) == expected
    with pytest.raises(ConfigError, match=f"^{name} is empty$"):
        load_settings(environ=others | {name: " "})


def test_a_bad_url_in_a_variable_names_the_variable() -> None:
    """The sentence begins with AX_URL, which is what its reader knows."""
    with pytest.raises(ConfigError, match=r"^AX_URL has a trailing slash after the host; write it as https://acme$"):
        load_settings(environ=VARIABLES | {"AX_URL": "https://acme/"})


def test_a_file_in_the_working_directory_wins_over_the_variables() -> None:
    """axsync.toml is found unasked, and its instances are the instances; AXSYNC_LAKE still moves the lake."""
    Path("axsync.toml").write_text(INSTANCE + '[lake]\nuri = "here"\n')

    settings = load_settings(environ=VARIABLES | {"AXSYNC_LAKE": "there"})
    assert ([i.name for i in settings.instances], settings.lake.uri) == (["prod"], "there")
    assert load_settings(environ={}, overrides={"lake": Path("nowhere").name}).lake.uri == "nowhere"


def test_a_file_without_an_instance_is_completed_by_the_variables() -> None:
    """A file may hold everything but the instance."""
    assert loaded("[run]\nlimit = 5\n", VARIABLES).instances[0].name == "default"
    assert refusal("[run]\nlimit = 5\n").startswith("a.toml names no instance; set AX_URL, AX_KEY and AX_SECRET")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[lake\n", "a.toml: is not valid TOML, line 1, column 6: "),
        ("\n\nx = \n", "a.toml: is not valid TOML, line 3, column 5: Invalid value"),
        ("x = " + "[" * 100_000, "a.toml: is not valid TOML"),
        (f"x = {'9' * 5000}", "a.toml: is not valid TOML"),
        ("[entitys.devices]\n", "a.toml: unknown key 'entitys'; did you mean 'entities'?"),
        ("[lake]\nurl = 1\n", "a.toml: [lake] unknown key 'url'; did you mean 'uri'?"),
        ("lake = 5\n", "a.toml: [lake] must be a table, not a whole number"),
        ("instances = 5\n", "a.toml: instances must be written as tables such as [instances.NAME]"),
        (INSTANCE + "inflight = 3\n", "a.toml: [instances.prod] unknown key 'inflight'; did you mean 'in_flight'?"),
        (INSTANCE + "in_flight = 0\n", "a.toml: [instances.prod] in_flight must be between 1 and 256, not 0"),
        (INSTANCE + 'in_flight = "4"\n', "a.toml: [instances.prod] in_flight must be a whole number, not a string"),
        (INSTANCE + "in_flight = true\n", "a.toml: [instances.prod] in_flight must be a whole number, not true"),
        (
            INSTANCE + "in_flight = 4.5\n",
            "a.toml: [instances.prod] in_flight must be a whole number, not a decimal number",
        ),
        (
            INSTANCE + f"in_flight = 0x{'f' * 9000}\n",
            "a.toml: [instances.prod] in_flight must be between 1 and 256, not a number as big as that",
        ),
        (
            INSTANCE + "requests_per_second = nan\n",
            "a.toml: [instances.prod] requests_per_second must be between 0.01 and 10000, not nan",
        ),
        (
            INSTANCE + f"requests_per_second = 0x{'f' * 9000}\n",
            "a.toml: [instances.prod] requests_per_second must be a number, not a number that large",
        ),
        (INSTANCE + 'api = "v3"\n', "a.toml: [instances.prod] api must be one of auto, v1, v2"),
        (INSTANCE + "api = 2\n", "a.toml: [instances.prod] api must be one of auto, v1, v2, not a whole number"),
        (INSTANCE + 'ca_file = "no.pem"\n', "a.toml: [instances.prod] ca_file names a file that does not exist"),
        (INSTANCE + 'credential = "prod"\n', "a.toml: [instances.prod] needs either credential, or api_key"),
        ("[instances.prod]\n", "a.toml: [instances.prod] has no api_key and no api_secret; write a reference"),
        (INSTANCE.replace('url = "https://acme"\n', ""), "a.toml: [instances.prod] url is empty"),
        (INSTANCE.replace("acme", "acme/api"), "a.toml: [instances.prod] url has a path after the host"),
        (INSTANCE.replace("prod", '"a/b"'), "a.toml: [instances.a/b] name must be written with 1 to 64"),
        (
            "[entities.devices]\nfields = 5\n",
            "a.toml: [entities.devices] fields must be one of generic, full, raw, saved-query or a list of strings",
        ),
        ("[entities.a]\ntpye = 1\n", "a.toml: [entities.a] unknown key 'tpye'; did you mean 'type'?"),
        (
            "[entities.a]\nextra_field = []\n",
            "a.toml: [entities.a] unknown key 'extra_field'; did you mean 'extra_fields'?",
        ),
        (
            '[entities.a]\nextra_fields = "x"\n',
            "a.toml: [entities.a] extra_fields must be a list of strings, not a string",
        ),
        ('[entities.a]\nextra_fields = ["a\'b"]\n', "a.toml: [entities.a] extra_fields has a name with a quote"),
        ('[entities.a]\nfields = "saved-query"\n', "a.toml: [entities.a] fields = saved-query requires saved_query"),
        ('[entities.default]\ntype = "users"\n', "a.toml: [entities.default] type can only be set in a table with"),
        (
            '[entities.users]\ntype = "devices"\n',
            "a.toml: [entities.users]: 'users' is itself an entity type; give the table for 'devices' another name",
        ),
        (
            "[entities.a]\n[entities.b]\n[entities.a]\n",
            "a.toml: table [entities.a] is defined twice, the second time at line 3",
        ),
        ('[entities.devices]\nfields = "all"\n', "a.toml: [entities.devices] fields must be one of generic, full"),
        ("[entities.devices]\nfields = [5]\n", "a.toml: [entities.devices] fields must be one of generic, full"),
        ("[entities.devices]\nquery = []\n", "a.toml: [entities.devices] query must be a string, not this list"),
        ('[entities.default]\n[entities."*"]\n', 'a.toml: [entities.default] and [entities."*"] mean the same'),
        ('[lake]\nmax_part_bytes = "256"\n', "a.toml: [lake] max_part_bytes must be a number of bytes or a size such"),
        ('[lake]\nmax_part_bytes = "1B"\n', "a.toml: [lake] max_part_bytes must be between 4KiB and 1TiB, not 1"),
        ('[lake]\nformat = "detla"\n', "a.toml: [lake] format must be one of parquet, delta, iceberg or a list of "),
        ('[lake]\nformat = ["detla"]\n', "a.toml: [lake] format has an unknown word; did you mean 'delta'?"),
        ("[lake]\nformat = []\n", "a.toml: [lake] format must be one of parquet, delta, iceberg, or a list of them"),
        ("[lake]\ncompression = 2026-01-01T00:00:00\n", "a.toml: [lake] compression must be one of zstd, snappy, "),
        (
            '[run]\nlogical_date = "2026-02-30"\n',
            "a.toml: [run] logical_date (--date) must be a day such as 2026-11-23, ",
        ),
        ("[run]\nlimit = 0\n", "a.toml: [run] limit must be between 1 and"),
        ('[lake]\nuri = "${NO}"\n', "a.toml: [lake] uri needs the environment variable NO, which is not set"),
        (
            '[lake]\nuri = "${file:/dev/zero}"\n',
            "a.toml: [lake] uri needs the file '/dev/zero', which is larger than 1 MiB",
        ),
        ('[lake]\nuri = "${file:no}"\n', "a.toml: [lake] uri needs the file 'no', which cannot be read (No such file"),
        ('[lake]\nuri = "${file:a\\u0000}"\n', "a.toml: [lake] uri needs the file 'a\\x00', which "),
        ('[lake]\nuri = "${1}"\n', "a.toml: [lake] uri has a '${' that is not"),
    ],
)
def test_a_mistake_in_the_file_has_its_sentence(text: str, sentence: str) -> None:
    """The sentence names file, table and key, in words that are not a library's; nothing is written."""
    assert refusal(text, VARIABLES if "instances" not in text else {}).startswith(sentence)


@pytest.mark.parametrize("key", ["api_key", "api_secret"])
@pytest.mark.parametrize("value", ["5ecr3t", "${SECRET}", "${file:secret}"])
def test_a_literal_secret_is_refused_unrepeated(key: str, value: str) -> None:
    """A secret in the file, however it got there, is refused and not repeated, not even by the causes."""
    text = re.sub(rf'{key} = ".*"', f'{key} = "{value}"', INSTANCE)
    Path("secret").write_text("5ecr3t\n")
    with pytest.raises(ConfigError, match=f"{key} must be a reference .*, never the secret itself") as caught:
        loaded(text, {"SECRET": "5ecr3t"})

    error: BaseException | None = caught.value
    while error is not None:
        assert "5ecr3t" not in repr(error)
        error = error.__cause__


@pytest.mark.parametrize("option", ["api", "in_flight", "paging", "5ecr3t_", "max_page_bytes", "url", "ca_file"])
def test_a_secret_that_lost_its_way_is_not_repeated(option: str) -> None:
    """A secret written to a wrong key is refused and not repeated."""
    text = INSTANCE.replace('url = "https://acme"\n', "") + f'{option.removeprefix("5ecr3t_") or "key"} = "5ecr3t"\n'

    assert "5ecr3t" not in refusal(text)


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    """No file, a folder, and a file in another encoding have a sentence each."""
    (folder / "latin.toml").write_bytes(b"x = '\xe4'")
    with pytest.raises(ConfigError, match=r"^there is no configuration file 'no.toml'$"):
        load_settings(Path("no.toml"), environ=VARIABLES)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(folder, environ=VARIABLES)
    with pytest.raises(ConfigError, match=r"^latin.toml: is not UTF-8 text$"):
        load_settings(Path("latin.toml"), environ=VARIABLES)


def test_texts_are_expanded(folder: Path) -> None:
    """${…} is replaced in texts and lists of texts; $${ is a plain ${."""
    (folder / "note").write_text("from a file\r\n")
    text = (
        '[lake]\nuri = "${ROOT}/${SUB:-lake}"\n'
        '[entities.a]\nquery = "${file:note} $${x} $y"\n[entities.b]\nfields = ["${SUB:-}x"]\n'
    )

    settings = loaded(INSTANCE + text, {"ROOT": "/data", "SUB": ""})
    assert settings.lake.uri == "/data/lake"
    assert settings.entities["a"].query == "from a file ${x} $y"
    assert settings.entities["b"].fields == ("x",)


@pytest.mark.parametrize(
    ("size", "number"), [("64MB", 64_000_000), ("256MiB", 2**28), ("1 gib", 2**30), ("5000B", 5000), ("9kB", 9000)]
)
def test_sizes_may_have_units(size: str, number: int) -> None:
    """Binary and decimal units are told apart."""
    assert loaded(INSTANCE + f'[lake]\nbuffer_bytes = "{size}"\n').lake.buffer_bytes == number


def test_a_date_may_be_written_without_quotes() -> None:
    """A TOML date is as good as its text."""
    assert loaded(INSTANCE + "[run]\nlogical_date = 2026-11-23\n").run.logical_date == "2026-11-23"


def test_a_named_credential_is_one_of_the_store() -> None:
    """It is not looked up where the file says the host."""
    instance = loaded('[instances.a]\nurl = "https://acme"\ncredential = "prod"\n').instances[0]

    assert instance.credential == StoredCredential("prod")


def test_entity_types_inherit_from_the_default() -> None:
    """What a type leaves out comes from [entities.default], but never a second way to choose assets."""
    text = '[entities.users]\nquery = "u"\n[entities."*"]\nsaved_query = "all"\nmax_columns = 7\n[entities.x]\n'
    entities = loaded(INSTANCE + text).entities

    assert entities["default"] == entities["x"] == EntitySettings(saved_query="all", max_columns=7)
    assert entities["users"] == EntitySettings(query="u", max_columns=7)


def test_the_columns_of_a_saved_query_are_inherited_with_it() -> None:
    """Who sets another query does not want the columns of the saved one."""
    default = '[entities.default]\nsaved_query = "all"\nfields = "saved-query"\n'
    entities = loaded(INSTANCE + default + '[entities.a]\nquery = "u"\n[entities.b]\nsaved_query = "b"\n').entities

    assert entities["a"] == EntitySettings(query="u")
    assert entities["b"] == EntitySettings(saved_query="b", fields="saved-query")


def test_a_table_of_another_type_is_loaded() -> None:
    """With what it inherits."""
    text = '[entities.default]\nextra_fields = ["a.b"]\n[entities.servers]\ntype = "devices"\n'
    entities = loaded(INSTANCE + text).entities

    assert entities["servers"] == EntitySettings(type="devices", extra_fields=("a.b",))


def test_the_examples_of_the_documented_file_load() -> None:
    """Also those that are comments: they are settings as soon as they are not."""
    text = (CONFIG / "axsync.toml").read_text("utf-8")
    entities = text[text.index("# [entities.devices]") : text.index("\n[run]")]
    examples = "\n".join(line[2:] for line in entities.splitlines() if re.match(r"# (\[|\w+ = )", line))
    read = loaded(INSTANCE + examples).entities

    assert read["devices"].extra_fields == ("software_cves.cve_id_count", "specific_data.connection_label")
    assert read["windows_servers"] == EntitySettings(
        type="devices", saved_query="Windows servers", fields="saved-query"
    )


def test_the_command_line_wins() -> None:
    """Given overrides replace the file's, those not given leave it alone."""
    text = INSTANCE + '[run]\nentities = ["users"]\nlimit = 5\ndry_run = true\n'
    settings = loaded(text, entities=["devices"], limit=None, instances=(), as_of="latest", lake="other")

    assert settings.lake.uri == "other"
    assert settings.run == RunSettings(entities=("devices",), limit=5, dry_run=True, as_of="latest")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"limit": 0}, "limit must be between 1 and"),
        ({"as_of": "soon"}, "as_of (--as-of) must be a day such as 2026-11-23, today, yesterday or latest, not 'soon'"),
        ({"instances": ["prdo"]}, "there is no instance 'prdo'; did you mean 'prod'?"),
        ({"entities": ["a/b"]}, "entities must be written with"),
        ({"lake": ""}, "lake: uri must be a folder"),
        ({"dryrun": True}, "unknown key 'dryrun'; did you mean 'dry_run'?"),
    ],
)
def test_a_bad_option_does_not_blame_the_file(overrides: dict[str, object], sentence: str) -> None:
    """Mistakes of the command line are told in its words."""
    assert refusal(INSTANCE, overrides=overrides).startswith(sentence)


def test_a_bad_lake_variable_is_named() -> None:
    """A mistake in AXSYNC_LAKE blames AXSYNC_LAKE."""
    assert refusal(INSTANCE, {"AXSYNC_LAKE": ""}).startswith("AXSYNC_LAKE: uri must be a folder")


def test_a_lake_elsewhere_takes_along_what_it_can_have(folder: Path) -> None:
    """A run that is tried out in a folder needs no other file; a store of the same kind keeps region and endpoint."""
    text = '[lake]\nuri = "s3://bucket/lake"\nregion = "eu-west-1"\ncompression = "gzip"\n'
    (folder / "axsync.toml").write_text(text + INSTANCE)

    tried = load_settings(environ=VARIABLES, overrides={"lake": "try"}).lake
    moved = load_settings(environ=VARIABLES | {"AXSYNC_LAKE": "s3://other/lake"}).lake
    assert (tried.uri, tried.region, tried.compression) == ("try", "", "gzip")
    assert (moved.uri, moved.region, moved.compression) == ("s3://other/lake", "eu-west-1", "gzip")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v, max_size=3)))
def test_any_override_is_taken_or_refused_in_words(value: object) -> None:
    """Whatever value an option gets, the outcome is settings or a ConfigError."""
    for option in ("lake", *(f.name for f in fields(RunSettings))):
        with contextlib.suppress(ConfigError):
            settings = load_settings(environ=VARIABLES, overrides={option: value})
            assert replace(settings) == settings


def test_a_lake_that_can_be_made_is_not_made(folder: Path) -> None:
    """The check leaves no trace, and asks no object store."""
    for uri in ("lake/deep/inside", str(folder), f"file://{folder}/new", "s3://bucket/lake"):
        check_lake(uri)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("uri", ["file", "file/inside", "file/deep/inside", "dangling"])
def test_a_lake_that_is_a_file_is_refused(uri: str, folder: Path) -> None:
    """Neither a file, nor what would be inside of one, nor a link to nowhere can be a lake."""
    (folder / "file").touch()
    (folder / "dangling").symlink_to("nowhere")

    with pytest.raises(LakeError, match=r"^the lake '.*' cannot be created, because '.*' is not a folder$"):
        check_lake(uri)


@pytest.mark.parametrize("uri", ["x" * 256, "ü" * 128, f"deep/{'x' * 300}/deeper", "/".join(["deeper"] * 600)])
def test_a_lake_with_too_long_a_path_is_refused(uri: str, folder: Path) -> None:
    """Told of the name or of the whole path, in a short sentence, whether what is above exists or not."""
    with pytest.raises(
        LakeError, match=r"its path is longer than 3072 bytes, or a name in it longer than 255$"
    ) as refused:
        check_lake(uri)

    assert len(str(refused.value)) < 200
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is there")
def test_a_lake_where_no_file_can_be_made_is_refused() -> None:
    """Whatever the rights say, and those of the administrator say yes to all."""
    with pytest.raises(LakeError, match="cannot be written: no"):
        check_lake("/proc/lake")


@pytest.mark.parametrize("kind", ["named", "found"])
def test_a_file_that_is_a_pipe_is_refused(kind: str, folder: Path) -> None:
    """To read it would be to wait for somebody who writes."""
    os.mkfifo(folder / "axsync.toml")

    with pytest.raises(ConfigError, match=r"^axsync\.toml: is not a regular file$"):
        load_settings(Path("axsync.toml") if kind == "named" else None, environ=VARIABLES)


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder that may not be written; where the tests are root, they are nobody meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        place, root = Path(name), os.geteuid() == 0
        place.chmod(0o555)
        if root:
            os.setresuid(65534, 65534, 0)
        try:
            yield place
        finally:
            if root:
                os.setresuid(0, 0, 0)
            place.chmod(0o755)


@pytest.mark.parametrize("inside", [".", "lake", "lake/deep"])
def test_a_lake_without_the_right_to_write_is_refused(inside: str, locked: Path) -> None:
    """The nearest folder that exists must be writable."""
    with pytest.raises(LakeError, match="cannot be written: no permission to write in"):
        check_lake(str(locked / inside))


def test_what_is_skipped_adds_up_and_what_is_named_is_read() -> None:
    """The command line adds to the file, and a type that is named there is wanted after all."""
    text = f'{INSTANCE}[run]\nskip = ["tickets", "users"]\n'

    assert loaded(text, skip=["software"]).run.skip == ("tickets", "users", "software")
    assert loaded(text, entities=["users", "devices"]).run.wanted == ("users", "devices")
    assert loaded(text, entities=["users", "devices"], skip=["users"]).run.wanted == ("devices",)
    assert "nothing to copy" in refusal(text, overrides={"entities": ["users"], "skip": ["users"]})


def test_the_command_line_asks_about_the_types_that_it_names() -> None:
    """Over what the file says of them; a query takes the place of the other kind, and other types stay as they were."""
    text = f'{INSTANCE}[entities.devices]\nsaved_query = "Old"\nfields = "saved-query"\nmax_columns = 9\n'
    settings = loaded(text, entities=["devices", "users"], fields="hostname, os_type")
    assert settings.entity("devices").fields == settings.entity("users").fields == ("hostname", "os_type")
    assert (settings.entity("devices").saved_query, settings.entity("devices").max_columns) == ("Old", 9)
    assert settings.entity("software") == EntitySettings()

    asked = loaded(text, entities=["devices"], query="(x == 1)").entity("devices")
    assert asked == EntitySettings(query="(x == 1)", max_columns=9)
    named = loaded(text, entities=["users"], saved_query="New", fields="saved-query").entity("users")
    assert named == EntitySettings(saved_query="New", fields="saved-query")
    assert plan_of(loaded(text, entities=["users"])) != plan_of(loaded(text, entities=["users"], query="(x == 1)"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"query": "x"}, "--query: name the entity type, as in `axsync run devices --query …`"),
        ({"query": "x", "entities": ["a", "b"]}, "--query: a query is about one entity type, not about a, b; name one"),
        (
            {"saved_query": "x", "fields": "y", "entities": ["a", "b"]},
            "--saved-query and --fields: a query is about one",
        ),
        ({"query": "x", "saved_query": "y", "entities": ["a"]}, "query and saved_query cannot both be set"),
        ({"fields": "a,,b", "entities": ["a"]}, "fields must be generic, full, raw, saved-query or a list of names"),
        ({"fields": "saved-query", "entities": ["a"]}, "fields = saved-query requires saved_query"),
    ],
)
def test_what_cannot_be_asked_is_refused(given: dict[str, object], told: str) -> None:
    """In one sentence that names the options."""
    assert told in refusal(f'{INSTANCE}[run]\nentities = ["devices"]\n', overrides=given)


@pytest.mark.parametrize("host", ["acme.on.axonius.com", "axonius.corp.example:8443"])
def test_a_host_alone_in_a_variable_is_taken_as_https(host: str) -> None:
    """As it stands in a browser. A word without a dot may be a key in the wrong place, and is refused."""
    assert load_settings(environ=VARIABLES | {"AX_URL": host}).instances[0].url == f"https://{host}"
    for odd in ("4f2a9c", "acme.example/", "user@acme.example"):
        with pytest.raises(ConfigError, match=r"^AX_URL must begin with https://"):
            load_settings(environ=VARIABLES | {"AX_URL": odd})
