"""What the values of axsync/settings accept and refuse."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from axsync.errors import ConfigError
from axsync.settings import (
    CredentialReference,
    EntitySettings,
    InstanceSettings,
    LakeSettings,
    RunSettings,
    Settings,
    as_day,
    normal_url,
)

KEYS = CredentialReference("env:AX_KEY", "env:AX_SECRET")
PROD = InstanceSettings("prod", "https://acme.on.axonius.com", KEYS)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://acme.on.axonius.com", "https://acme.on.axonius.com"),
        ("HTTPS://Acme.On.Axonius.com:443", "https://acme.on.axonius.com"),
        ("https://10.0.0.7:8443", "https://10.0.0.7:8443"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:80", "http://localhost"),
        ("http://127.0.0.2:8765", "http://127.0.0.2:8765"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("https://ax_1", "https://ax_1"),
    ],
)
def test_a_url_is_normalised(url: str, normal: str) -> None:
    """Scheme and host become lower case, the scheme's own port goes; nothing else changes."""
    assert normal_url(url) == normal


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "url is empty"),
        (" \t", "url is empty"),
        ("acme.on.axonius.com", "url must begin with https://"),
        ("ftp://acme", "url must begin with https://"),
        ("https:/acme", "url must begin with https://"),
        ("https://", "url must begin with https://"),
        ("https:///acme", "url has no valid host name"),
        ("https://acme/", "url has a trailing slash after the host; write it as https://acme"),
        ("https://acme:8443/api", "url has a path after the host; write it as https://acme:8443"),
        ("https://acme?x=1", "url has a query after the host; write it as https://acme"),
        ("https://acme?", "url has a query after the host; write it as https://acme"),
        ("https://acme#top", "url has a fragment after the host; write it as https://acme"),
        ("https://user:hunter2@acme", "url contains a user name or password"),
        ("https://acme\\@evil", "url contains a user name or password"),
        ("https://ac me", "url contains a space or an invisible character"),
        ("https://acme\n", "url contains a space or an invisible character"),
        ("https://ac\u200bme", "url contains a space or an invisible character"),
        ("https://acme:port", "url has an invalid port"),
        ("https://acme:0", "url has an invalid port"),
        ("https://acme:65536", "url has an invalid port"),
        ("https://acme:", "url has an invalid port"),
        ("https://a..b", "url has no valid host name"),
        ("https://a,b", "url has no valid host name"),
        ("https://[::1]x", "url has no valid host name"),
        ("https://[::g]", "url has no valid host name"),
        ("https://[:::]", "url has no valid host name"),
        ("http://acme", "url would send the keys unencrypted to acme; use https or allow_plain_http = true"),
        ("http://127.1", "url would send the keys unencrypted to 127.1"),
        ("http://localhost.evil.com", "url would send the keys unencrypted to localhost.evil.com"),
        ("http://0.0.0.0", "url would send the keys unencrypted to 0.0.0.0"),
    ],
)
def test_a_bad_url_is_refused(url: str, sentence: str) -> None:
    """Each fault of a URL has its sentence, which repeats no password."""
    with pytest.raises(ConfigError) as caught:
        replace(PROD, url=url)

    assert str(caught.value).startswith(sentence)
    assert "hunter2" not in str(caught.value)


def test_plain_http_leaves_the_machine_only_when_allowed_in_so_many_words() -> None:
    """allow_plain_http lets plain http go to any host."""
    assert replace(PROD, url="http://acme", allow_plain_http=True).url == "http://acme"


@given(st.text() | st.from_regex(r"https?://[a-zA-Z0-9.:/?#@\[\]_-]{0,12}", fullmatch=True))
@example("http://[127.0.0.1]")
def test_a_url_is_normal_or_refused(url: str) -> None:
    """Whatever is written, the answer is scheme://host[:port] that normalises to itself, or a ConfigError."""
    try:
        normal = normal_url(url, allow_plain_http=True)
    except ConfigError:
        return
    assert normal_url(normal, allow_plain_http=True) == normal
    assert not set(normal.partition("://")[2]) & set("/?#@ \t\n")


