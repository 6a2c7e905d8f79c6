"""What a node has only heard of, and never read, while PostgreSQL cannot be asked."""

import pytest

from holdfast.domain.secret import Source
from holdfast.errors import HoldfastError
from holdfast.service.secrets.coherence import LOOK_HOLDS_S
from tests.support.clock import VirtualClock
from tests.support.tiers import Node, OldRedis, Store, VaultTwin


@pytest.fixture
def store() -> Store:
    return Store(VirtualClock())


@pytest.fixture
def node(store: Store) -> Node:
    node = Node(store, VaultTwin(store), OldRedis())
    node.look()
    return node


async def hear(node: Node, store: Store) -> None:
    """Another node has changed the secret."""
    node.link.news.append((store.clock.monotonic(), store.write("new")[0].revision))
    await node.deliver()


async def cut_off(node: Node, store: Store) -> None:
    """PostgreSQL is away for longer than a look at the journal speaks for."""
    node.link.up = False
    await store.clock.advance(2 * LOOK_HOLDS_S)


async def test_key_vault_is_believed_once_it_has_what_was_heard_of(node: Node, store: Store) -> None:
    await hear(node, store)
    store.push()
    node.look()
    await cut_off(node, store)
    secret = await node.read()
    assert (secret.value, secret.source, secret.stale) == ("new", Source.KEYVAULT, True)


async def test_i3_key_vault_is_not_asked_while_it_may_lack_what_was_heard_of(node: Node, store: Store) -> None:
    store.write("old")
    store.push()
    await hear(node, store)
    node.look()
    await cut_off(node, store)
    with pytest.raises(HoldfastError):
        await node.read()


async def test_i3_what_was_heard_of_after_the_last_look_may_not_be_there_yet(node: Node, store: Store) -> None:
    store.write("old")
    store.push()
    node.look()
    await hear(node, store)
    await cut_off(node, store)
    with pytest.raises(HoldfastError):
        await node.read()
