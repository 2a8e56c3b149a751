"""A headless Chromium, driven by selenium, and axe-core, which looks for what keeps people out."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from importlib import resources
from typing import Any

import pytest

AXE = "axe-core@4.14.1"
SERIOUS = {"serious", "critical"}


def needs_chromium():
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {' and '.join(missing)}, of Debian's packages")


class Browser:
    """One window.

    Args:
        axe: the script of axe-core.
        rules: where names of hosts lead.
    """

    def __init__(self, axe: str, rules: str = "") -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--window-size=1280,900", "--ignore-certificate-errors", "--hide-scrollbars"):  # fmt: skip
            options.add_argument(flag)
        if rules:
            options.add_argument(f"--host-resolver-rules={rules}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_page_load_timeout(60)
        self._axe = axe

    def close(self) -> None:
        self.driver.quit()

    def open(self, address: str) -> None:
        self.driver.get(address)

    def one(self, css: str) -> Any:
        return self.driver.find_element("css selector", css)

    def all(self, css: str) -> list[Any]:
        return self.driver.find_elements("css selector", css)

    def wait(self, condition: Any) -> Any:
        """Wait until a condition holds; a page that is replaced meanwhile is looked at again."""
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        again = (NoSuchElementException, StaleElementReferenceException)
        return WebDriverWait(self.driver, 30, poll_frequency=0.05, ignored_exceptions=again).until(
            lambda _: condition()
        )

    def dark(self, wanted: bool) -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark" if wanted else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def size(self, width: int, height: int, *, scale: int = 1) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def without_script(self, wanted: bool) -> None:
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": wanted})

    def faults(self) -> list[str]:
        """Return what axe-core finds serious, with the places."""
        # Into a world of the test's own: the page's policy refuses foreign scripts, as it should.
        self.driver.execute_script(self._axe)
        found = self.driver.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
        return [
            f"{fault['id']}: {node['html'][:200]}"
            for fault in found["violations"]
            if fault["impact"] in SERIOUS
            for node in fault["nodes"]
        ]

    def complaints(self) -> list[str]:
        """Return what the console says since the last time: a script's error, what the policy has refused."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


def axe_script(folder: Any) -> str:
    """Return axe-core as npm has it, or the older one of the package `axe-core-python` where there is no npm."""
    try:
        subprocess.run(
            ["npm", "pack", "--silent", AXE], cwd=folder, check=True, capture_output=True, timeout=60
        )
        [packed] = folder.glob("axe-core-*.tgz")
        with tarfile.open(packed) as archive:
            return archive.extractfile("package/axe.min.js").read().decode()
    except (OSError, subprocess.SubprocessError, ValueError):
        return (resources.files("axe_core_python") / "axe.min.js").read_text()
