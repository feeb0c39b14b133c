import pyarrow as pa
import pytest
from hypothesis import given

from axsync.schema.columns import Column, Field, arrow_schema, make_columns, with_dates
from axsync.schema.kinds import FIELD_KEY, Atom, Group, Kind, Many, Member, arrow_type, contains, type_text
from tests.unit.convert.served import KINDS

NIC = Group((Member("mac", "mac", Atom("text")), Member("IPs", "ips", Many(Atom("text")))))
STAMP = pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("kind", "arrow", "text"),
    [
        (Atom("text"), pa.string(), "string"),
        (Atom("timestamp"), STAMP, "timestamp[us, tz=UTC]"),
        (Atom("date"), pa.date32(), "date32[day]"),
        (Atom("bool"), pa.bool_(), "bool"),
        (Atom("integer"), pa.int64(), "int64"),
        (Atom("number"), pa.float64(), "double"),
        (Atom("json"), pa.string(), "json"),
        (Atom("unknown"), pa.string(), "string"),
        (Many(Atom("text")), pa.list_(pa.string()), "list<string>"),
        (Many(Many(Atom("number"))), pa.list_(pa.list_(pa.float64())), "list<list<double>>"),
        (
            Many(NIC),
            pa.list_(pa.struct([("mac", pa.string()), ("ips", pa.list_(pa.string()))])),
            "list<struct<mac: string, ips: list<string>>>",
        ),
    ],
)
def test_a_kind_has_its_arrow_type_and_its_text(kind: Kind, arrow: pa.DataType, text: str) -> None:
    """The table of types in docs/lake.md, as readers of the lake and of the manifest see it."""
    assert arrow_type(kind) == arrow
    assert type_text(kind) == text


def test_the_axonius_names_are_in_the_metadata() -> None:
    """Each served column, and each key of an object, carries the name that the server uses."""
    schema = arrow_schema([Column("nics", "specific_data.data.network_interfaces", "nics", Many(NIC))])

    assert schema.field("nics").metadata == {FIELD_KEY: b"specific_data.data.network_interfaces"}
    assert schema.field("nics").type.value_type.field("ips").metadata == {FIELD_KEY: b"IPs"}


def test_our_columns_come_last() -> None:
    """Run, moment and rescue column follow what was served."""
    schema = arrow_schema(make_columns([Field("labels", Many(Atom("text")))]))

    assert schema.names == ["labels", "axsync_run_id", "axsync_fetched_at", "axsync_rescued"]
    assert schema.types == [pa.list_(pa.string()), pa.string(), STAMP, pa.string()]


@given(KINDS)
def test_every_kind_can_be_written_and_read_again_by_arrow(kind: Kind) -> None:
    """A schema with any kind survives Arrow's own wire format."""
    schema = arrow_schema([Column("x", "x", "x", kind)])

    assert pa.ipc.read_schema(schema.serialize()).equals(schema, check_metadata=True)


@pytest.mark.parametrize(("names", "found"), [(("integer",), False), (("text",), True), (("date", "text"), True)])
def test_a_kind_knows_the_atoms_in_it(names: tuple[str, ...], found: bool) -> None:
    """However deep they are."""
    assert contains(Many(Many(NIC)), *names) == found  # type: ignore[arg-type]  # names of atoms


def test_columns_follow_the_order_of_their_fields() -> None:
    """And know under which key this server serves them."""
    fields = [Field("specific_data.data.b", Atom("text")), Field("labels", Many(Atom("text")))]

    columns = make_columns(fields, json_keys={"specific_data.data.b": "b"})

    assert [(c.name, c.json_key) for c in columns] == [("b", "b"), ("labels", "labels")]


def test_only_columns_with_dates_have_a_form() -> None:
    """A form says nothing about texts."""
    stamps, texts = Column("a", "a", "a", Many(Atom("timestamp"))), Column("b", "b", "b", Atom("text"))

    assert with_dates(stamps, "iso:T:0:Z").dates == "iso:T:0:Z"
    assert with_dates(texts, "iso:T:0:Z").dates is None
