"""`make erd`: write the picture and the page's diagram."""

from erd import files
from lumbung.catalog.contract import Catalog

if __name__ == "__main__":
    catalog = Catalog()
    files.PICTURE.write_text(files.picture(catalog), encoding="utf-8")
    files.PAGE.write_text(files.page(files.PAGE.read_text(encoding="utf-8"), catalog), encoding="utf-8")
