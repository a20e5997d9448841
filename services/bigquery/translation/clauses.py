"""Clauses: GROUP BY of an alias, the names of PIVOT's columns, LIMIT NULL, stars after USING."""

from typing import Any

from local_bigquery.errors import BigQueryError
from sqlglot import exp


def group_by_alias(tree: exp.Expression, _context: Any) -> exp.Expression:
    """GROUP BY takes a name of the SELECT list before a column's; DuckDB takes the column."""
    for select in list(tree.find_all(exp.Select)):
        group = select.args.get("group")
        if not group:
            continue
        named = {
            item.alias.casefold(): (position, item.this)
            for position, item in enumerate(select.expressions, 1)
            if isinstance(item, exp.Alias)
        }
        for column in list(group.find_all(exp.Column)):
            position, expression = named.get(column.name.casefold(), (0, None))
            if column.table or expression is None or column.find_ancestor(exp.Select) is not select:
                continue
            if isinstance(expression, exp.Column) and expression.name.casefold() == column.name.casefold():
                continue  # the same column, perhaps of a named table
            # A star has any number of columns, so what comes after one has no position yet.
            has_position = column.parent is group and not any(item.is_star for item in select.expressions[:position])
            if isinstance(expression, exp.Literal) and column.parent is not group:
                message = "ROLLUP, CUBE and GROUPING SETS of a constant: BigQuery does otherwise; not supported locally"
                raise BigQueryError("invalidQuery", message)
            # A cast, so that a number is not a position.
            made = exp.cast(expression.copy(), "BIGINT") if expression.is_int else expression.copy()
            column.replace(exp.Literal.number(position) if has_position else made)
    return tree


def pivot_names(tree: exp.Expression, _context: Any) -> exp.Expression:
    """PIVOT names a column `aggregate_value`, or by the value alone; DuckDB `value_aggregate`, and a number bare."""
    for pivot in list(tree.find_all(exp.Pivot)):
        source = pivot.parent
        if pivot.args.get("unpivot") or source is None or len(pivot.args["fields"]) != 1:
            continue
        renamed = []
        for value in pivot.args["fields"][0].expressions:
            is_number = isinstance(value, exp.Literal) and not value.is_string
            label = value.alias or value.name
            name = f"_{label}" if is_number else label
            for aggregate in pivot.expressions:
                old = f"{label}_{aggregate.alias}" if aggregate.alias else label
                new = f"{aggregate.alias}_{label}" if aggregate.alias else name
                if old != new:
                    column = exp.column(exp.to_identifier(old, quoted=True))
                    renamed.append(exp.alias_(column, new, quoted=True))
        if renamed:
            alias = pivot.args.get("alias")
            pivot.set("alias", None)
            select = exp.Select(expressions=[exp.Star(rename=renamed)]).from_(source.copy())
            source.replace(exp.Subquery(this=select, alias=alias))
    return tree


def limit_of_null(tree: exp.Expression, _context: Any) -> exp.Expression:
    """LIMIT and OFFSET refuse NULL."""
    for limit in tree.find_all(exp.Limit, exp.Offset):
        if isinstance(limit.expression, exp.Null):
            raise BigQueryError("invalidQuery", "Limit requires non-null count and offset")
    return tree


def star_after_using(tree: exp.Expression, _context: Any) -> exp.Expression:
    """A star has the columns of USING first, those of the last join before others."""
    for select in list(tree.find_all(exp.Select)):
        joins = select.args.get("joins") or []
        names = [column.name for join in reversed(joins) for column in join.args.get("using") or []]
        first = {name.casefold(): exp.column(name) for name in reversed(names)}
        for star in [item for item in select.expressions if isinstance(item, exp.Star) and first]:
            if any(star.args.values()):
                continue
            star.set("except_", [exp.to_identifier(column.name) for column in first.values()])
            place = select.expressions.index(star)
            select.set("expressions", [*select.expressions[:place], *first.values(), *select.expressions[place:]])
    return tree


STATEMENT_RULES = [star_after_using, group_by_alias, pivot_names, limit_of_null]
