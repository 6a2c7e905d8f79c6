"""Where Windows differs from what nodes run on: the client and the command line run there as well.

Modes and numbers of users say nothing there. Access lists decide, and those of a profile are its owner's alone.
"""

import os
import sys
from typing import Final

WINDOWS: Final = sys.platform == "win32"

NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
"""A flag to open a file with, through no link, where the system has it."""

AS_IT_IS: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Flags to open a file with: byte for byte, and for no child."""