@pytest.mark.parametrize("name", ["", "-a", ".hidden", "a/b", "..", "a b", "a" * 65, "prod\n", "größe"])
def test_an_instance_name_that_is_no_folder_name_is_refused(name: str) -> None:
    """Names become folders, so only names harmless on every system are taken."""
    with pytest.raises(ConfigError, match=r"^name must be written with 1 to 64 letters"):
        replace(PROD, name=name)


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("a number", ["007", "1_000", "1.5", "1e5", "0x1F", "NaN", "inf"]),
        ("a date", ["2026-11-29", "2026-1-9", "29.11.2026", "2026-11-29T10", "2026-11"]),
        ("a truth value", ["True", "false"]),
        ("no value", ["null"]),
    ],
)
def test_a_name_that_readers_would_not_read_as_text_is_refused(what: str, names: list[str]) -> None:
    """Polars makes 7 of `instance=007`, and pyarrow too; the sentence says what to write instead."""
    for name in names:
        with pytest.raises(ConfigError, match=rf"^name must not be '{name}', .* for {what}; .*'site-{name}'$"):
            replace(PROD, name=name)
        with pytest.raises(ConfigError, match=rf"^entities must not be '{name}'"):
            RunSettings(entities=(name,))


def test_names_that_only_look_a_little_like_numbers_are_taken() -> None:
    """Readers take them for text."""
    for name in ("10.0.0.5", "7b", "site-007", "infra", "2026-q4", "nullsec"):
        assert replace(PROD, name=name).name == name


def test_an_entity_type_that_leaves_the_lake_is_refused() -> None:
    """An entity type becomes a folder too."""
    with pytest.raises(ConfigError, match=r"^entities must be written with"):
        RunSettings(entities=("../../etc",))


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("", "api_key is empty"),
        ("  ", "api_key is empty"),
        ("5ecr3t", "api_key must be a reference .*, never the secret itself"),
        ("5ecr3t:5ecr3t", "api_key must be a reference .*, never the secret itself"),
        ("ENV:5ecr3t", "api_key must be a reference .*, never the secret itself"),
        ("env:", "api_key has nothing after 'env:'"),
        ("file: ", "api_key has nothing after 'file:'"),
        ("env:5ecr3t\0", "api_key contains an invisible character"),
    ],
)
def test_what_is_no_reference_is_refused_unrepeated(reference: str, sentence: str) -> None:
    """A literal secret is refused with a sentence that does not hold it."""
    with pytest.raises(ConfigError, match=sentence) as caught:
        CredentialReference(reference, "env:AX_SECRET")

    assert "5ecr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("lake", Path("lake")),
        ("/data/lake", Path("/data/lake")),
        ("file:///data/my%20lake", Path("/data/my lake")),
        ("data:2026", Path("data:2026")),
        ("s3", Path("s3")),
        ("s3://bucket/lake", None),
        ("gs://bucket", None),
        ("az://container/lake", None),
        ("abfs://container@account.dfs.core.windows.net/lake", None),
    ],
)
def test_a_lake_is_a_folder_or_an_object_store(uri: str, path: Path | None) -> None:
    """Local lakes have a path, others have none."""
    assert LakeSettings(uri=uri).path == path


def test_a_lake_in_the_home_folder_is_found() -> None:
    """A leading ~ is the home folder, as in a shell."""
    assert LakeSettings(uri="~/lake").path == Path.home() / "lake"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        " ",
        "a\0b",
        "hdfs://x/y",
        "s3:bucket",
        "s3://",
        "s3:///x",
        "file://host/x",
        "file:x",
        "S3://bucket",
        "s3://id:5ecr3t@bucket/x",
        "abfs://c@a.net/x?client_secret=5ecr3t",
        "gs://b?access_token=5ecr3t",
        "s3://bucket/lake?region=eu-west-1",
        "s3://bucket/a//b",
        "s3://bucket/../b",
        "s3://bucket/entity=*",
        "s3://bucket@account.dfs.core.windows.net/x",
        "az://container@elsewhere/x",
        f"gs://bucket/{'x' * 513}",
    ],
)
def test_what_is_no_lake_is_refused(uri: str) -> None:
    """An address that cannot be a lake, or that holds a secret, is refused unrepeated."""
    with pytest.raises(ConfigError, match=r"^uri must ") as caught:
        LakeSettings(uri=uri)

    assert "5ecr3t" not in str(caught.value)


