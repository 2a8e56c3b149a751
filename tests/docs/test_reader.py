"""What runs the pages notices what is wrong with one, and leaves alone what says why it is not run."""

from __future__ import annotations

import pytest
import yaml
from support.pages import Reader, blocks, fences, settings

from kakaclo_sync import Sandbox

pytestmark = pytest.mark.process


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a page."""
    home = tmp_path / "me"
    home.mkdir()
    monkeypatch.chdir(home)

    with Sandbox(products=1) as sandbox:

        def read(*lines):
            reader = Reader(sandbox, home, {"postgresql://shown": "postgresql://real"})
            try:
                for block in blocks("\n".join([*lines, ""])):
                    reader.read(block)
            finally:
                reader.close()
            return home

        yield read


WRONG = {
    "python that raises": ["```python", "1 / 0", "```"],
    "python that awaits in vain": ["```python", "await missing()", "```"],
    "a name of a block that was not run": ["<!-- not run: it is long -->", "```python", "a = 1", "```", "```python", "a", "```"],
    "a command that fails": ["```console", "$ false", "```"],
    "a command that fails in another way than is said": ["<!-- exit code 1 -->", "```console", "$ (exit 3)", "```"],
    "a command that prints something else": ["```console", "$ echo one", "two", "```"],
    "a console without a command": ["```console", "echo one", "```"],
    "an extra that does not exist": ["```console", "$ pip install 'kakaclo[nonsense]'", "```"],
    "a target that does not exist": ["```console", "$ make nonsense", "```"],
    "settings that cannot be read": ["<!-- not run: only a part -->", "```yaml", "a: [", "```"],
    "python that is no python, though it is not run": ["<!-- not run: only a part -->", "```python", "a b", "```"],
    "a crontab whose line fails": ['```text title="crontab"', "5 * * * * false", "```"],
}  # fmt: skip


NOTICED = (AssertionError, NameError, SyntaxError, ZeroDivisionError, yaml.YAMLError)


@pytest.mark.parametrize("page", WRONG.values(), ids=WRONG.keys())
def test_a_page_with_a_mistake_fails(read, page):
    with pytest.raises(NOTICED):
        read(*page)


def test_blocks_of_a_page_share_names_files_and_the_folder_of_the_shell(read):
    home = read(
        "<!-- set up", "start = 2", "-->", "```python", "import asyncio", "a = await asyncio.sleep(0, start)", "```",
        '```csv title="b.csv"', "c,d", "```",
        "```python", "assert (a, Path('b.csv').read_text()) == (2, 'c,d\\n')", "Path('e').write_text('postgresql://shown')", "```",
        "```console", "$ mkdir f && cd f", "$ cat ../b.csv \\", "    ../e", "c,d", "postgresql://real", "$ touch g", "```",
    )  # fmt: skip
    assert (home / "f" / "g").exists()


def test_what_a_page_says_of_its_blocks_and_its_sandbox_is_understood():
    page = "<!-- sandbox: products=7 speed=2.5 -->\n<!-- until Ctrl-C -->\n```console\n$ a\n```\n  ```sh\n  $ b\n  ```\n"
    assert settings(page) | {"products": 7, "speed": 2.5} == settings(page)
    assert [block.mode for block in blocks(page)] == ["until Ctrl-C"]
    assert fences(page) == 2
