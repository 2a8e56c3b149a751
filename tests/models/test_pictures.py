"""The addresses that people and shops need: pictures in other sizes, and KakaClo's own pages."""

from __future__ import annotations

import pytest

import kakaclo_async
import kakaclo_sync
from kakaclo_async import InvalidRequest, resized_image

PICTURE = "https://img.kakaclo.com/image%2FAMN00769%2Fc7f22ba7.jpg"
SIZE = "x-oss-process=image/resize,w_504,h_672,m_fill/format,webp"


@pytest.mark.parametrize(
    ("url", "resized"),
    [
        (PICTURE, f"{PICTURE}?{SIZE}"),
        (f" {PICTURE}\n", f"{PICTURE}?{SIZE}"),
        (f"{PICTURE}?", f"{PICTURE}?{SIZE}"),
        (f"{PICTURE}?v=2&a=b%2Cc", f"{PICTURE}?v=2&a=b%2Cc&{SIZE}"),
        (f"{PICTURE}?v=2#top", f"{PICTURE}?v=2&{SIZE}#top"),
        (f"{PICTURE}?x-oss-process=image/resize,w_1&v=2", f"{PICTURE}?v=2&{SIZE}"),
        (f"{PICTURE}?{SIZE}", f"{PICTURE}?{SIZE}"),
        ("//img.kakaclo.com/a.jpg", f"//img.kakaclo.com/a.jpg?{SIZE}"),
    ],
)
def test_a_picture_is_asked_for_in_another_size_and_the_rest_of_its_query_is_kept(url, resized):
    assert resized_image(url, 504, 672) == resized


def test_the_largest_and_the_smallest_size_and_another_format():
    assert resized_image(PICTURE, 1, 4096, format="png").endswith("resize,w_1,h_4096,m_fill/format,png")


@pytest.mark.parametrize("side", [0, -1, 4097, 1.0, "504", True, None])
def test_a_side_out_of_bounds_is_refused_by_name(side):
    with pytest.raises(InvalidRequest, match="width must be a whole number of 1 to 4096 pixels"):
        resized_image(PICTURE, side, 100)
    with pytest.raises(InvalidRequest, match="height must be a whole number of 1 to 4096 pixels"):
        resized_image(PICTURE, 100, side)


@pytest.mark.parametrize("url", [None, "", " ", 7, "AMN00769.jpg", "https://"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InvalidRequest, match="url must be the address of a picture"):
        resized_image(url, 100, 100)


@pytest.mark.parametrize("kind", ["", "we/bp", "webp&x=1", None, 5])
def test_a_format_is_one_word(kind):
    with pytest.raises(InvalidRequest, match="format must be a word"):
        resized_image(PICTURE, 100, 100, kind)


@pytest.mark.parametrize("face", [kakaclo_async, kakaclo_sync])
def test_both_faces_name_the_pages_that_no_endpoint_replaces(face):
    assert face.POD_DESIGNER_URL == "https://www.kakaclo.com/pod-designer"
    assert face.POD_DESIGNS_URL == "https://www.kakaclo.com/commodity/customProduct/list"
    assert face.API_SETTINGS_URL == "https://kakaclo.com/personal-center/api-setting"
    assert face.PAYMENT_URL == "https://www.kakaclo.com/personal-center/payment-manage"
    assert face.resized_image is resized_image
