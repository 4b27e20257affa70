"""Exit with a message if the Python that runs this file is not an allowed version.

Arguments: the command that chooses another Python, up to its `=`, and the allowed versions. The
syntax is limited to what an old Python understands, hence no annotations.
"""

import shutil
import sys


def problem(command, allowed, version, executable):
    """None if `version` is allowed; otherwise the message with the command to type."""
    given = ".".join(str(part) for part in version[:2])
    if given in allowed:
        return None
    names = " or ".join(filter(None, [", ".join(allowed[:-1]), allowed[-1]]))
    found = [name for name in reversed([f"python{each}" for each in allowed]) if shutil.which(name)]
    way = f"Type: {command}{found[0]}" if found else "Install one of them first."
    return f"This needs Python {names}, and {executable} is Python {given}. {way}"


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1], sys.argv[2:], tuple(sys.version_info[:2]), sys.executable))
