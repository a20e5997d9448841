"""The checks of a table as GoogleSQL: a script of ASSERTs for those that stop a run, a query for those that warn."""

from __future__ import annotations

from lumbung.catalog.contract import Check, Contract
from lumbung.catalog.query import Names, quoted


def check_names(contract: Contract) -> list[str]:
    """All checks of a table by name, those that follow from its key and its required columns first."""
    return list(_checks(contract))


def script(contract: Contract, names: Names) -> str | None:
    """A script that fails at the first check of severity `fail` that does not hold; its message names table and check.

    References of a source are not among them: they are checked before it is loaded.

    Args:
        contract: the table to audit.
        names: gives each address the full name of the table to look at, `project.dataset.table`.

    Returns:
        GoogleSQL, one ASSERT a check; None if there is nothing to check.
    """
    return (
        "\n".join(
            f"ASSERT (\n  {_violations(contract, check, names)}\n) = 0 AS "
            f"{_literal(f'{contract.address}: check {name} failed')};"
            for name, check in _checks(contract).items()
            if check.severity == "fail"
        )
        or None
    )


def warnings(contract: Contract, names: Names) -> str | None:
    """A query that counts the violations of each check of severity `warn`.

    Args:
        contract: the table to look at.
        names: gives each address the full name of the table to look at, `project.dataset.table`.

    Returns:
        GoogleSQL that gives a row `check` STRING, `violations` INT64 for each check; None if there is none.
    """
    return (
        "\nUNION ALL\n".join(
            f"SELECT {_literal(name)} AS `check`, (\n  {_violations(contract, check, names)}\n) AS violations"
            for name, check in _checks(contract).items()
            if check.severity == "warn"
        )
        or None
    )


def _checks(contract: Contract) -> dict[str, Check]:
    required = [column.name for column in contract.columns if column.required or column.name in contract.key]
    implied = [Check(unique=contract.key)] if contract.key else []
    implied += [Check(not_null=required)] if required else []
    checks = {_name(check): check for check in implied}
    for check in contract.checks:
        checks.setdefault(_name(check), check)  # a warning does not soften what the key implies
    return checks


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


def _violations(contract: Contract, check: Check, names: Names) -> str:
    """A query for one number, 0 if the check holds; it scans each table once."""
    table = quoted(names(contract.address))
    if check.unique:
        # What is unique in a partitioned table is so within a partition.
        columns = dict.fromkeys([*([contract.partition] if contract.partition else []), *check.unique])
        groups = ", ".join(map(quoted, columns))
        return f"SELECT COUNT(*) FROM (SELECT 1 FROM {table} GROUP BY {groups} HAVING COUNT(*) > 1)"
    if check.not_null:
        return f"SELECT COUNT(*) FROM {table} WHERE {' OR '.join(f'{quoted(c)} IS NULL' for c in check.not_null)}"
    if check.references:
        pairs = list(zip(check.references.columns, check.references.key, strict=True))
        matches = " AND ".join(f"child.{quoted(column)} = parent.{quoted(key)}" for column, key in pairs)
        given = " AND ".join(f"child.{quoted(column)} IS NOT NULL" for column, _ in pairs)
        return (
            f"SELECT COUNT(*) FROM {table} AS child LEFT JOIN {quoted(names(check.references.table))} AS parent"
            f" ON {matches} WHERE {given} AND parent.{quoted(pairs[0][1])} IS NULL"
        )
    if check.rows:
        signs = {"min": ">=", "max": "<="}
        bounds = " AND ".join(f"COUNT(*) {signs[bound]} {count}" for bound, count in check.rows.items())
        return f"SELECT IF({bounds}, 0, 1) FROM {table}"
    if check.equal_rows:
        other = quoted(names(check.equal_rows))
        return f"SELECT ABS((SELECT COUNT(*) FROM {table}) - (SELECT COUNT(*) FROM {other}))"
    return f"SELECT COUNT(*) FROM {table} WHERE ({check.expression}\n) IS NOT TRUE"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
