"""Writes the files that tests/it/pyarrow.rs judges, as pyarrow 22 writes them. Run it to make them again."""

import datetime
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
ROWS = 40


def column(values):
    """Returns one value for each row, every seventh of them null."""
    return [None if row % 7 == 3 else values(row) for row in range(ROWS)]


utc = datetime.timezone.utc
start = datetime.datetime(2013, 1, 1, 5, tzinfo=utc)
table = pa.table({
    "int8": pa.array(column(lambda row: row - 20), pa.int8()),
    "uint32": pa.array(column(lambda row: 2**32 - 1 - row), pa.uint32()),
    "uint64": pa.array(column(lambda row: 2**64 - 1 - row), pa.uint64()),
    "float16": pa.array(column(lambda row: row / 2), pa.float16()),
    "float32": pa.array(column(lambda row: row / 4), pa.float32()),
    "double": pa.array(column(lambda row: float("nan") if row % 5 == 0 else row / 8), pa.float64()),
    "decimal": pa.array(column(lambda row: decimal.Decimal(row) / 100), pa.decimal128(30, 2)),
    "small_decimal": pa.array(column(lambda row: decimal.Decimal(-row) / 10), pa.decimal128(5, 1)),
    "text": pa.array(column(lambda row: f"row {row:03}"), pa.string()),
    "large_text": pa.array(column(lambda row: f"row {row:03}"), pa.large_string()),
    "category": pa.array(column(lambda row: "ab"[row % 2])).dictionary_encode(),
    "bool": pa.array(column(lambda row: row % 2 == 0), pa.bool_()),
    "date": pa.array(column(lambda row: start.date() + datetime.timedelta(row)), pa.date32()),
    "zoned": pa.array(column(lambda row: start + datetime.timedelta(hours=row)), pa.timestamp("us", tz="America/New_York")),
    "naive": pa.array(column(lambda row: start.replace(tzinfo=None)), pa.timestamp("ms")),
    "time": pa.array(column(lambda row: datetime.time(row % 24)), pa.time64("us")),
    "binary": pa.array(column(lambda row: bytes([row])), pa.binary()),
    "fixed": pa.array(column(lambda row: bytes([row] * 3)), pa.binary(3)),
    "nothing": pa.nulls(ROWS),
    "list": pa.array(column(lambda row: list(range(row % 3)))),
    "struct": pa.array(column(lambda row: {"a": row})),
    "key": pa.array(range(ROWS), pa.int64()),
})

ways = {
    "plain": {"compression": "none", "use_dictionary": False},
    "default": {},
    "checksum": {"compression": "zstd", "write_page_checksum": True},
    "second": {"data_page_version": "2.0", "compression": "gzip"},
    "lz4": {"compression": "lz4", "row_group_size": 11},
    "old": {"version": "1.0", "use_deprecated_int96_timestamps": True},
    "brotli": {"compression": "brotli"},
    "delta": {
        "use_dictionary": False,
        "column_encoding": {
            "int8": "DELTA_BINARY_PACKED",
            "uint64": "DELTA_BINARY_PACKED",
            "text": "DELTA_BYTE_ARRAY",
            "large_text": "DELTA_LENGTH_BYTE_ARRAY",
            "float32": "BYTE_STREAM_SPLIT",
            "double": "BYTE_STREAM_SPLIT",
            "fixed": "DELTA_BYTE_ARRAY",
            "bool": "RLE",
        },
    },
}
for name, options in ways.items():
    pq.write_table(table, HERE / f"{name}.parquet", store_schema=name == "default", **options)
