"""The promises of the ports as checks, for every adapter that makes them: ours and yours."""

from holdfast.testing.cache import check_cache
from holdfast.testing.vault import VAULT_CONTRACT, check_vault

__all__ = ["VAULT_CONTRACT", "check_cache", "check_vault"]
