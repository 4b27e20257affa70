"""Write what the program or the image consists of, as a bill of materials in CycloneDX's form.

It is written from the lock files: `program` lists the Python packages with the hashes that pip
accepts, and the tools with the Go modules of their builds; `image` the packages in the image of
head and workers and its base image, of the defaults or of the stack file of -s.

Exit code 0: written; 1: a file could not be read or written; 2: nothing was written, because an
argument is wrong or the image is prebuilt.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from infra.settings.image import Image
from supply import locked, sbom
from toolchain import TOOLS


def parser(prog: str = "rayline sbom") -> argparse.ArgumentParser:
    description, exit_codes = __doc__.rsplit("\n\n", 1)
    root = argparse.ArgumentParser(prog=prog, description=description, epilog=exit_codes)
    root.add_argument("of", choices=("program", "image"), help="what to describe")
    root.add_argument(
        *("-s", "--stack"),
        metavar="NAME",
        help="image: the stack that names base image and device",
    )
    root.add_argument(
        "--dpkg-status", type=Path, metavar="FILE",
        help="image: a copy of /var/lib/dpkg/status of the base image, for its Debian packages",
    )  # fmt: skip
    root.add_argument(
        *("-o", "--output"), type=Path, metavar="FILE", help="the file to write (default: print it)"
    )
    return root


def main(arguments: Sequence[str] | None = None, prog: str = "rayline sbom") -> int:
    root = parser(prog)
    given = root.parse_args(arguments)
    if given.of == "program" and (given.stack or given.dpkg_status):
        root.error("--stack and --dpkg-status belong to `image`")
    version = metadata.version("rayline")
    try:
        if given.of == "program":
            text = _program(version)
        else:
            text = sbom.of_image(version, _image(given.stack, given.dpkg_status))
    except (_RefusedError, locked.LockError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if given.output is None:
        print(text, end="")
    else:
        given.output.write_text(text, encoding="utf-8")
    return 0


class _RefusedError(Exception):
    """The bill cannot be written from this checkout."""


def _program(version: str) -> str:
    sets = locked.python_sets()
    return sbom.of_program(version, sets["infra"], sets["dev"], TOOLS.values(), locked.go_modules())


def _image(stack: str | None, dpkg_status: Path | None) -> sbom.Image:
    settings = Image(repository="local/image") if stack is None else _of_stack(stack)
    if settings.ref is not None:
        raise _RefusedError(
            f"the image of {stack} is prebuilt ({settings.ref}), and this checkout does not know "
            "what is in it. Write its bill where it is built, from that checkout"
        )
    name = settings.requirements
    debian = None if dpkg_status is None else sbom.debian_packages(dpkg_status)
    packages = locked.python_set(locked.REQUIREMENTS / name)
    return sbom.Image(str(settings.base), name, packages, debian)


def _of_stack(name: str) -> Image:
    from cli.check import NothingToCheckError, chosen, configured

    try:
        (path,) = chosen([name], Path.cwd())
    except NothingToCheckError as error:
        raise _RefusedError(error) from None
    settings, problems = configured(path)
    if settings is None:
        raise _RefusedError(
            f"{path.name} cannot be read: {problems[0]}. Type: rayline check -s {name} --offline"
        )
    return settings.image


if __name__ == "__main__":
    sys.exit(main())
