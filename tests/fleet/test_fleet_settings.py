"""The settings of a fleet: all problems told at once, no value repeated, and changes taken up whole or not at all."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from support.fleet import write_shop, written

from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_async.fleet import Fleet, FleetSettings, ShopSettings
from kakaclo_async.fleet.config.files import SettingsFiles
from kakaclo_async.fleet.config.settings import _FLEET, _SHOP

SECRET = "sk-live-8f14e45fceea167a"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fleet.toml"


def problems(path):
    files = SettingsFiles(path)
    assert files.read() is None
    return [str(problem) for problem in files.problems]


def test_all_problems_are_told_at_once_with_file_and_key(path):
    (path.parent / "shops.d").mkdir()
    path.write_text(
        'include = "shops.d/*.toml"\n'
        '[fleet]\nmiror_every = "5m"\nwatch_every = "often"\ncatalog = "none"\nat_once = 0\n'
        f'[shop.acme]\ntoken = "{SECRET}"\n[shop.Bad]\ntoken = "env:X"\n'
    )
    (path.parent / "shops.d" / "b.toml").write_text(
        '[shop.b]\nrate = true\n[fleet]\n[shop.acme]\ntoken = "env:A"\n'
    )
    (path.parent / "shops.d" / "c.toml").write_text(f'[shop.c]\ntoken = "{SECRET}\n')
    told = problems(path)
    expected = [
        "fleet.toml: fleet.miror_every is not known: did you mean mirror_every?",
        'fleet.toml: fleet.watch_every must be seconds, or a text such as "90s", "5m" or "1h"',
        'fleet.toml: fleet.catalog must be "shared" or "own"',
        "fleet.toml: fleet.at_once must be a whole number, 1 or more",
        "fleet.toml: shop.acme.token must be a place",
        "fleet.toml: shop the name 'Bad'",
        "b.toml: fleet is not known",
        "b.toml: shop.b.rate must be a number above 0",
        "c.toml: is no TOML",
    ]
    for start in expected:
        assert any(line.startswith(start) for line in told), (start, told)
    assert len(told) == len(expected), told
    with pytest.raises(ConfigurationError, match=f"have {len(expected)} problems"):
        Fleet.open(path)
    assert SECRET not in " ".join(told)


def test_every_setting_is_read_and_every_attribute_can_be_set():
    """A setting that is documented and not read, or read and not there, would be told to nobody."""
    fleet = {field.name for field in attrs.fields(FleetSettings)} - {"folder", "shops"}
    assert set(_FLEET) == fleet
    assert set(_SHOP) == {field.name for field in attrs.fields(ShopSettings)} - {"name"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"engine": "redis://x"}, 'fleet.engine must be "local"'),
        ({"engine": "postgresql://h/f", "home": "postgresql://h/s"}, "fleet.bucket is missing"),
        ({"engine": "postgresql://h/f", "bucket": "redis://h"}, "fleet.home must be postgresql://"),
        ({"bucket": "http://h"}, "fleet.bucket must be redis://"),
        ({"workers": 2}, "fleet.workers must be 1"),
        ({"home": "sqlite:///all.db"}, "fleet.home must have {shop} in it"),
        ({"beat": 10, "dead": 15}, "fleet.dead must be twice `beat`"),
    ],
)
def test_settings_that_cannot_work_together_are_refused(tmp_path, settings, told):
    path = written(tmp_path, [("a", "t", {})], **settings)
    assert any(told in line for line in problems(path)), problems(path)


def test_shops_of_two_kakaclos_share_no_catalog(tmp_path):
    shops = [("a", "t", {}), ("b", "u", {"base_url": "http://127.0.0.1:1"})]
    path = written(tmp_path, shops, catalog="shared")
    assert len(told := problems(path)) == 1
    assert told[0].startswith(
        'fleet.toml: fleet.catalog must be "own": the shops a and b have another base_url'
    )
    written(tmp_path, shops, catalog="own")
    assert SettingsFiles(path).demand().catalog == "own"
    same = "https://DEVELOPER.kakaclo.com:443/openapi/"
    written(tmp_path, [("a", "t", {}), ("b", "u", {"base_url": same})], catalog="shared")
    assert SettingsFiles(path).demand().catalog == "shared"


def test_several_workers_have_a_bucket_in_redis_and_homes_that_all_can_reach(tmp_path):
    path = written(
        tmp_path,
        [("a", "t", {})],
        engine="postgresql://h/f",
        bucket="redis://h",
        home="postgresql://h/homes",
    )
    assert not SettingsFiles(path).demand().is_local
    written(tmp_path, engine="postgresql://h/f", workers=1)
    assert SettingsFiles(path).demand().workers == 1


def test_a_file_is_read_again_when_it_changes_and_a_bad_one_changes_nothing(tmp_path):
    files = SettingsFiles(written(tmp_path, [("a", "t", {})]))
    assert set(files.read().shops) == {"a"}
    assert files.read() is None
    assert files.problems == ()
    write_shop(tmp_path, "b", "t")
    assert set(files.read().shops) == {"a", "b"}
    (tmp_path / "shops.d" / "b.toml").write_text("[shop.b]\n")
    assert files.read() is None
    assert [problem.key for problem in files.problems] == ["shop.b.token"]
    (tmp_path / "shops.d" / "b.toml").unlink()
    assert set(files.read().shops) == {"a"}


def test_a_file_that_was_cut_off_is_no_fleet_of_defaults(tmp_path):
    path = written(
        tmp_path, [("a", "t", {})], engine="postgresql://h/f", bucket="redis://h", home="postgresql://h/s"
    )
    for left in (0, 1):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:left]))
        assert problems(path) == [
            "fleet.toml: fleet is missing: write [fleet], with nothing below it if all is as usual"
        ]
        written(tmp_path)
    path.write_text("[fleet]\n")
    assert SettingsFiles(path).demand().shops == {}


def test_a_shop_stands_in_one_place(tmp_path):
    path = written(tmp_path, [("a", "t", {})])
    path.write_text(path.read_text() + '[shop.a]\ntoken = "env:A"\n')
    assert problems(path) == ["a.toml: shop.a stands in fleet.toml, too"]


@pytest.mark.parametrize(
    ("include", "told"),
    [
        *(
            (it, "must be a pattern of .toml files")
            for it in (".", "", "shops.d", "shops.d/", "shops.d/**", 5)
        ),
        *((it, "must be a pattern of .toml files") for it in ([1, 2], ["shops.d/*.toml", 3], [["x.toml"]])),
        *((it, "cannot be looked for") for it in ("a**b/*.toml", "a\\u0000/*.toml", f"{'x' * 300}/x.toml")),
    ],
)
def test_a_pattern_that_can_find_no_file_is_a_problem(path, include, told):
    shown = f'"{include}"' if isinstance(include, str) else str(include).replace("'", '"')
    path.write_text(f"include = {shown}\n[fleet]\n")
    assert [line.startswith(f"fleet.toml: include {told}") for line in problems(path)] == [True], problems(
        path
    )


@pytest.mark.parametrize(
    "include",
    ['"shops.d/*"', '"shops.d/a*"', '"**/*.toml"', '["shops.d/*.toml", "*/a.toml", "shops.d/a.toml"]'],
)
def test_a_file_that_several_patterns_find_and_the_fleets_own_are_read_once(tmp_path, include):
    path = written(tmp_path, [("a", "t", {})])
    path.write_text(f"include = {include}\n[fleet]\n")
    assert set(SettingsFiles(path).demand().shops) == {"a"}


def test_what_an_editor_leaves_beside_a_file_is_not_read_and_a_byte_order_mark_is(tmp_path):
    path = written(tmp_path, [("a", "t", {})])
    folder = tmp_path / "shops.d"
    (folder / ".a.toml").write_text((folder / "a.toml").read_text())
    (folder / ".#a.toml").symlink_to("nobody@nowhere.1234")
    (folder / "a.toml").write_text((folder / "a.toml").read_text(), "utf-8-sig")
    assert set(SettingsFiles(path).demand().shops) == {"a"}


@pytest.mark.parametrize("text", [f"x = {'[' * 5000}", f"x = {'9' * 5000}"])
def test_whatever_stands_in_a_file_is_told_as_a_problem(path, text):
    path.write_text(text)
    assert problems(path) == ["fleet.toml: is no TOML"]


def test_files_below_the_folder_alone_are_included(tmp_path):
    path = written(tmp_path, include="../*.toml")
    assert problems(path) == ["fleet.toml: include must stay below the folder of the file"]


async def test_a_shop_that_is_added_has_a_file_and_one_that_would_not_work_leaves_none(tmp_path):
    async with Fleet.open(written(tmp_path)) as fleet:
        path = await fleet.add("acme", "env:ACME_TOKEN", settings={"rate": 4.0})
        assert path == tmp_path / "shops.d" / "acme.toml"
        assert path.read_text() == '[shop.acme]\ntoken = "env:ACME_TOKEN"\nrate = 4.0\n'
        assert {shop.shop for shop in (await fleet.status()).shops} == {"acme", "catalog"}
        for name, token, error in (
            ("acme", "env:X", InvalidRequest),
            ("beta", SECRET, ConfigurationError),
            ("../x", "env:X", InvalidRequest),
            ("catalog", "env:X", InvalidRequest),
            ("my shop", "env:X", InvalidRequest),
        ):
            with pytest.raises(error) as failure:
                await fleet.add(name, token)
            assert SECRET not in str(failure.value)
        assert [file.name for file in (tmp_path / "shops.d").iterdir()] == ["acme.toml"]
        await fleet.remove("acme")
        assert (await fleet.status()).shops == ()
        with pytest.raises(InvalidRequest, match="no shop acme"):
            await fleet.remove("acme")


async def test_dollars_are_added_as_they_are_given_and_what_no_file_can_hold_is_refused(tmp_path):
    async with Fleet.open(written(tmp_path)) as fleet:
        path = await fleet.add("a", "env:A", settings={"balance_below": Decimal("12.50")})
        assert "balance_below = 12.50\n" in path.read_text()
        for settings in ({"rate": None}, {"rate": [1]}, {"rate = 1\n[shop.x]\ntoken": "env:X"}):
            with pytest.raises(InvalidRequest, match="must be a text, a number, or true or false"):
                await fleet.add("b", "env:B", settings=settings)
        assert [file.name for file in (tmp_path / "shops.d").iterdir()] == ["a.toml"]


async def test_a_shop_beside_others_in_a_file_is_not_removed_with_them(tmp_path):
    path = written(tmp_path)
    (tmp_path / "shops.d" / "a.toml").write_text('[shop.a]\ntoken = "env:A"\n[shop.b]\ntoken = "env:B"\n')
    async with Fleet.open(path) as fleet:
        with pytest.raises(ConfigurationError, match=r"take \[shop.a\] out of the file"):
            await fleet.remove("a")


@pytest.mark.process  # a driver of PostgreSQL looks for its library
def test_no_repr_shows_a_place_of_tokens_or_a_password(tmp_path):
    settings = {"engine": f"postgresql://u:{SECRET}@h/f", "bucket": f"redis://:{SECRET}@h"}
    path = written(tmp_path, [("a", "t", {})], **settings, home=f"postgresql://u:{SECRET}@h/s")
    fleet = Fleet.open(path)
    for shown in (
        fleet,
        fleet._settings,
        fleet._pool,
        fleet._engine,
        fleet._engine.table,
        fleet._settings.shops["a"],
    ):
        assert SECRET not in repr(shown)
        assert "a.token" not in repr(shown)
