"""What large requests took is given back."""

import subprocess
import sys

import pytest

GLIBC = sys.platform == "linux"
PROGRAM = """
import gc, sys
from holdfast.resilience.allocator import give_back_large_blocks

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

if sys.argv[1] == "given back":
    assert give_back_large_blocks()
bytearray(20_000_000)  # once freed, glibc takes blocks of up to that size from the heap
before = resident()
blocks = [(bytearray(300_000), bytes(2_000)) for _ in range(300)]
kept = [small for _, small in blocks]  # in between, as a server keeps small things
assert resident() - before > 80_000_000
del blocks
gc.collect()
print(resident() - before)
"""


@pytest.mark.skipif(not GLIBC, reason="glibc alone has these thresholds")
def test_i14_what_a_wave_of_large_blocks_took_is_given_back() -> None:
    def left(mode: str) -> int:
        return int(subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, check=True).stdout)

    assert left("given back") < 10_000_000 < left("kept")
