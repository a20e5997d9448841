"""Start GoogleSQL's engine once, so that its compiled form is kept: `python -m lumbung.googlesql`."""

import sys

from lumbung.googlesql.engine import Engine
from lumbung.googlesql.errors import MissingEngineError

if __name__ == "__main__":
    try:
        Engine()
    except MissingEngineError as error:
        sys.exit(f"{error}: SQL is not checked by it")
