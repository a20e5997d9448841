"""A real browser, without a window."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --no-proxy-server --window-size=1400,1000"
)


class MissingError(Exception):
    """The browser is not installed."""


@contextlib.contextmanager
def running(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser with its profile in a folder; what its console says is kept.

    Raises:
        MissingError: it is not installed.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        raise MissingError("chromium or chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS.split(), f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def visit(chrome: webdriver.Chrome, url: str, width: int) -> None:
    """Open a page in a window of so many pixels."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chrome.get(url)


def overflow(chrome: webdriver.Chrome) -> int:
    """Pixels by which the page is wider than the window."""
    return chrome.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
