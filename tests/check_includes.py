#!/usr/bin/env python3
"""Checks every #include "..." of ours against the table of allowed edges.

All folders share one include root, so nothing else stops queue from including core/server. The table is the same
as that of the targets in the CMakeLists.txt files (style guide: folders and direction).

    tests/check_includes.py              checks the project; names each bad edge; exits 1 if there is one
    tests/check_includes.py --self-test  checks that bad edges are found
"""

import pathlib
import re
import sys
import tempfile

# Folder -> the folders whose headers it may include, besides its own. The longest matching folder counts.
LIBRARIES = {
    "core/base": [],
    "core/io": ["core/base"],
    "core/smtp": ["core/base"],
    "tls": ["core/base"],
    "auth": ["core/base"],
    "queue": ["core/base"],
    "core/net": ["core/base", "core/io", "tls"],
    "core/server": ["core/base", "core/io", "core/smtp", "core/net", "tls", "auth", "queue"],
}
EVERYTHING = list(LIBRARIES)
ALLOWED = {
    **LIBRARIES,
    "tools/load": [f for f in EVERYTHING if f not in ("core/server", "queue")],
    "tools/sluice": EVERYTHING,
    "bench": EVERYTHING + ["tools/load"],
    "tests": EVERYTHING + ["tools/load", "tools/sluice"],
}
# Our own top-level folders; "absl/..." and the like are other people's.
OURS = {folder.split("/")[0] for folder in ALLOWED} | {"tools"}
# Files that the generators of no folder own: tools/deps has C programs that include nothing of ours.
SKIPPED = ("tools/deps/", "tools/cmake/")

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def folder_of(path):
    """The entry of the table that a file belongs to, or None."""
    parts = path.split("/")
    for count in range(len(parts) - 1, 0, -1):
        folder = "/".join(parts[:count])
        if folder in ALLOWED:
            return folder
    return None


def sources(root):
    for top in sorted(OURS):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".h", ".cc", ".c", ".inc") and path.is_file():
                relative = path.relative_to(root).as_posix()
                if not relative.startswith(SKIPPED):
                    yield relative


def bad_edges(root):
    """Yields (file, line number, what is wrong)."""
    for path in sources(root):
        folder = folder_of(path)
        if folder is None:
            yield path, 0, "the file is in no folder of the table"
            continue
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            header = match.group(1)
            if header.split("/")[0] not in OURS or "/" not in header:
                # Not ours, unless it names a neighbour: ours are always named from the project's root.
                if (root / path).parent.joinpath(header).exists():
                    yield path, number, f'"{header}" must be named from the root of the project'
                continue
            if not (root / header).exists():
                yield path, number, f'"{header}" does not exist'
                continue
            target = folder_of(header)
            if target != folder and target not in ALLOWED[folder]:
                yield path, number, f'{folder} must not include "{header}"'


def check(root):
    found = list(bad_edges(root))
    for path, number, message in found:
        print(f"{path}:{number}: {message}")
    print(f"{len(list(sources(root)))} files, {len(found)} bad includes")
    return 1 if found else 0


def self_test():
    """Each case: a file, what it includes, whether that is a bad edge."""
    cases = [
        ("core/base/a.h", "core/base/b.h", False),
        ("core/base/a.h", "core/io/io.h", True),
        ("core/smtp/a.cc", "core/base/b.h", False),
        ("core/smtp/a.cc", "core/net/stream.h", True),
        ("core/net/a.cc", "tls/channel.h", False),
        ("core/net/a.cc", "core/smtp/session.h", True),
        ("queue/a.cc", "auth/record.h", True),
        ("queue/a.cc", "core/server/shard.h", True),
        ("tls/a.cc", "core/io/io.h", True),
        ("core/server/a.cc", "queue/journal.h", False),
        ("core/server/a.cc", "tests/support/fake.h", True),
        ("tools/load/a.cc", "core/net/stream.h", False),
        ("tools/load/a.cc", "core/server/shard.h", True),
        ("tools/load/a.cc", "queue/journal.h", True),
        ("tools/load/a.cc", "tools/sluice/command.h", True),
        ("tools/sluice/a.cc", "core/server/shard.h", False),
        ("bench/a.cc", "queue/journal.h", False),
        ("bench/a.cc", "tests/support/fake.h", True),
        ("tests/sim/a.cc", "core/server/shard.h", False),
        ("tests/unit/io/a.cc", "tests/sim/sim_io.h", False),
        ("auth/a.cc", "absl/status/status.h", False),
        ("auth/a.cc", "auth/missing.h", True),
        ("core/deep/a.cc", "core/base/b.h", True),
    ]
    failures = 0
    for path, header, bad in cases:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            if "missing" not in header:
                (root / header).parent.mkdir(parents=True, exist_ok=True)
                (root / header).touch()
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(f'#include <string>\n#  include "{header}"\n')
            found = [edge for edge in bad_edges(root) if edge[0] == path]
            if bool(found) != bad:
                failures += 1
                print(f"{path} includes {header}: expected {'a bad edge' if bad else 'nothing'}, found {found}")
    print(f"{len(cases)} cases, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test())
    sys.exit(check(pathlib.Path(__file__).resolve().parent.parent))