def test_an_address_has_parts() -> None:
    """Slashes at the end say nothing; what a lake could be inside of comes from the nearest on."""
    found = LakeSettings(uri="abfss://data@acme.dfs.core.windows.net/a/b/").address
    assert found is not None
    assert (found.cloud, found.bucket, found.prefix, found.account) == ("azure", "data", "a/b", "acme")
    assert found.uri == "abfss://data@acme.dfs.core.windows.net/a/b"
    assert found.parents == ("abfss://data@acme.dfs.core.windows.net/a", "abfss://data@acme.dfs.core.windows.net")
    assert LakeSettings(uri="/a/b").parents == ("/a", "/")
    assert LakeSettings(uri="s3://bucket/").uri == "s3://bucket"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"uri": "gs://b", "region": "eu-west-1"}, r"^region is only for s3://; uri is 'gs://b'$"),
        ({"scratch": "/tmp/x"}, "^scratch is only for s3:// and gs:// and Azure; uri is 'lake'$"),  # noqa: S108
        ({"uri": "s3://b", "readers": "all"}, "^readers is only for a folder; the policy of the bucket"),
        (
            {"uri": "s3://b", "endpoint": "http://10.0.0.1:9000"},
            "^endpoint would send the keys unencrypted to 10.0.0.1",
        ),
        ({"uri": "s3://b", "endpoint": "https://s3.acme.example/b"}, "^endpoint has a path after the host"),
        ({"uri": "s3://b", "kms_key": "a key\n"}, "^kms_key has a character"),
    ],
)
def test_what_a_lake_does_not_have_is_refused(settings: dict[str, Any], told: str) -> None:
    """A setting of another kind of lake, an endpoint that would show what is sent, a name that is none."""
    with pytest.raises(ConfigError, match=told):
        LakeSettings(**settings)


@pytest.mark.parametrize(("endpoint", "told"), [("http://127.0.0.1:9000", False), ("http://minio:9000", True)])
def test_plain_http_is_for_this_machine_or_allowed(endpoint: str, *, told: bool) -> None:
    """As for an instance."""
    assert LakeSettings(uri="s3://b", endpoint=endpoint, allow_plain_http=told).endpoint == endpoint


@pytest.mark.parametrize("day", ["", "tomorrow", "20261123", "2026-W48-1", "2026-02-30", "2026-1-1", "٢٠٢٦-11-23"])
def test_what_is_no_day_is_refused(day: str) -> None:
    """A logical date is a day that exists, written YYYY-MM-DD."""
    with pytest.raises(
        ConfigError, match=r"^logical_date \(--date\) must be a day such as 2026-11-23, today or yesterday, not "
    ):
        RunSettings(logical_date=day)
    with pytest.raises(
        ConfigError, match=r"^as_of \(--as-of\) must be a day such as 2026-11-23, today, yesterday or latest, not "
    ):
        RunSettings(as_of=day)


@pytest.mark.parametrize(("text", "day"), [("today", "2026-11-23"), ("yesterday", "2026-11-22"), ("latest", "latest")])
def test_a_word_is_a_day_of_utc(text: str, day: str) -> None:
    """On 24 November, one o'clock in the morning, in a zone two hours ahead."""
    assert as_day(text, datetime.fromisoformat("2026-11-24T01:00:00+02:00")) == day


def test_latest_is_a_day_only_for_history() -> None:
    """`latest` is taken as as_of and refused as logical date."""
    assert RunSettings(as_of="latest", logical_date="2024-02-29").as_of == "latest"
    with pytest.raises(ConfigError, match=r"^logical_date"):
        RunSettings(logical_date="latest")


def test_sizes_in_sentences_are_sizes() -> None:
    """The bounds of bytes are told in units, those of rows as numbers."""
    with pytest.raises(ConfigError, match=r"^max_part_bytes must be between 4KiB and 1TiB, not 3$"):
        LakeSettings(max_part_bytes=3)
    with pytest.raises(ConfigError, match=r"^page_size must be between 1 and 2000, not 2048$"):
        replace(PROD, page_size=2048)


def test_gzip_has_fewer_levels() -> None:
    """A level that gzip lacks is refused before anything is written."""
    with pytest.raises(ConfigError, match="between 1 and 9 for gzip, not 10"):
        LakeSettings(compression="gzip", compression_level=10)


