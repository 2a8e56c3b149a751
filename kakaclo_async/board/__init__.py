"""The board: a web page on this machine that shows the catalog, orders and traffic (`pip install 'kakaclo[board]'`).

async with serve(kk=kk, db="sqlite:///catalog.db", journal="sqlite:///orders.db") as board:
print(board.url)
"""

from kakaclo_async.errors import MissingExtra

try:
    from kakaclo_async.board.sandbox import show_sandbox
    from kakaclo_async.board.server import Board, serve
except ModuleNotFoundError as error:
    if error.name not in {"jinja2", "markupsafe", "sqlalchemy"}:
        raise
    raise MissingExtra(f"the board needs {error.name}: pip install 'kakaclo[board]'") from None

__all__ = ["Board", "serve", "show_sandbox"]
