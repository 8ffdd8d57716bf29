"""The limits of containers and job schedulers are those of this process."""

import math

import pytest

from kerasnets.compute import control_groups, threads


@pytest.fixture
def limited(tmp_path, monkeypatch):
    """Set the group of this process, and the files of all groups."""
    lines = control_groups.lines

    def limit(group, files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text + "\n")
        monkeypatch.setattr(control_groups, "_ROOT", tmp_path)
        monkeypatch.setattr(
            control_groups,
            "lines",
            lambda path: [group] if str(path) == "/proc/self/cgroup" else lines(path),
        )

    return limit


@pytest.mark.parametrize(
    ("group", "files", "cores"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1),
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),
        ("0::/of/the/host", {"cpu.max": "300000 100000"}, 3),
        (
            "4:cpu,cpuacct:/docker/1",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "250000",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "1"}, 8),
        ("1:memory:/", {"cpu.max": "100000 100000"}, 8),
        ("0::/", {"cpu.max": "5000 100000"}, 1),
        ("0::/", {}, 8),
    ],
)
def test_they_limit_the_cores(group, files, cores, limited, monkeypatch):
    limited(group, files)
    monkeypatch.setattr(threads, "affinity", lambda: set(range(8)))
    assert threads.allowed_cores() == cores


@pytest.mark.parametrize(
    ("group", "files", "free"),
    [
        ("0::/", {"memory.max": "1000", "memory.current": "900"}, 100),
        (
            "0::/a/b",
            {
                **{"a/memory.max": "1000", "a/memory.current": "900"},
                "a/memory.stat": "anon 300\ninactive_file 600",
                **{"a/b/memory.max": "max", "a/b/memory.current": "900"},
            },
            700,
        ),
        (
            "5:memory:/job",
            {
                "memory/job/memory.limit_in_bytes": "1000",
                "memory/job/memory.usage_in_bytes": "1100",
            },
            0,
        ),
        ("0::/", {"memory.max": "max", "memory.current": "900"}, math.inf),
        ("3:cpu:/", {"memory.max": "1000", "memory.current": "0"}, math.inf),
        ("0::/", {}, math.inf),
    ],
)
def test_they_limit_the_memory(group, files, free, limited):
    limited(group, files)
    assert control_groups.free_memory() == free
