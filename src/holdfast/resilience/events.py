"""Everything that Holdfast logs: one event for each kind of line, with its level and its text.

The name of an event does not change; alerts and searches may go by it. Its text may be improved.

Levels: CRITICAL, this node cannot serve; ERROR, someone must act, and nothing waits for a retry that helps by itself;
WARNING, something fails and is tried again, or deserves a look; INFO, it works again, or something changed; DEBUG, what
a request or a round met, while the outage behind it is told of once (``resilience.outages``).
"""

import enum
import logging
from collections.abc import Mapping
from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING
from types import MappingProxyType


@enum.unique
class Event(enum.Enum):
    """What is logged. The text has the names of its facts in the form ``%(name)s``."""

    def __init__(self, level: int, text: str) -> None:
        self.level, self.text = level, text

    @property
    def id(self) -> str:
        """The name that stands in JSON lines."""
        return self.name.lower()

    # Outages: two lines each
    OUTAGE_BEGAN = WARNING, "%(what)s fails: %(reason)s"
    OUTAGE_ENDED = INFO, "%(what)s works again, after %(seconds)d s"
    WORK_FAILED = WARNING, "Background work failed, and is tried again: %(what)s: %(reason)s"
    WORK_GOES_ON = INFO, "Background work goes on, after %(failures)d failures: %(what)s"
    WORK_REFUSED = WARNING, "%(what)s cannot be done, and is tried again: %(reason)s"
    WORK_TAKEN_UP = INFO, "%(what)s goes on, after %(seconds)d s"
    WORK_WAITS = DEBUG, "%(what)s waits: %(reason)s"

    # Key Vault and the mirror
    MIRROR_ANSWERS = DEBUG, "The mirror answers for Key Vault: %(reason)s"
    NOBODY_ANSWERS = DEBUG, "Neither PostgreSQL nor Key Vault tells about %(name)s: %(reason)s"
    VAULT_MIRRORED = DEBUG, "The vault was mirrored: %(report)s"
    VAULT_LIST_BROKEN = WARNING, "The %(what)s in Key Vault are not all seen: %(reason)s"
    VAULT_LIST_WHOLE = INFO, "The %(what)s in Key Vault are all seen again, after %(seconds)d s"
    VAULT_QUESTION_FAILED = ERROR, "A question to Key Vault met an unexpected error: %(reason)s"
    MIRROR_DIFFERS = ERROR, "The mirror of %(what)s cannot stand in for Key Vault: %(reason)s"
    MIRROR_AGREES = INFO, "The mirror of %(what)s agrees with Key Vault again, after %(seconds)d s"
    NAME_KEPT_OUT = WARNING, "%(name)s cannot be mirrored, and what the mirror has of it is served on: %(reason)s"
    NAME_MIRRORED_AGAIN = INFO, "Mirrored again: %(names)s"
    NAME_MET_UNKNOWN_ERROR = ERROR, "%(name)s met an unexpected error"
    VERSIONS_LEFT_OUT = WARNING, "Versions of %(what)s are left out: %(reason)s"
    VERSIONS_WHOLE = INFO, "No version of %(what)s is left out any more, after %(seconds)d s"
    FORMER_VALUES_MISSING = WARNING, "Former values of %(what)s are not fetched: %(reason)s"
    FORMER_VALUES_FETCHED = INFO, "Former values of %(what)s are fetched after all, after %(seconds)d s"
    FORMER_VALUE_LATER = DEBUG, "The value of version %(version)d of %(name)s is fetched later: %(reason)s"
    HISTORY_LATER = DEBUG, "What Key Vault tells of %(name)s cannot be taken over now: %(reason)s"

    # Changes
    CHANGE_PARKED = WARNING, "Key Vault refuses a change, and it is parked: %(kind)s of %(name)s: %(reason)s"
    CHANGE_UNPARKED = INFO, "Key Vault has taken a change that was parked: %(kind)s of %(name)s"
    CHANGE_DISCARDED = INFO, "Someone has given up %(count)d change(s) of %(name)s that waited for Key Vault"
    CHANGE_SUPERSEDED = (
        WARNING,
        ("Key Vault refuses a change, and a later one takes its place: %(kind)s of %(name)s: %(reason)s"),
    )
    CHANGE_GIVEN_UP = ERROR, "A change of %(name)s that was never acknowledged is given up: %(reason)s"
    CHANGE_NOT_ACCEPTED = DEBUG, "A change of %(name)s is not accepted yet: %(reason)s"
    CHANGE_MET_UNKNOWN_ERROR = ERROR, "Intent %(intent)s of %(name)s failed: %(reason)s\n%(where)s"
    CHANGE_LEASE_LOST = WARNING, "The lease on intent %(intent)s of %(name)s was lost; its present holder decides"
    ANSWER_NOT_NOTED = DEBUG, "Key Vault's answer about %(name)s cannot be noted: %(reason)s"

    # What others change in Key Vault
    FOREIGN_VERSION = INFO, "Adopted from Key Vault: %(name)s is at version %(version)d"
    FOREIGN_RECOVERY = INFO, "Adopted from Key Vault: %(name)s is recovered"
    FOREIGN_DELETION = INFO, "Adopted from Key Vault: %(name)s is deleted"
    FOREIGN_ATTRIBUTES = INFO, "Attributes edited in Key Vault taken over: %(name)s version %(version)d"
    FOREIGN_RETURN = INFO, "Key Vault's state stands: %(name)s went back to version %(version)d"
    FOREIGN_LATER = DEBUG, "What others wrote to %(name)s cannot be adopted yet: %(reason)s"
    CONFLICT_STATE = WARNING, "Conflict: a late request of ours undid the %(change)s of %(name)s; it is made again"
    CONFLICT_VERSION = WARNING, "Conflict: %(name)s was also written elsewhere; reasserted as version %(version)d"
    CONFLICT_WITHOUT_VALUE = ERROR, "Cannot reassert %(name)s: its value was never disclosed to us"
    MISSING_IN_VAULT = WARNING, "Drift: %(name)s is missing in Key Vault; the mirror keeps it"

    # PostgreSQL
    INSTALLATION_MADE = WARNING, "There is no installation in %(folder)s yet: one is made, with a key and a database"
    SERVER_ENDED = (
        ERROR,
        "The embedded PostgreSQL has ended and is started again; its log is postgres.log in the data folder",
    )
    SERVER_RUNS_AGAIN = INFO, "The embedded PostgreSQL runs again"
    SERVER_NOT_STARTED = ERROR, "The embedded PostgreSQL is started again and again: %(reason)s"
    CONNECTION_LOST = DEBUG, "%(what)s was interrupted: %(reason)s"
    CONNECTION_WAS_DEAD = DEBUG, "A connection to PostgreSQL was dead when it was given back (%(reason)s)"
    CONNECTION_NOT_ENDED = DEBUG, "PostgreSQL did not see us off (%(reason)s)"
    HOLDERS_NOT_KNOWN = DEBUG, "Who holds a lock in PostgreSQL is not known: %(reason)s"
    GAUGES_NOT_SHOWN = DEBUG, "The gauges that PostgreSQL knows are not shown: %(reason)s"
    SCHEMA_NEWER = WARNING, "A newer release has migrated the database (schema %(schema)d): upgrade this node too"
    DATABASE_WENT_BACK = WARNING, "The database went back, or is another one: comparing what this node has answered"
    SECRET_WENT_BACK = ERROR, "A change is lost: %(reason)s"
    SECRET_NOT_COMPARED = ERROR, "What became of %(name)s cannot be told: %(reason)s"
    PURGE_WAITS = DEBUG, "An older transaction still sees purged rows; they are removed from disk when it has ended"
    PURGE_DONE = INFO, "What was purged has left the disk"
    PURGE_BY_HAND = (
        ERROR,
        "Sealed rows that were purged are still in the files: %(reason)s. VACUUM (FULL) secrets_vault, secret_versions",
    )
    RETENTION_WAITS = DEBUG, "%(name)s is not purged at the end of its retention time: %(reason)s"
    RETENTION_FAILS = WARNING, "The retention time of %(what)s is over, and it is kept: %(reason)s"
    RETENTION_ENDED = INFO, "%(what)s could be purged at last, after %(seconds)d s"
    REDIS_KEY_MISUSED = WARNING, "A Redis key of ours holds another type of value; it counts as a miss"

    # Nodes, keys, caches
    NODE_NOT_REPORTED = DEBUG, "Other nodes do not hear of this one: %(reason)s"
    RING_NOT_REPORTED = DEBUG, "Other nodes do not hear of the ring of this one: %(reason)s"
    SEALED_COUNTED_LATER = DEBUG, "What was sealed here is counted later: %(reason)s"
    KEY_SEALS = INFO, "The key %(key_id)s seals from now on"
    KEY_MISSING = CRITICAL, "This node lacks the key that all nodes seal with: %(reason)s"
    KEY_OPENED_LOCALLY = WARNING, "The key %(key_id)s was opened by the local key, not by Key Vault (%(reason)s)"
    NAME_NOT_WARM = DEBUG, "%(name)s is not warm: %(reason)s"
    NAMES_NOT_WARM = WARNING, "%(count)d of %(asked)d secrets could not be read into the caches; level debug says why"

    # Identities and rules
    IDENTITY_PUT_BACK = ERROR, "ALARM: An earlier state of identity %(name)r was put back, and does not count"
    IDENTITY_ROW_PUT_BACK = ERROR, "ALARM: %(who)s was revoked, its row was put back, and it is not let in"
    IDENTITY_NOT_GENUINE = ERROR, "ALARM: %(who)s was not made by Holdfast as it stands, and is not let in: %(reason)s"
    IDENTITY_MARKS_NOT_ATTESTED = ERROR, "ALARM: The marks of identities stay as they are, not attested: %(reason)s"
    REVOKED_OF_NO_GENUINE_IDENTITY = (
        ERROR,
        "ALARM: A token of %(owner)r is revoked, and the identity itself is not genuine: %(reason)s",
    )
    NOT_REVOKED_AGAIN = ERROR, "ALARM: Not revoked again after a restore: %(what)s: %(reason)s"
    RULE_NOT_GENUINE = ERROR, "ALARM: %(rule)s for %(subject)s was not made by Holdfast and is ignored: %(reason)s"
    VOTE_NOT_GENUINE = ERROR, "ALARM: a vote on request %(request)d was not made by Holdfast: %(reason)s"
    LAST_USES_NOT_NOTED = DEBUG, "Last uses of %(count)d tokens are not noted: %(reason)s"
    ISSUER_KEYS_USELESS = WARNING, "The kept keys of issuer %(issuer)s are of no use: %(reason)s"
    ISSUER_KEYS_NOT_KEPT = WARNING, "The keys of issuer %(issuer)s are not kept for the next start (%(reason)s)"

    # Audit trail
    AUDIT_BREAK_OFF_UNRECORDED = WARNING, "An answer that broke off is not on record: %(reason)s"
    AUDIT_SHIPPED = DEBUG, "Shipped %(count)d audit records that were only here"
    AUDIT_RESTORED = (
        ERROR,
        "ALARM: the database had lost %(count)d audit records, by a failover; they were written again",
    )
    AUDIT_PLACES_WAIT = ERROR, "Audit records that were committed with their change keep waiting for their place"
    AUDIT_GAP_NOTED = WARNING, "%(who)s took note that records of the audit trail are lost: %(gap)s"
    AUDIT_DROPPED = INFO, "Audit records older than %(age)s were dropped; the newest checkpoint says which"
    AUDIT_KEY_NOT_GENUINE = (
        ERROR,
        "ALARM: a key in audit_keys was not made by Holdfast and is not given out: %(reason)s",
    )
    AUDIT_RECORD_SET_ASIDE = ERROR, "ALARM: a record of a change is set aside: %(reason)s"
    AUDIT_PLACE_TAKEN = (
        ERROR,
        "ALARM: the audit trail was edited: another record stands at %(chain)s, seq %(seq)d; %(count)d get new places",
    )
    AUDIT_FILE_DAMAGED = (
        ERROR,
        "ALARM: a file of the local audit log has %(found)s; what can be of it was shipped, and it is kept: %(file)s",
    )
    AUDIT_WRITER_NEW = WARNING, "This process records under a new identity: the data folder failed (%(reason)s)"
    CHECKPOINTS_STOPPED = ERROR, "There are no checkpoints of the audit trail any more: %(reason)s"

    # Rotation, notices, emergency access
    ROTATION_FAILS = WARNING, "The rotation of %(what)s fails, and is tried again: %(reason)s"
    ROTATION_WENT = INFO, "The rotation of %(what)s goes on, after %(seconds)d s"
    ROTATION_NOT_PROVEN = DEBUG, "The candidate for %(name)s does not log in yet (%(reason)s)"
    ROTATION_STEP_ENDED = DEBUG, "A step that was given up failed (%(reason)s)"
    ROTATION_RELEASED_LATER = DEBUG, "The rotation of %(name)s is let go of when PostgreSQL is back: %(reason)s"
    ROTATION_NOT_RELEASED = ERROR, "The rotation of %(name)s is not let go of, and waits for the end of its lease"
    ROTATION_ASKED_FOR = WARNING, "%(count)d secret(s) are due for rotation and ask for approval"
    ROTATION_AFTER_EMERGENCY = WARNING, "%(count)d secret(s) that were read by break-glass are due for rotation"
    NOTICE_LATER = DEBUG, "Notice %(ids)s was not sent (%(reason)s)"
    NOTICE_GIVEN_UP = WARNING, "Notice %(ids)s was not sent (%(reason)s), and is given up"

    # The server
    AZURE_NAMES_TAKEN = (
        WARNING,
        (
            "This server goes by %(resource)s, a name of Azure's: programs with a credential of Entra's show it tokens "
            "for their real vault, which it refuses and does not keep: see SECURITY.md"
        ),
    )
    REQUEST = INFO, "%(method)s %(path)s %(status)d"
    REQUESTS_REFUSED = (
        WARNING,
        "%(count)d requests were refused, for there are too many: see HOLDFAST_MAX_REQUESTS, or add workers or nodes",
    )
    REQUEST_FAILED = ERROR, "request %(request)s failed: %(reason)s\n%(where)s"
    ANSWER_BROKE_OFF = WARNING, "request %(request)s: the answer breaks off: %(reason)s"
    TOKEN_NOT_GIVEN = WARNING, "The identity endpoint has refused %(count)d question(s), the last one: %(reason)s"
    ENDPOINT_FAILED = ERROR, "The identity endpoint failed at a question: %(reason)s"
    NOT_ALIVE = DEBUG, "not alive: %(reason)s"
    NOT_READY = DEBUG, "not ready: %(reason)s"
    START_WAITS = WARNING, "This node cannot serve yet, and waits: %(reason)s"
    START_DONE = INFO, "This node serves, after %(seconds)d s of waiting"
    WORKERS_REPLACED = INFO, "All %(count)d workers are replaced"
    WORKERS_NOT_REPLACED = ERROR, "The workers are not all replaced: %(reason)s"
    WORKER_ENDED = ERROR, "Worker %(pid)d ended with exit code %(code)d; another one takes its place"
    WORKER_NOT_STARTED = ERROR, "%(reason)s Next attempt in %(seconds).0f s."
    WORKER_KILLED = ERROR, "Worker %(pid)d does not stop; it is killed"
    WORKER_FAILED = CRITICAL, "The worker failed"


class Log:
    """Logs events under the name of a module."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def hears(self, event: Event) -> bool:
        """Whether the level lets it through."""
        return self._logger.isEnabledFor(event.level)

    def __call__(
        self,
        event: Event,
        /,
        *,
        trace: BaseException | None = None,
        also: Mapping[str, object] = MappingProxyType({}),
        **facts: object,
    ) -> None:
        """Log an event with the facts that its text names, and what ``also`` is to stand in its line.

        ``trace``: an error that no one foresaw, to be shown with its places. What is foreseen gets no trace.
        """
        if self.hears(event):
            extra = {**also, "event": event.id, "facts": facts}
            given = (facts,) if facts else ()
            self._logger.log(event.level, event.text, *given, exc_info=trace, extra=extra, stacklevel=2)
