"""The checks of a table as one GoogleSQL query, which counts the violations of each, and what its counts say."""

from __future__ import annotations

from collections.abc import Sequence

from lumbung.catalog.contract import Check, Contract
from lumbung.catalog.query import Names, quoted
from lumbung.core.errors import CheckError

PASSED = "passed"


def checks(contract: Contract) -> dict[str, Check]:
    """All checks of a table by name, those that follow from its key and its required columns first."""
    required = [column.name for column in contract.columns if column.required or column.name in contract.key]
    implied = [Check(unique=contract.key)] if contract.key else []
    implied += [Check(not_null=required)] if required else []
    named = {_name(check): check for check in implied}
    for check in contract.checks:
        named.setdefault(_name(check), check)  # a warning does not soften what the key implies
    return named


def query(contract: Contract, names: Names) -> str | None:
    """A query for one row: the violations of each check, in the order of `checks`.

    All checks that look at single rows, or count them, share one scan of the table. What is compared is computed below
    the aggregation, as BigQuery takes no sub-query inside an aggregate function.

    References of a source are not among the checks: they are checked before it is loaded.

    Args:
        contract: the table to audit.
        names: gives each address the full name of the table to look at, `project.dataset.table`.

    Returns:
        GoogleSQL; None if there is nothing to check.
    """
    wanted = list(checks(contract).values())
    return _counting(contract, wanted, names) if wanted else None


def count(contract: Contract, check: Check, names: Names) -> str:
    """A query for the number of violations of one check; its arguments are those of `query`."""
    return _counting(contract, [check], names)


def _counting(contract: Contract, wanted: Sequence[Check], names: Names) -> str:
    table = quoted(names(contract.address))
    counts, flags, totals = [], [], []
    for number, check in enumerate(wanted):
        name = f"c{number}"
        if condition := _row_condition(check):
            flags.append(f"{condition} AS {name}")
            totals.append(f"COUNTIF({name}) AS {name}")
            counts.append(f"scan.{name}")
        else:
            counts.append(f"{_violations(contract, check, names)} AS {name}")
    flags = flags or ["1 AS one"]
    inner = f"SELECT {',\n    '.join(flags)}\n  FROM {table}"
    scan = f"SELECT {', '.join(['COUNT(*) AS total', *totals])}\n  FROM (\n  {inner}\n  )"
    return f"SELECT\n  {',\n  '.join(counts)}\nFROM (\n  {scan}\n) AS scan"


def outcomes(contract: Contract, violations: Sequence[int], where: str) -> dict[str, str]:
    """What came of each check, by its name.

    Args:
        contract: the table.
        violations: the row that `query` gives.
        where: the table and day, for the error.

    Raises:
        CheckError: checks of severity `fail` do not hold; the message names each with its count.
    """
    counted = list(zip(checks(contract).items(), violations, strict=True))
    if failed := [
        f"check {name} failed ({count:,} violation{'' if count == 1 else 's'})"
        for (name, check), count in counted
        if count and check.severity == "fail"
    ]:
        raise CheckError(
            f"{contract.address}: {'; '.join(failed)}",
            where=where,
            remedy="fix the source or the query; nothing of this run is published, what was published stays",
        )
    return {name: f"warning: {count}" if count else PASSED for (name, _), count in counted}


def _name(check: Check) -> str:
    (kind,) = check.kinds
    value = getattr(check, kind)
    if check.references:
        value = f"{', '.join(check.references.columns)} in {check.references.table}"
    elif check.rows:
        value = ", ".join(f"{bound} {count}" for bound, count in check.rows.items())
    elif isinstance(value, list):
        value = ", ".join(value)
    return f"{kind}({' '.join(value.split())})"


def _row_condition(check: Check) -> str | None:
    """When a row violates the check; None: the check is not about single rows."""
    if check.not_null:
        return " OR ".join(f"{quoted(column)} IS NULL" for column in check.not_null)
    # In lines of its own: an expression may end with a comment.
    return f"({check.expression}\n    ) IS NOT TRUE" if check.expression else None


def _violations(contract: Contract, check: Check, names: Names) -> str:
    """An expression for the violations of a check that is not about single rows; `scan` has the table's row count."""
    table = quoted(names(contract.address))
    if check.unique:
        # What is unique in a partitioned table is so within a partition.
        columns = dict.fromkeys([*([contract.partition] if contract.partition else []), *check.unique])
        groups = ", ".join(map(quoted, columns))
        return f"(SELECT COUNT(*) FROM (SELECT 1 FROM {table} GROUP BY {groups} HAVING COUNT(*) > 1))"
    if check.references:
        pairs = list(zip(check.references.columns, check.references.key, strict=True))
        matches = " AND ".join(f"child.{quoted(column)} = parent.{quoted(key)}" for column, key in pairs)
        given = " AND ".join(f"child.{quoted(column)} IS NOT NULL" for column, _ in pairs)
        return (
            f"(SELECT COUNT(*) FROM {table} AS child LEFT JOIN {quoted(names(check.references.table))} AS parent"
            f" ON {matches} WHERE {given} AND parent.{quoted(pairs[0][1])} IS NULL)"
        )
    if check.rows:
        signs = {"min": ">=", "max": "<="}
        bounds = " AND ".join(f"scan.total {signs[bound]} {count}" for bound, count in check.rows.items())
        return f"IF({bounds}, 0, 1)"
    return f"ABS(scan.total - (SELECT COUNT(*) FROM {quoted(names(check.equal_rows or ''))}))"
