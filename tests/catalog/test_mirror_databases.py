"""Databases that cannot be used: one clear error each, before a request, and nothing half-written."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from support.postgresql import GUARDED, needs_postgresql

from kakaclo_async import ConfigurationError, KakaClo
from kakaclo_async.catalog import Mirror
from kakaclo_async.database.url import DatabaseUrl


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("catalog.db", "cannot be read: it looks like sqlite:///catalog.db"),
        ("mysql://root@localhost/shop", "not in mysql"),
        ("sqlite+pysqlite:///catalog.db", "not in sqlite\\+pysqlite"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql+psycopg://localhost/shop", "not in postgresql\\+psycopg"),
    ],
)
def test_a_url_that_is_no_database_of_ours_is_refused_at_once(url, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        Mirror(KakaClo("t"), url)


async def refused(shop, mirror_of, url, sentence):
    sandbox, kk = shop
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        await mirror_of(sandbox, kk, url).run()
    assert sandbox.requests.total() == 0
    assert "\n" not in str(caught.value)
    return caught.value


async def test_a_folder_that_does_not_exist_is_named(shop, mirror_of, tmp_path):
    await refused(shop, mirror_of, f"sqlite:///{tmp_path}/nowhere/catalog.db", "nowhere does not exist")

    assert list(tmp_path.iterdir()) == []


async def test_a_folder_is_no_database(shop, mirror_of, tmp_path):
    await refused(shop, mirror_of, f"sqlite:///{tmp_path}", "is a folder, not a database file")


async def test_a_file_of_something_else_is_left_as_it_is(shop, mirror_of, db, tmp_path):
    db.path.write_text("spu;price\nA;1\n" * 20)

    await refused(shop, mirror_of, db.url, "file is not a database")

    assert db.path.read_text() == "spu;price\nA;1\n" * 20
    assert list(tmp_path.iterdir()) == [db.path]


async def test_a_database_of_another_program_is_left_as_it_is(shop, mirror_of, db, tmp_path):
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute("CREATE TABLE invoice (id INTEGER)")
    before = db.path.read_bytes()

    await refused(shop, mirror_of, db.url, "holds tables that no mirror made \\(invoice\\)")

    assert db.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [db.path]


async def test_a_table_that_only_has_the_name_of_ours_is_no_mirror(shop, mirror_of, db):
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute("CREATE TABLE mirror_schema (version INTEGER)")

    await refused(shop, mirror_of, db.url, "no mirror made the table mirror_schema")


async def test_a_mirror_that_lost_a_table_is_found_out_before_a_request(shop, mirror_of, db):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    sandbox.requests.clear()
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute("DROP TABLE stock")

    await refused(shop, mirror_of, db.url, "the mirror's tables stock are missing")


@needs_postgresql()
@pytest.mark.parametrize("name", ["product", "mirror_done"])
async def test_a_postgresql_database_with_foreign_tables_named_like_ours_is_left_alone(
    name, shop, mirror_of, pg
):
    await pg.rows(f"CREATE TABLE {name} (id integer)")

    await refused(shop, mirror_of, pg.url, f"holds tables that no mirror made \\({name}\\)")

    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert await pg.rows(tables) == [(name,)]


async def test_a_postgresql_server_that_does_not_listen_is_one_error_without_the_password(shop, mirror_of):
    address = "postgresql://shop:secret@127.0.0.1:1/catalog?password=secret"

    error = await refused(shop, mirror_of, address, "cannot be reached: .*Connect call failed")

    assert "secret" not in str(error)
    assert "shop:***@127.0.0.1:1" in str(error)


@needs_postgresql()
async def test_a_wrong_password_is_one_error_that_does_not_show_it(shop, mirror_of, pg):
    await pg.rows(f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'right'")
    address = pg.url.replace("postgres@", f"{GUARDED}:secret@")

    try:
        error = await refused(
            shop, mirror_of, address, f'password authentication failed for user "{GUARDED}"'
        )
    finally:
        await pg.rows(f"DROP ROLE {GUARDED}")

    assert "secret" not in str(error) + str(error.__cause__)


@needs_postgresql()
async def test_a_database_that_does_not_exist_is_one_error(shop, mirror_of, server):
    await refused(shop, mirror_of, f"{server}/nowhere", 'database "nowhere" does not exist')


@needs_postgresql()
async def test_the_settings_of_postgresqls_own_urls_are_understood(shop, mirror_of, pg):
    sandbox, kk = shop
    address = f"{pg.url.replace('postgresql:', 'postgres:')}?sslmode=disable&application_name=catalog"

    assert (await mirror_of(sandbox, kk, address).run()).complete


@pytest.mark.parametrize(
    ("module", "url", "extra"),
    [
        ("aiosqlite", "sqlite:///{}/catalog.db", "catalog"),
        ("greenlet", "sqlite:///{}/catalog.db", "catalog"),
        ("asyncpg", "postgresql://127.0.0.1:1/catalog", "postgres"),
    ],
)
async def test_a_driver_that_is_not_installed_is_named_with_its_extra(
    module, url, extra, shop, mirror_of, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)

    await refused(
        shop, mirror_of, url.format(tmp_path), f"needs {module}: pip install 'kakaclo\\[{extra}\\]'"
    )

    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
@pytest.mark.parametrize("package", ["kakaclo_async.catalog", "kakaclo_sync"])
@pytest.mark.parametrize("missing", ["sqlalchemy", "msgspec.json"])
def test_without_its_libraries_the_catalog_names_its_extra_and_other_faults_stay_what_they_are(
    package, missing
):
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try:\n"
        f"    from {package} import Mirror\n"
        "    Mirror(None, 'sqlite:///catalog.db')\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error.name)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    sentence = f"MissingExtra the catalog needs {missing}: pip install 'kakaclo[catalog]'"
    assert done.stdout.strip() == (sentence if missing == "sqlalchemy" else missing)


async def test_a_mirror_that_is_opened_without_the_library_of_its_lock_names_the_extra(
    shop, mirror_of, monkeypatch
):
    sandbox, kk = shop
    monkeypatch.setitem(sys.modules, "filelock", None)

    with pytest.raises(ConfigurationError, match=r"needs filelock: pip install 'kakaclo\[catalog\]'"):
        await mirror_of(sandbox, kk).run()


async def test_reading_before_there_is_a_mirror_is_one_error_and_makes_no_file(shop, mirror_of, db):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)

    with pytest.raises(ConfigurationError, match="there is no mirror in .* yet: run one first"):
        await mirror.status()
    with pytest.raises(ConfigurationError, match="there is no mirror in .* yet: run one first"):
        await anext(mirror.changes())

    assert not db.path.exists()


async def test_reading_a_database_without_a_mirror_is_one_error(shop, mirror_of, db):
    sandbox, kk = shop
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute("CREATE TABLE invoice (id INTEGER)")

    with pytest.raises(ConfigurationError, match="there is no mirror in the database yet"):
        await mirror_of(sandbox, kk).status()


async def test_an_error_of_the_database_shows_no_row(shop, mirror_of, db):
    sandbox, kk = shop
    async with mirror_of(sandbox, kk) as mirror:
        await mirror.run(until=sandbox.now().replace(year=sandbox.now().year - 2))
        with closing(sqlite3.connect(db.path)) as connection:
            connection.execute("DROP TABLE sku")
            connection.commit()

        with pytest.raises(ConfigurationError, match="no such table: sku") as caught:
            await mirror.run()

    assert "INSERT" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@h/d", {"user": "u", "password": "p", "host": ["h"], "port": None, "database": "d"}),
        ("postgresql://u:p%40%2F@h:6543/d?sslmode=require&channel_binding=require", {"password": "p@/"}),
        ("postgresql://u:a/b?c#d@h/d", {"password": "a/b?c#d", "database": "d"}),
        ("postgresql://u@h1:5432,h2:5433/d?target_session_attrs=read-write", {"host": ["h1", "h2"], "port": [5432, 5433]}),
        ("postgresql://u@[::1]:5433/d", {"host": ["::1"], "port": [5433]}),
        ("postgresql:///d?host=/run/postgresql", {"host": None, "dsn": "postgresql://?host=%2Frun%2Fpostgresql"}),
        ("postgresql://h/d?pgbouncer=true&connection_limit=1&connect_timeout=10", {"timeout": 10.0, "dsn": None}),
        ("postgresql://h/d?ssl=true", {"dsn": "postgresql://?sslmode=require"}),
    ],
)  # fmt: skip
def test_a_hosters_url_is_read_as_it_is_pasted(url, expected):
    server = DatabaseUrl.parse(url, holds="mirror", example="x.db").server

    arguments = server.arguments()
    assert {name: arguments[name] for name in expected} == expected


def test_settings_of_the_server_are_sent_to_it_and_those_of_others_are_not():
    url = "postgresql://h/d?options=endpoint%3Dep-1&application_name=shop&keepalives_idle=5&schema=x&gssencmode=disable"

    server = DatabaseUrl.parse(url, holds="mirror", example="x.db").server

    assert dict(server.settings) == {"options": "endpoint=ep-1", "application_name": "shop"}
    assert (server.schema, server.name) == ("x", None)


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("postgresql://u:secret@h/d?jit=off&colour=secret", r"\(colour, jit\)"),
        ("sqlite:///catalog.db?timeout=secret", r"\(timeout\)"),
        ("postgresql://u:p@secret@h/d", "write @ as %40"),
        ("postgresql://h:port/secret", "cannot be read"),
        ("postgresql://h/d?connect_timeout=secret", "connect_timeout"),
    ],
)
def test_settings_that_are_not_known_are_refused_by_name_without_their_values(url, names):
    with pytest.raises(ConfigurationError, match=names) as caught:
        Mirror(KakaClo("t"), url)

    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
