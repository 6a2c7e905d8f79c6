"""Moments, as domain types hold them and documents tell them."""

from datetime import datetime
from typing import Annotated

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with an offset from UTC; RFC 3339 in documents."""
