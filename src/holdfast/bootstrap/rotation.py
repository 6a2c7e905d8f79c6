"""Rotation on a node: the built-in handlers, the rows, and what drives them."""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from holdfast.config import Settings
from holdfast.ports import Clock, Ledger, RotationHandler, RotationStore, Sealer, Telemetry
from holdfast.resilience.supervision import Work
from holdfast.rotators.options import ReadSecret
from holdfast.rotators.postgresql import PostgresRole, PostgresRolePair
from holdfast.rotators.rabbitmq import RabbitMqUserPair
from holdfast.rotators.random_value import RandomValue
from holdfast.rotators.webhook import Webhook
from holdfast.service.access.guard import Guard
from holdfast.service.access.policies import PolicyRights
from holdfast.service.installation.systemreads import SystemReads
from holdfast.service.rotation.consumers import Adoption
from holdfast.service.rotation.driver import RotationDriver
from holdfast.service.rotation.handlers import Handlers
from holdfast.service.rotation.holding import Holding
from holdfast.service.rotation.reviewing import PolicyReview
from holdfast.service.rotation.rollback import Rollbacks
from holdfast.service.rotation.rotations import Rotations
from holdfast.service.rotation.work import RotationWork
from holdfast.service.secrets.mirror import Mirror
from holdfast.service.secrets.reading import Reader
from holdfast.service.secrets.writing import Writer
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.rotation import PostgresRotations

EXTRAS: Final = {"redis": "redis", "mariadb": "mysql", "mariadb-pair": "mysql", "mysql": "mysql"}
"""The extras of the package that built-in handlers need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationParts:
    """What rotates secrets. ``store`` is also what tells who fetched what."""

    driver: RotationDriver
    adoption: Adoption
    rotations: Rotations
    rollbacks: Rollbacks
    work: RotationWork

    @property
    def store(self) -> RotationStore:
        """Runs and schedules."""
        return self.driver.store

    @property
    def handlers(self) -> Handlers:
        """Who takes the steps."""
        return self.driver.handlers

    def background(self) -> dict[str, Work]:
        """What has to go on beside serving."""
        return {"rotation": self.work.run}


def open_handlers(
    settings: Settings, guard: Guard, reader: Reader, is_disabled: Callable[[str], bool]
) -> tuple[Handlers, PolicyRights]:
    """Return the handlers of a node, and who may name them. What they borrow they read as the installation itself."""
    there = built_in(SystemReads(guard, reader, "rotation"), settings.webhook_targets)
    handlers = Handlers(there, {name: extra for name, extra in EXTRAS.items() if name not in there})
    return handlers, PolicyRights(guard, handlers.reach_of, is_disabled)


def open_rotations(
    settings: Settings,
    database: Database,
    *,
    ledger: Ledger,
    mirror: Mirror,
    sealer: Sealer,
    clock: Clock,
    guard: Guard,
    writer: Writer,
    handlers: Handlers,
    policies: PolicyRights,
    telemetry: Telemetry,
) -> RotationParts:
    """Return the rotation of a node, with nothing begun."""
    store = PostgresRotations(database)
    adoption = Adoption(store, clock, window=settings.adoption_window, grace=2 * settings.cache_ttl)
    driver = RotationDriver(
        store=store,
        holding=Holding(store, clock),
        handlers=handlers,
        adoption=adoption,
        ledger=ledger,
        mirror=mirror,
        sealer=sealer,
        clock=clock,
        guard=guard,
        policies=policies,
        writer=writer,
        telemetry=telemetry,
    )
    rotations = Rotations(
        guard=guard,
        store=store,
        handlers=handlers,
        driver=driver,
        adoption=adoption,
        review=PolicyReview(store, ledger, policies),
        mirror=mirror,
        writer=writer,
    )
    rollbacks = Rollbacks(
        guard=guard,
        ledger=ledger,
        mirror=mirror,
        writer=writer,
        store=store,
        handlers=handlers,
        policies=policies,
        holding=driver.holding,
        rotations=rotations,
    )
    work = RotationWork(rotations, clock, settings.rotation_check_interval)
    return RotationParts(driver=driver, adoption=adoption, rotations=rotations, rollbacks=rollbacks, work=work)


def built_in(read_secret: ReadSecret, webhook_targets: Collection[str] = ()) -> dict[str, RotationHandler]:
    """The handlers that every node has, by the names that policies use."""
    handlers: dict[str, RotationHandler] = {
        "random": RandomValue(),
        "postgresql": PostgresRole(read_secret),
        "postgresql-pair": PostgresRolePair(read_secret),
        "rabbitmq-pair": RabbitMqUserPair(read_secret, webhook_targets),
        "webhook": Webhook(read_secret, webhook_targets),
    }
    with suppress(ImportError):  # without the extra, nothing here speaks to Redis
        from holdfast.rotators.redis_user import RedisUser  # noqa: PLC0415

        handlers["redis"] = RedisUser(read_secret)
    with suppress(ImportError):  # nor to MariaDB and MySQL
        from holdfast.rotators.mariadb import MariaDbUser, MariaDbUserPair  # noqa: PLC0415
        from holdfast.rotators.mysql import MySqlUser  # noqa: PLC0415

        handlers |= {"mariadb": MariaDbUser(read_secret), "mariadb-pair": MariaDbUserPair(read_secret)}
        handlers["mysql"] = MySqlUser(read_secret)
    return handlers
