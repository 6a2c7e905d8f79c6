"""Which surface a request is for, where nothing but its path was looked at."""

from holdfast.web import identity_endpoint, oauth_errors
from holdfast.web.endpoint import plain_refusal
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.tenants import is_of_tenants
from holdfast.web.v1 import problems


def refuse(error: Exception, exchange: Exchange) -> Reply:
    """Return a refusal in the form that the surface asked for has."""
    if exchange.raw_path.startswith(b"/v1/"):
        return problems.refuse(error, exchange)
    path = exchange.raw_path.decode("latin-1")
    if path.startswith(identity_endpoint.PREFIX):
        return identity_endpoint.refuse(error, exchange)
    if is_of_tenants(path):
        return oauth_errors.refuse(error, exchange)
    return plain_refusal(error, exchange)
