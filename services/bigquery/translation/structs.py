"""STRUCT: values of two branches meet by position, as in BigQuery; DuckDB joins STRUCTs with names by name.

DuckDB casts a STRUCT without names by position. So of the branches of one value (the elements of an array, the results
of CASE, the queries of a UNION) only the first keeps its names; what is compared or inserted keeps none.
"""

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

COMPARISONS = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Nullif, exp.In, exp.Case, exp.Cast)
# These have one of several values, or hold all.
BRANCHED = (exp.Array, exp.ArrayConcat, exp.Case, exp.If, exp.Coalesce, exp.Lag, exp.Lead)
# Of what these have as `this`, the value or its elements are the node's own.
WRAPPERS = (
    exp.Alias,
    exp.Paren,
    exp.PropertyEQ,
    exp.ArrayAgg,
    exp.AnyValue,
    exp.HavingMax,
    exp.ArgMax,
    exp.ArgMin,
    exp.Distinct,
    exp.Order,
    exp.Limit,
    exp.IgnoreNulls,
    exp.RespectNulls,
    exp.Bracket,
    exp.Window,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.Subquery,
)
JSON_FUNCTIONS = {"bq.main.to_json", "bq.main.to_json_string"}


def by_position(tree: exp.Expression, _context: Any) -> exp.Expression:
    """Take the names off STRUCTs that meet others, but for those of the first branch."""
    for node in list(tree.find_all(exp.SetOperation, *BRANCHED)):
        if isinstance(node, exp.SetOperation):
            if node.args.get("by_name"):
                continue
            for pair in zip(items(node.left), items(node.right), strict=False):
                join_by_position(list(pair))
        elif not isinstance(node.parent, exp.Case):
            join_by_position(branches(node))
    for comparison in list(tree.find_all(*COMPARISONS)):
        for value in compared(comparison):
            strip_names(value)
    for insert in list(tree.find_all(exp.Insert)):
        for value in inserted(insert.expression):
            strip_names(value)
    return tree


def join_by_position(values: list[exp.Expr]) -> None:
    """Take the names off all values but the first; off that, too, where another is not written out."""
    valued = [value for value in values if not isinstance(value, exp.Null)]
    are_written = all(any(True for _ in structs(value)) for value in valued)
    for value in valued[1:] if are_written else valued:
        strip_names(value)


def items(query: exp.Expr | None) -> list[exp.Expr]:
    """Return the SELECT list of a query's first SELECT."""
    while isinstance(query, exp.SetOperation | exp.Subquery):
        query = query.this
    return list(query.expressions) if isinstance(query, exp.Select) else []


def branches(node: exp.Expr) -> list[exp.Expr]:
    """Return the values of which a node has one, or all as elements."""
    match node:
        case exp.Case():
            results = [branch.args["true"] for branch in node.args["ifs"]]
            return results + [value for value in [node.args.get("default")] if value]
        case exp.If():
            return [value for value in (node.args["true"], node.args.get("false")) if value]
        case exp.Coalesce() | exp.ArrayConcat():
            return [node.this, *node.expressions]
        case exp.Lag() | exp.Lead():
            return [value for value in (node.this, node.args.get("default")) if value]
    return list(node.expressions)


def compared(node: exp.Expr) -> list[exp.Expr]:
    """Return the values that a comparison, a CASE of a value or a CAST takes by position."""
    if isinstance(node, exp.Case):
        return [node.this, *(branch.this for branch in node.args["ifs"])] if node.this else []
    sides = [node.this, node.args.get("expression"), node.args.get("query"), *node.expressions]
    unnest = node.args.get("unnest")
    return [side for side in [*sides, *(unnest.expressions if unnest else [])] if side]


