"""Statuses: open to what the API invents, one object per value."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from kakaclo_async import public
from kakaclo_async.models.common import OpenIntEnum, OpenStrEnum
from kakaclo_async.models.freight import ChannelType
from kakaclo_async.models.order import OrderStatus
from kakaclo_async.models.product import ProductStatus

PUBLIC = [kind for kind in vars(public).values() if isinstance(kind, type)]
TEXTS = [kind for kind in PUBLIC if issubclass(kind, OpenStrEnum) and kind is not OpenStrEnum]
NUMBERS = [kind for kind in PUBLIC if issubclass(kind, OpenIntEnum) and kind is not OpenIntEnum]


def test_no_enumeration_escapes_these_tests():
    assert len(TEXTS + NUMBERS) >= 18
    assert {ProductStatus, OrderStatus, ChannelType} <= {*TEXTS, *NUMBERS}


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, "brand-new") for kind in TEXTS] + [(kind, 4711) for kind in NUMBERS]
)
def test_an_unknown_value_is_a_member_like_any_other(kind, value):
    documented = list(kind)
    member = kind(value)
    assert member is kind(value)
    assert (member.value, member.name, member.is_known) == (value, "UNKNOWN", False)
    assert member == value
    assert hash(member) == hash(value)
    assert isinstance(member, kind)
    assert list(kind) == documented
    assert pickle.loads(pickle.dumps(member)) is member  # noqa: S301 # our own bytes
    assert copy.deepcopy(member) is member
    assert json.dumps(member) == json.dumps(value)
    assert str(value) in repr(member)


@pytest.mark.parametrize("kind", TEXTS + NUMBERS)
def test_documented_values_are_known(kind):
    assert len(list(kind)) > 1
    for member in kind:
        assert member.is_known
        assert kind(member.value) is member
        assert pickle.loads(pickle.dumps(member)) is member  # noqa: S301 # our own bytes


@pytest.mark.parametrize(
    ("kind", "value"), [(OrderStatus, 5), (OrderStatus, None), (ProductStatus, "1"), (ProductStatus, 1.5)]
)
def test_what_is_no_wire_value_is_refused(kind, value):
    with pytest.raises(ValueError, match="is not a valid"):
        kind(value)


def test_texts_of_statuses_are_their_wire_values():
    assert f"{ChannelType.STANDARD}" == str(ChannelType.STANDARD) == "Standard"
    assert f"{OrderStatus('new')}" == "new"