def test_formats_are_a_word_or_several() -> None:
    """In one order, whichever they are written in."""
    assert LakeSettings().formats == ("parquet",)
    assert LakeSettings(format="delta").formats == ("delta",)
    assert LakeSettings(format=("delta", "parquet", "delta")).formats == ("parquet", "delta")


@pytest.mark.parametrize(
    ("rules", "days"),
    [({}, 105), ({"keep_days": 0, "keep_last": 1}, 37), ({"keep_monthly": 12}, 379), ({"keep_days": 400}, 407)],
)
def test_the_history_of_tables_reaches_back_as_far_as_snapshots_are_kept(rules: dict[str, int], days: int) -> None:
    """And a week further; never less than the thirty days of Delta Lake."""
    assert LakeSettings(**rules).reaches_back == days  # type: ignore[arg-type]  # whole numbers, all of them


@pytest.mark.parametrize("names", [(), ("",), ("hostname", " ")])
def test_an_empty_list_of_fields_is_refused(names: tuple[str, ...]) -> None:
    """A list of fields names at least one, and no blank one."""
    with pytest.raises(ConfigError, match=r"^fields must be generic, full, raw, saved-query or a list"):
        EntitySettings(fields=names)


def test_a_query_and_a_saved_query_exclude_each_other() -> None:
    """Only one of the two ways to choose assets can be set."""
    with pytest.raises(ConfigError, match="query and saved_query cannot both be set"):
        EntitySettings(query="a", saved_query="b")


def test_the_columns_of_a_saved_query_need_one() -> None:
    """By name or id."""
    assert EntitySettings(fields="saved-query", saved_query="Servers").fields == "saved-query"
    with pytest.raises(ConfigError, match=r"^fields = saved-query requires saved_query"):
        EntitySettings(fields="saved-query", query="a")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "extra_fields has an empty name"),
        ("*", "extra_fields takes names of fields, and has one with a wildcard or a bracket"),
        ("software_cves[0]", "extra_fields takes names of fields"),
        ("os..type", "extra_fields has a name with an empty part between its dots"),
        ("specific_data.data.", "extra_fields has a name with an empty part"),
        (" os.type", "extra_fields has a name with leading or trailing white space"),
        ("os.type\t", "extra_fields has a name with leading or trailing white space"),
        ("\u00a0os", "extra_fields has a name with leading or trailing white space"),
        *(
            (f"5ecr3t{odd}x", "extra_fields has a name with a quote or an invisible")
            for odd in "\"'`\0\n\x7f\u200b\ud800"
        ),
    ],
)
def test_a_name_that_no_field_has_is_refused_unrepeated(name: str, sentence: str) -> None:
    """White space at the ends, quotes, control characters; what fields are really called is taken."""
    with pytest.raises(ConfigError) as caught:
        EntitySettings(extra_fields=("os.type", name))

    assert str(caught.value).startswith(sentence)
    assert "5ecr3t" not in str(caught.value)
    odd = (
        "adapters_data.esx_like.Custom Attribute (x:y)",
        "specific_data.data.rack: no. «7»",
        "software_cves.cve_id_count",
    )
    assert EntitySettings(extra_fields=odd).extra_fields == odd


def test_a_table_may_ask_for_another_type_than_its_name() -> None:
    """`asked` tells what goes to Axonius; where no type is said, it is the name."""
    tables = {
        "servers": EntitySettings(type="devices"),
        "users": EntitySettings(),
        "devices": EntitySettings(type="devices"),
    }
    settings = Settings(LakeSettings(), (PROD,), tables)

    assert [settings.asked(name) for name in ("servers", "users", "software", "devices")] == [
        "devices",
        "users",
        "software",
        "devices",
    ]
    assert settings.tables == {"servers": "devices"}


@pytest.mark.parametrize("name", ["Servers", "my-servers", "my.servers", "2servers"])
def test_a_table_with_a_type_is_called_like_one(name: str) -> None:
    """As databases take no other names; a type of Axonius is called as it is called."""
    with pytest.raises(
        ConfigError, match=rf"^\[entities\.{name}\]: a table with a type must be called with small letters"
    ):
        Settings(LakeSettings(), (PROD,), {name: EntitySettings(type="devices")})
    assert Settings(LakeSettings(), (PROD,), {name: EntitySettings()}).tables == {}


