"""What the commands about a mirror's database have in common."""

import typer

DEFAULT_DB = "sqlite:///catalog.db"

DB = typer.Option(
    "--db",
    help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    metavar="URL",
    envvar="KAKACLO_DB",
    show_envvar=True,
)
