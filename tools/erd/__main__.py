"""`make erd`: write the picture and the diagrams of the pages."""

from erd import files
from lumbung.catalog.contract import Catalog

if __name__ == "__main__":
    catalog = Catalog()
    files.PICTURE.write_text(files.picture(catalog), encoding="utf-8")
    for page in files.PAGES:
        page.write_text(files.page(page.read_text(encoding="utf-8"), catalog), encoding="utf-8")
