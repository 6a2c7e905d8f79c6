"""The use cases of a node, as the facade calls them."""

from holdfast.bootstrap.cases import cases
from holdfast.bootstrap.parts import Parts
from holdfast.service.access.authorisation import Authorisation
from holdfast.service.access.control import AccessControl
from holdfast.service.access.explaining import Explainer
from holdfast.service.access.listing import RuleListing
from holdfast.service.access.roles import RoleControl
from holdfast.service.access.simulation import Simulator
from holdfast.service.door import Door
from holdfast.service.installation.reports import Reporter
from holdfast.service.manager import UseCases
from holdfast.service.secrets.backup import Backup
from holdfast.service.secrets.caching import CacheControl
from holdfast.service.secrets.listing import Lister
from holdfast.service.vault.control import VaultControl
from holdfast.telemetry.exposition import exposition


def use_cases(parts: Parts) -> UseCases:
    """What the facade calls."""
    replica = parts.replica
    return UseCases(
        guard=parts.guard,
        reader=parts.reader,
        writer=parts.writer,
        lister=Lister(parts.ledger, parts.guard, parts.reader.discover, replica.histories if replica else None),
        access=_access(parts),
        authorisation=_authorisation(parts),
        directory=parts.directory,
        identities=parts.identities.identities,
        tokens=parts.identities.tokens,
        clients=parts.identities.clients,
        client_credentials=parts.identities.credentials,
        reporter=_reporter(parts),
        audit=parts.audit.use_cases(parts.guard, parts.nodes),
        break_glass=parts.break_glass.control,
        backup=_backup(parts),
        backups=parts.backups,
        caches=_cache_control(parts),
        rotations=parts.rotation.rotations,
        rollbacks=parts.rotation.rollbacks,
        handlers=parts.rotation.handlers,
        door=Door(parts.guard, cases(parts)),
        ring=parts.keys.ring,
        vault=VaultControl(parts.guard, replica.sync if replica else None, replica.reconciler if replica else None),
        backends=parts.backends,
        for_vault=replica is not None,
        tenant=str(parts.installation.tenant),
        own_database=parts.own_database,
        clock=parts.clock,
        telemetry=parts.recorder,
        metrics=lambda: exposition(parts.recorder.cells),
        check_ready=parts.check_ready,
        check_alive=parts.check_alive,
    )


def _access(parts: Parts) -> AccessControl:
    return AccessControl(
        guard=parts.guard,
        book=parts.book,
        rules=parts.rules,
        clock=parts.clock,
    )


def _authorisation(parts: Parts) -> Authorisation:
    return Authorisation(
        roles=RoleControl(guard=parts.guard, rules=parts.rules, clock=parts.clock),
        listing=RuleListing(guard=parts.guard, book=parts.book, store=parts.grants, clock=parts.clock),
        explainer=Explainer(guard=parts.guard, book=parts.book, clock=parts.clock),
        simulator=Simulator(guard=parts.guard, book=parts.book, requests=parts.requests, clock=parts.clock),
    )


def _reporter(parts: Parts) -> Reporter:
    return Reporter(
        guard=parts.guard,
        ledger=parts.ledger,
        reports=parts.reports,
        audit=parts.audit.search,
        journal=parts.journal,
        sync=parts.sync_state,
        nodes=parts.nodes,
        rotations=parts.rotation.store,
        notices=parts.notices.store,
        clock=parts.clock,
        backends=parts.backends,
        probe=parts.probe,
        lost_changes=lambda: len(parts.losses.names),
        set_aside=parts.audit.archive.set_aside,
        ignored_rules=parts.book.ignored,
        refused_identities=parts.directory.refused,
        laggards=parts.rotation.adoption.all_laggards,
        sealing_key=lambda: parts.sealing.ring.sealing,
        emergencies=parts.break_glass.store.totals,
        failing_work=parts.supervisor.failing,
        kept_out=parts.kept_out,
        sync_interval=parts.settings.sync_interval if parts.replica else None,
    )


def _backup(parts: Parts) -> Backup:
    return Backup(
        ledger=parts.ledger,
        mirror=parts.mirror,
        sealer=parts.sealer,
        clock=parts.clock,
        guard=parts.guard,
        policies=parts.policies,
        announcer=parts.announcer,
        histories=parts.replica.histories if parts.replica else None,
    )


def _cache_control(parts: Parts) -> CacheControl:
    return CacheControl(
        guard=parts.guard,
        reader=parts.reader,
        ledger=parts.ledger,
        coherence=parts.coherence,
        tiers=parts.tiers,
        maker=parts.maker,
    )
