"""Start GoogleSQL's engine once, so that its compiled form is kept: `python -m lumbung.googlesql`.

On a machine that the engine does not support it says so and does not fail: an installation or an image goes on.
"""

from lumbung.googlesql.engine import Engine
from lumbung.googlesql.errors import MissingEngineError

if __name__ == "__main__":
    try:
        Engine()
    except MissingEngineError as error:
        print(f"{error}: SQL is not checked by it")  # noqa: T201
