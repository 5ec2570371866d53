import pytest

from components.core.errors import KnockoutError
from study.spec import machine as lanes
from study.spec.machine import Lane, parse_lanes


def test_threads_are_shared_out_among_workers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "cores", lambda: 8)
    assert parse_lanes("cpu:2") == (Lane("cpu", 4),) * 2
    assert parse_lanes("cpu") == (Lane("cpu", 1),) * 8
    assert parse_lanes("cpu:32") == (Lane("cpu", 1),) * 32


def test_gpus_may_be_shared_and_mixed_with_cpus(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "cores", lambda: 8)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [lane.device for lane in parse_lanes("cuda:0, cuda:1x3")] == ["cuda:0", "cuda:1", "cuda:1", "cuda:1"]
    assert [lane.device for lane in parse_lanes("cuda")] == ["cuda:0"]
    assert [lane.device for lane in parse_lanes("auto")] == ["cuda:0", "cuda:1"]
    assert [lane.device for lane in parse_lanes("cuda:1,cpu:2")] == ["cuda:1", "cpu", "cpu"]
    with pytest.raises(KnockoutError, match="this machine has 2"):
        parse_lanes("cuda:2")


def test_auto_without_gpus_takes_every_core(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "cores", lambda: 3)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert parse_lanes("auto") == (Lane("cpu", 1),) * 3


def test_lanes_are_described_by_kind():
    assert lanes.describe((Lane("cpu", 2), Lane("cpu", 2), Lane("cuda:0", 2))) == (
        "2 x cpu (2 threads), 1 x cuda:0 (2 threads)"
    )


def test_auto_stands_for_the_devices_it_is_given_and_threads_are_shared_with_the_rest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "cores", lambda: 8)
    assert parse_lanes("auto, cpu:1", auto=["cuda:0"] * 3) == (Lane("cuda:0", 2),) * 3 + (Lane("cpu", 2),)
    assert lanes.is_auto("cpu:1, auto") and not lanes.is_auto("cpu:1")
