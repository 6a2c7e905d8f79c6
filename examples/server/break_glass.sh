#!/bin/sh
# Emergency access on a running server, from the command line.
#
# HOLDFAST_ADDR, HOLDFAST_TOKEN (or `holdfast login`) and HOLDFAST_CACERT say which server, and who asks: an identity
# that may do everything, such as `admin`.
set -eu

head -c 24 /dev/urandom | base64 | holdfast set example-shell-root
for who in ann ben erin; do holdfast identity add "example-shell-$who" --kind person; done
holdfast role assign example-shell-ann approver 'example-shell-*'
holdfast role assign example-shell-ben approver 'example-shell-*'
ann=$(holdfast token create example-shell-ann --ttl 1h)
ben=$(holdfast token create example-shell-ben --ttl 1h)
erin=$(holdfast token create example-shell-erin --ttl 1h)

HOLDFAST_TOKEN=$erin holdfast get example-shell-root || echo "refused at first, with exit code $?"
id=$(HOLDFAST_TOKEN=$erin holdfast break-glass request example-shell-root --for 15m \
    --reason "The database does not start" --json | sed -n 's/^  "id": \([0-9]*\),$/\1/p')
HOLDFAST_TOKEN=$erin holdfast break-glass approve "$id" || echo "not by herself, exit code $?"
HOLDFAST_TOKEN=$ann holdfast break-glass approve "$id"
HOLDFAST_TOKEN=$ben holdfast break-glass approve "$id"
HOLDFAST_TOKEN=$erin holdfast get example-shell-root > /dev/null && echo "example-shell-erin got it"
HOLDFAST_TOKEN=$ann holdfast break-glass list --open
HOLDFAST_TOKEN=$ann holdfast break-glass revoke "$id"
HOLDFAST_TOKEN=$erin holdfast get example-shell-root || echo "refused after the revocation, with exit code $?"
holdfast break-glass show "$id"
holdfast history example-shell-root
