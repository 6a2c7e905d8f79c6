"""One pass over a whole vault in a fresh process, whose memory is its own: ``python -m benchmarks.syncing``."""

import json
import re
from pathlib import Path

import uvloop

from holdfast import Settings, create_secrets_service


def _kilobytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


async def _main() -> None:
    settings = Settings.from_environ()
    async with create_secrets_service(settings, background=False) as service:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
        before = _kilobytes("VmRSS")
        report = await service.sync()
        grown = _kilobytes("VmHWM") - before
    print(json.dumps({"adopted": report.adopted, "seconds": report.seconds, "grown_kb": grown}))


if __name__ == "__main__":
    uvloop.run(_main())
