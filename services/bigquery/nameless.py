"""A query without the names of its tables, by which what was found about it is kept.

A run reads and writes private tables, so most of its queries differ in nothing but names from those of another run.
"""

import re

LEXEME = re.compile(
    r"--[^\n]*|\#[^\n]*|/\*.*?\*/"
    r"|'''(?:\\.|.)*?'''|\"\"\"(?:\\.|.)*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\\n])*`"
    r"|(?P<before>\b(?:FROM|JOIN)\s+)`(?P<name>[\w-]+(?:\.[\w-]+){1,2})`(?!\s*\.)",
    re.IGNORECASE | re.DOTALL,
)


def nameless(sql: str) -> tuple[str, dict[str, str]]:
    """Return a query with a stand-in for each table whose name cannot matter to it, and the names by their stand-ins.

    A name matters where its last part, by which columns may be referred to, is anywhere else in the query. Only a name
    after FROM or JOIN is looked at, in one pair of backticks.

    Args:
        sql: the query.
    """
    names = dict.fromkeys(match["name"] for match in LEXEME.finditer(sql) if match["name"])
    stand_ins = {name: f".{number}" for number, name in enumerate(name for name in names if not _matters(name, sql))}

    def replaced(match: re.Match[str]) -> str:
        stand_in = stand_ins.get(match["name"])
        return f"{match['before']}`{stand_in}`" if stand_in else match[0]

    return LEXEME.sub(replaced, sql), {stand_in: name for name, stand_in in stand_ins.items()}


def _matters(name: str, sql: str) -> bool:
    elsewhere = LEXEME.sub(lambda match: match["before"] if match["name"] == name else match[0], sql)
    last = re.escape(name.rpartition(".")[2])
    return bool(re.search(rf"(?<!\w){last}(?!\w)", elsewhere, re.IGNORECASE))
