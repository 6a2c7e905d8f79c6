"""PostgreSQL's clock."""

from holdfast.v1_wire.documents import Document, Moment


class AcceptedClockDocument(Document):
    """What PostgreSQL's clock showed when it was accepted, and what was taken for the present until then."""

    moment: Moment
    believed: Moment
