"""delta-rs."""

from canonical import answer
from deltalake import DeltaTable

if __name__ == "__main__":
    answer({"delta": lambda wish: DeltaTable(wish["path"], version=wish["version"]).to_pyarrow_table()})
