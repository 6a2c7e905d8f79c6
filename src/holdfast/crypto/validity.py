"""From when to when certificates are valid, without judging who issued them."""

from datetime import datetime

from cryptography import x509

from holdfast.errors import InvalidInput

Validity = tuple[datetime, datetime]
"""The first and the last moment of a certificate."""


def validity_of_pem(pem: bytes) -> Validity:
    """Return the time in which all certificates of a PEM file are valid.

    Raises:
        InvalidInput: there is none in it, or one is broken.
    """
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise InvalidInput("it holds no PEM certificate, or a broken one") from None
    return max(each.not_valid_before_utc for each in found), min(each.not_valid_after_utc for each in found)


def validity_of_der(der: bytes) -> Validity:
    """Return the time in which a certificate is valid.

    Raises:
        InvalidInput: it is broken.
    """
    try:
        found = x509.load_der_x509_certificate(der)
    except ValueError:
        raise InvalidInput("its certificate is broken") from None
    return found.not_valid_before_utc, found.not_valid_after_utc
