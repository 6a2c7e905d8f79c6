"""What Key Vault would refuse, as far as the mirror knows: refused here at once, also while it is away."""

from holdfast.domain.secret import SecretVersion
from holdfast.errors import VaultRefusal


def check_managed(current: SecretVersion) -> None:
    """Refuse what Key Vault would: it changes a certificate's secret with the certificate alone.

    Raises:
        VaultRefusal: this is such a secret.
    """
    if current.attributes.vault.managed:
        raise VaultRefusal(
            f"Key Vault refuses changes of {current.name!r}, which belongs to a certificate: renew, change or delete "
            "the certificate instead.",
            status=403,
            vault_code="SecretManagedByKeyVault",
        )


def check_purgeable(current: SecretVersion) -> None:
    """Refuse what Key Vault would: its own recovery level keeps the secret until its retention time is over."""
    level = current.attributes.vault.recovery_level
    if level and "Purgeable" not in level:
        raise VaultRefusal(
            f"Key Vault refuses to purge {current.name!r}: the vault is protected against purging ({level}), so the "
            "secret goes when its retention time is over.",
            status=403,
            vault_code="Forbidden",
        )
