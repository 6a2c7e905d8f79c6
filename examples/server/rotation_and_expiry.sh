#!/bin/sh
# Rotate on a running server, plan rotations, and see what expires and who will be told, from the command line.
#
# HOLDFAST_ADDR, HOLDFAST_TOKEN (or `holdfast login`) and HOLDFAST_CACERT say which server, and who asks: an identity
# that may do everything, such as `admin`.
set -eu

head -c 24 /dev/urandom | base64 | holdfast set example-shell-signing-key --rotate-every 90 --rotate-with random
holdfast rotate example-shell-signing-key
holdfast rotation show example-shell-signing-key
holdfast rollback example-shell-signing-key 1
holdfast rotation schedule example-shell-signing-key 30
holdfast rotate --due # what cron would run, where no server does
head -c 24 /dev/urandom | base64 | holdfast set example-shell-certificate --expires 10d --notify ops@example.com
holdfast expiring
holdfast expiring --dry-run
