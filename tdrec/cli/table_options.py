"""A table of one's own, as flags or a TOML file describe it."""

from collections.abc import Mapping
from typing import Any

from tdrec.cli.flags import OF_TABLES
from tdrec.data.error import DataError
from tdrec.data.holdout import Split
from tdrec.data.table_source import ROLES, TableSource, features_of, read_toml, roles_of


def read_table_flags(given: Mapping[str, Any]) -> TableSource | None:
    """The table that flags describe, or a TOML file, whose fields flags change."""
    flags = [name for name in OF_TABLES if name in given]
    data = given.get("data", "")
    is_toml = data.endswith(".toml")
    if not (flags or is_toml):
        return None
    if not is_toml and not ("columns" in given and data):
        raise DataError(
            f"--{flags[0]} is of a table of your own. Received: no --"
            f"{'columns' if data else 'data'}. Write --data=FILE "
            "--columns=user=NAME,item=NAME,target=NAME --segment_column=NAME."
        )
    roles = roles_of(given["columns"], ROLES, "columns") if "columns" in given else {}
    items = (
        roles_of(given["item_columns"], ("item",), "item_columns")
        if ("item_columns" in given)
        else {}
    )
    low_high = None
    if "target_range" in given:
        try:
            low, high = map(float, given["target_range"].split(","))
        except ValueError as error:
            raise DataError(
                "--target_range must be two numbers, the lowest and the highest, such as 1,5. "
                f"Received: {given['target_range']!r}."
            ) from error
        low_high = (low, high)
    changes: dict[str, Any] = {
        **roles,
        "items": given.get("items"),
        "item_id": items.get("item"),
        "segment": given.get("segment_column"),
        "segment_separator": _separator(given, "segment_separator"),
        "features": features_of(given["features"]) if "features" in given else None,
        "kind": given.get("target"),
        "scale": low_high,
        "separator": _separator(given, "separator"),
        "encoding": given.get("encoding"),
        "split": Split.parse(given["split"]) if "split" in given else None,
    }
    if is_toml:
        return read_toml(data).changed(**changes)
    if missing := [name for name in ("user", "item", "target") if name not in roles]:
        raise DataError(
            f"--columns must name user, item and target. Received: no {', no '.join(missing)}. "
            "Write --columns=user=NAME,item=NAME,target=NAME."
        )
    if "segment_column" not in given:
        raise DataError(
            "A table needs a column of segments, of the rows or of the items. Received: no "
            "--segment_column. Name one, such as genre, country or merchant."
        )
    return TableSource(data, **{name: v for name, v in changes.items() if v is not None})


def _separator(given: Mapping[str, Any], flag: str) -> str | None:
    """A tab may be written as a backslash and a t, which a shell leaves as it is."""
    return given[flag].replace("\\t", "\t") if flag in given else None
