"""Tokens of the node's own identity in Azure in the place of passwords."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from holdfast.bootstrap.vault import node_tokens
from holdfast.cache.logins import Login, Token
from holdfast.config import Settings
from holdfast.config.passwordless import ENTRA, PASSWORD, login_faults
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.stores.postgres.poolers import Password

_DATABASES: Final = {
    "login.microsoftonline.us": "usgovcloudapi.net",
    "login.chinacloudapi.cn": "chinacloudapi.cn",
    "login.partner.microsoftonline.cn": "chinacloudapi.cn",
}
"""Where the databases of a cloud are, by the host that gives out its tokens; Azure's public cloud is the default."""

_REDIS: Final = "https://redis.azure.com/.default"
"""The same in all clouds (Azure Managed Redis, "Use Microsoft Entra for authentication")."""


def database_scope(authority: str | None) -> str:
    """What a token for Azure Database for PostgreSQL is asked for (az cloud show: ``ossrdbmsResourceId``)."""
    host = urlsplit(f"//{(authority or '').rpartition('//')[2]}").hostname
    return f"https://ossrdbms-aad.database.{_DATABASES.get(host or '', 'windows.net')}/.default"


def database_password(stack: AsyncExitStack, settings: Settings) -> "Password | None":
    """Return what gives a token for each connection to PostgreSQL; None: the password of DATABASE_URL is used.

    Raises:
        StartupError: the client is not installed, or the CA file not usable.
        ConfigurationError: HTTPS_PROXY names no proxy that can be used, or a file of the identity is not usable.
    """
    if settings.database_login != ENTRA:
        return None
    tokens, scope = node_tokens(settings, "PostgreSQL"), database_scope(settings.authority_host)
    stack.push_async_callback(tokens.close)

    async def password() -> str:
        return (await tokens.get_token_info(scope)).token

    return password


def redis_login(settings: Settings) -> Login | None:
    """Return who logs in at Redis by tokens, to be closed; None: by what stands in REDIS_URL.

    Raises:
        StartupError: as above.
        ConfigurationError: likewise.
    """
    if settings.redis_login != ENTRA:
        return None
    if faults := list(login_faults(None, PASSWORD, settings.redis_url, ENTRA)):
        raise ConfigurationError(faults)
    tokens = node_tokens(settings, "Redis")

    async def ask() -> Token:
        return await tokens.get_token_info(_REDIS)

    return Login(ask, tokens.close, user=urlsplit(settings.redis_url or "").username)
