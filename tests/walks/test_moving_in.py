"""The page on moving in: a messy repository, taken over into a server that someone else runs."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.walk import walk

MESSY: Final[Mapping[str, str]] = {
    ".env": (
        "# shop, copied from the old server\n"
        "export DB_PASSWORD='p4$$w0rd with #hash and =equals='\r\n"
        'SMTP_PASSWORD="mail pass"   # ask ops\n'
        "SESSION_SECRET=5f4dcc3b5aa765d61d8327deb882cf99\n"
        "DATABASE_URL=postgres://shop:${DB_PASSWORD}@db.internal/shop\n"
        'TLS_KEY="-----BEGIN EXAMPLE KEY-----\nbm90IGEga2V5LCBqdXN0IGEgZmV3IGxpbmVz\n-----END EXAMPLE KEY-----\n"\n'
        "FEATURE_FLAG=\n"
    ),
    ".env.broken": "KUBECONFIG_B64=YXBpVmVyc2lvbjogdjEKa2luZDogQ29uZmln\nY29udGV4dHM6IFtdCg==\n",
    "prod.enc.yaml": (
        "db_password: ENC[AES256_GCM,data:4tFb0w==,iv:c2VlZA==,tag:bm9uZQ==,type:str]\n"
        "sops:\n    age:\n        - recipient: age1example\n    version: 3.9.0\n"
    ),
    "k8s/secret.yaml": (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: payments\n"
        "data:\n  api-key: c2tfdGVzdF9leGFtcGxl\nstringData:\n  user: shop\n"
    ),
    "app.py": (
        'import psycopg\n\nDB_PASSWORD = "tr0ub4dor-and-3"\n'
        'connection = psycopg.connect(host="db.internal", password=DB_PASSWORD)\n'
    ),
    ".npmrc": "//registry.npmjs.org/:_authToken=npm_0123456789abcdefghijABCDEFGHIJ456789\n",
}


@pytest.mark.timeout(600)
async def test_a_messy_repository_is_taken_over(release: Path, server: Mapping[str, str]) -> None:
    for name, text in MESSY.items():
        path = release / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    await asyncio.to_thread(walk, "moving-in", release, server)