def test_the_default_has_no_type() -> None:
    """Or every entity type would be that one."""
    with pytest.raises(ConfigError, match=r"^\[entities\.default\]: type can only be set in a table with a name"):
        Settings(LakeSettings(), (PROD,), {"default": EntitySettings(type="devices")})


def test_tables_that_some_systems_cannot_tell_apart_are_refused() -> None:
    """Two tables must not share a folder where case does not count."""
    with pytest.raises(ConfigError, match=r"^two tables of entities have the same name"):
        Settings(LakeSettings(), (PROD,), {"servers": EntitySettings(), "Servers": EntitySettings()})


def test_an_unknown_instance_is_refused_with_the_nearest() -> None:
    """A mistyped instance gets the name it resembles."""
    with pytest.raises(ConfigError, match=r"^there is no instance 'prdo'; did you mean 'prod'\?$"):
        Settings(LakeSettings(), (PROD,), run=RunSettings(instances=("prdo",)))


def test_instances_that_some_systems_cannot_tell_apart_are_refused() -> None:
    """Two instances must not share a folder where case does not count."""
    with pytest.raises(ConfigError, match="same name"):
        Settings(LakeSettings(), (PROD, replace(PROD, name="Prod")))


def test_the_default_entity_speaks_for_the_others() -> None:
    """`entity` gives the type's own settings, else those of `default`, else ours."""
    own, default = EntitySettings(query="a"), EntitySettings(query="b")
    settings = Settings(LakeSettings(), (PROD,), {"devices": own, "default": default})

    assert (settings.entity("devices"), settings.entity("users")) == (own, default)
    assert Settings(LakeSettings(), (PROD,)).entity("users") == EntitySettings()


def test_chosen_instances_keep_the_order_of_the_configuration() -> None:
    """Without a choice all instances take part, with one those chosen."""
    lab = replace(PROD, name="lab")
    settings = Settings(LakeSettings(), (PROD, lab))

    assert settings.chosen() == (PROD, lab)
    assert replace(settings, run=RunSettings(instances=("lab",))).chosen() == (lab,)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"insecure_tls": True, "ca_file": "ca.pem"}, "insecure_tls and ca_file cannot both be set"),
        ({"client_key": "key.pem"}, "client_key requires client_cert"),
        ({"client_key_password": "env:P"}, "client_key_password requires client_cert"),
        ({"client_cert": "c", "client_key_password": "5ecr3t"}, "client_key_password must be a reference"),
        ({"proxy": "proxy.example"}, "proxy must begin with https:// (or http://)"),
        ({"proxy": "http://u:5ecr3t@proxy"}, "proxy contains a user name or password"),
        ({"proxy": "socks5://proxy"}, "proxy is a SOCKS proxy; only http:// and https:// proxies can be used"),
        ({"proxy_user": "u", "proxy_password": "env:P"}, "proxy_user and proxy_password require proxy"),
        ({"proxy": "none", "proxy_password": "env:P"}, "proxy_user and proxy_password require proxy"),
        ({"proxy": "http://p", "proxy_user": "u"}, "proxy_user and proxy_password must be set together"),
        ({"proxy": "http://p", "proxy_user": "u", "proxy_password": "5ecr3t"}, "proxy_password must be a reference"),
        ({"proxy": "http://p", "proxy_user": "u:v", "proxy_password": "env:P"}, "proxy_user contains a colon"),
        ({"url": "http://127.0.0.1", "proxy": "http://p"}, "proxy would get the keys unencrypted"),
    ],
)
def test_a_way_that_makes_no_sense_is_refused(options: dict[str, Any], sentence: str) -> None:
    """Certificates and proxies are checked together, and no secret is repeated."""
    with pytest.raises(ConfigError) as caught:
        replace(PROD, **options)

    assert str(caught.value).startswith(sentence)
    assert "5ecr3t" not in str(caught.value)


def test_a_proxy_is_normalised() -> None:
    """As a URL is; a slash at its end is common and harmless."""
    assert replace(PROD, proxy="HTTP://Proxy.example:3128/").proxy == "http://proxy.example:3128"
    assert replace(PROD, url="http://[::1]:1", proxy="http://localhost:3128").proxy == "http://localhost:3128"
