#!/bin/sh
# Access control and audit against a running server, from the command line.
#
# HOLDFAST_ADDR, HOLDFAST_TOKEN (or `holdfast login`) and HOLDFAST_CACERT say which server, and who asks: an identity
# that may do everything, such as `admin`.
set -eu

head -c 24 /dev/urandom | base64 | holdfast set example-shell-password
holdfast identity add example-shell-reader
holdfast grant example-shell-password example-shell-reader get --expires 90d
token=$(holdfast token create example-shell-reader --ttl 1h)

HOLDFAST_TOKEN=$token holdfast get example-shell-password > /dev/null && echo "example-shell-reader got it"
holdfast check example-shell-password example-shell-reader rotate || echo "example-shell-reader may not rotate it"
holdfast explain example-shell-password example-shell-reader get

holdfast revoke example-shell-password example-shell-reader
HOLDFAST_TOKEN=$token holdfast get example-shell-password || echo "refused after the revocation, with exit code $?"

holdfast history example-shell-password
holdfast audit search --secret example-shell-password --outcome failed