def inserted(source: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield the values that INSERT or MERGE inserts."""
    match source:
        case exp.Values():
            for row in source.expressions:
                yield from row.expressions
        case exp.Tuple():
            yield from source.expressions
        case exp.SetOperation():
            yield from inserted(source.left)
            yield from inserted(source.right)
        case exp.Subquery():
            yield from inserted(source.this)
        case exp.Select():
            yield from source.expressions


def structs(value: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield the STRUCTs, and the queries with AS STRUCT, that a value is made of, the outermost first."""
    match value:
        case exp.Struct() | exp.Tuple():
            yield value
            for member in value.expressions:
                yield from structs(member.expression if isinstance(member, exp.PropertyEQ) else member)
        case exp.Cast(this=exp.Struct()) if value.to.this == exp.DataType.Type.STRUCT:
            yield value
            yield from structs(value.this)
        case _ if isinstance(value, BRANCHED):
            for branch in branches(value):
                yield from structs(branch)
        case exp.SetOperation():
            yield from structs(value.left)
            yield from structs(value.right)
        case exp.Select():
            if value.args.get("kind") == "STRUCT":
                yield value
            for item in value.expressions:
                yield from structs(item)
        case _ if isinstance(value, WRAPPERS):
            yield from structs(value.this)


def strip_names(value: exp.Expr) -> None:
    """Take the names off the STRUCTs that a value is made of."""
    for struct in list(structs(value)):
        match struct:
            case exp.Struct():
                members = [
                    member.expression if isinstance(member, exp.PropertyEQ) else member for member in struct.expressions
                ]
                struct.set("expressions", members)
                struct.set("is_positional", True)
            case exp.Select() if not any(item.is_star for item in struct.expressions):
                members = [item.this if isinstance(item, exp.Alias) else item for item in struct.expressions]
                struct.set("expressions", [exp.Struct(expressions=members, is_positional=True)])
                struct.set("kind", None)
            case exp.Cast() if len(struct.to.expressions) == len(struct.this.expressions):
                kinds = [field.args.get("kind") or field for field in struct.to.expressions]
                members = [
                    exp.cast(member, kind.copy()) for member, kind in zip(struct.this.expressions, kinds, strict=True)
                ]
                struct.replace(exp.Struct(expressions=members, is_positional=True))


def struct_names(tree: exp.Expression, _context: Any) -> exp.Expression:
    """A member of STRUCT(…) that is a column has the column's name, where no other STRUCT can meet it.

    A column of a subquery that may meet another keeps the names that are written, unless they differ, or are inserted.
    """
    met = []
    for struct in reversed(list(tree.find_all(exp.Struct))):  # the innermost first
        if struct.args.get("is_positional"):
            struct.set("is_positional", None)
            continue
        is_seen, column = destination(struct)
        if column and meets_another(column, tree):
            met.append(struct)
        elif is_seen:
            name_members(struct)
    names = {tuple(member.name.casefold() for member in struct.expressions) for struct in met if is_named(struct)}
    if len(names) > 1 or (isinstance(tree, exp.Insert | exp.Merge) and not takes_members(tree)):
        for struct in met:
            strip_names(struct)
            struct.set("is_positional", None)
    return tree


def is_named(struct: exp.Expr) -> bool:
    """Return whether a STRUCT has a member with a name."""
    return any(isinstance(member, exp.PropertyEQ) for member in struct.expressions)


def takes_members(tree: exp.Expr) -> bool:
    """Return whether a statement takes a member of a column, as far as can be seen without the tables' columns."""
    tables = {table.alias_or_name.casefold() for table in tree.find_all(exp.Table, exp.Subquery)}
    columns = tree.find_all(exp.Column)
    return any(column.args.get("db") or (column.table and column.table.casefold() not in tables) for column in columns)


def name_members(struct: exp.Expr) -> None:
    """Name the members that are columns, if no two have one name."""
    names = [own_name(member) for member in struct.expressions]
    folded = [name.casefold() for name in names if name]
    if len(folded) > len({*folded}):
        return
    members = [
        exp.PropertyEQ(this=exp.to_identifier(name), expression=member)
        if name and not isinstance(member, exp.PropertyEQ)
        else member
        for name, member in zip(names, struct.expressions, strict=True)
    ]
    struct.set("expressions", members)


def own_name(member: exp.Expr) -> str:
    """Return the name of a STRUCT's member: the given one, or a column's; empty: it has none."""
    return member.name if isinstance(member, exp.PropertyEQ | exp.Column | exp.Dot) and member.name != "*" else ""


def destination(struct: exp.Expr) -> tuple[bool, str]:
    """Return whether a STRUCT's names can be seen, and by which name a subquery's column holds it, if one does.

    They are seen in the result, in JSON, and where a member is taken.
    """
    node, alias = struct, ""
    while parent := node.parent:
        match parent:
            case exp.Select() if node.arg_key != "expressions":
                return False, ""
            case exp.CTE() | exp.From() | exp.Join():
                return bool(alias), alias
            case exp.Create():
                return True, ""
            case exp.Unnest():
                return not isinstance(parent.parent, exp.In), ""
            case exp.Dot():
                return node.arg_key == "this", ""
            case exp.Anonymous():
                return parent.name.lower() in JSON_FUNCTIONS, ""
            case exp.Alias():
                alias = parent.alias
            case exp.Select() | exp.Struct() | exp.SetOperation():
                pass
            case _ if not isinstance(parent, (*WRAPPERS, *BRANCHED)):
                return False, ""
        node = parent
    return True, ""


def meets_another(name: str, tree: exp.Expr) -> bool:
    """Return whether a column may meet another: is compared, a branch of several, or inserted.

    Args:
        name: the column's.
        tree: the whole statement.
    """
    for select in tree.find_all(exp.Select):
        if is_joined(select) and any(item.is_star for item in select.expressions):
            return True
    names, known = {name.casefold()}, 0
    while len(names) > known:
        known = len(names)
        for column in tree.find_all(exp.Column):
            if column.name.casefold() not in names:
                continue
            node: exp.Expr = column
            while isinstance(node.parent, WRAPPERS) and not isinstance(node.parent, exp.Alias):
                node = node.parent
            if isinstance(node.parent, exp.Alias):
                node = node.parent
                names.add(node.alias.casefold())
            if isinstance(node.parent, exp.Unnest):
                if alias := node.parent.args.get("alias"):
                    names.update(part.name.casefold() for part in [alias.this, *alias.columns] if part)
            elif isinstance(node.parent, exp.Select):
                if is_joined(node.parent):
                    return True
            elif not is_harmless(node.parent):
                return True
    using = [column for join in tree.find_all(exp.Join) for column in join.args.get("using") or []]
    return any(column.name.casefold() in names for column in using)


def is_joined(select: exp.Expr) -> bool:
    """Return whether a SELECT's rows meet others: in a set operation, in IN, or in the table that INSERT adds to."""
    node = select.parent
    while isinstance(node, exp.Subquery):
        node = node.parent
    return isinstance(node, exp.SetOperation | exp.Insert | exp.In | exp.Merge)


def is_harmless(parent: exp.Expr | None) -> bool:
    """Return whether what holds a column compares it with no other."""
    if isinstance(parent, exp.Anonymous):
        return parent.name.lower() in JSON_FUNCTIONS
    return isinstance(parent, exp.Dot | exp.Ordered | exp.Group | exp.Is | exp.Count)


STATEMENT_RULES = [by_position, struct_names]
