"""`python -m lumbung`."""

from lumbung.cli.main import main

if __name__ == "__main__":
    main()
