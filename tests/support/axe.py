"""axe-core in a browser: what keeps people from a page who cannot see it, or use no mouse."""

from importlib import resources

from selenium import webdriver


def faults(chrome: webdriver.Chrome) -> list[str]:
    """A line for each element of the open page that breaks one of axe's rules."""
    chrome.execute_script((resources.files("axe_selenium_python") / "node_modules/axe-core/axe.min.js").read_text())
    found = chrome.execute_async_script("axe.run().then(arguments[0])")
    return [
        f"{violation['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
