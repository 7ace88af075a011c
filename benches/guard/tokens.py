"""JWT against PyJWT, signed tokens against itsdangerous."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pyward_guard.tokens import ItsdangerousReader, ItsdangerousWriter, Jwk, JwtIssuer, JwtVerifier, SignedTokens

SECRET = b"a shared secret of at least 32 bytes"
CLAIMS = {"user": 7, "name": "ada"}


def run(bench: Any) -> None:
    try:
        import jwt
    except ImportError:
        bench.lacks("PyJWT")
    else:
        for algorithm, target in (("HS256", 3), ("EdDSA", 2), ("ES256", None), ("RS256", None)):
            key = Jwk.from_secret(SECRET) if algorithm == "HS256" else Jwk.generate(algorithm)
            issuer = JwtIssuer(key, algorithm=algorithm, lifetime=3600, issuer="https://id.example", audience="shop")
            token = issuer.issue({"scope": "read write"}, subject="7")
            public = key if algorithm == "HS256" else key.to_public()
            peer = jwt.PyJWK(json.loads(public.to_json()), algorithm=algorithm).key
            verify = JwtVerifier(public, algorithms=[algorithm], issuer="https://id.example", audience="shop").verify
            bench.compare(
                f"JWT {algorithm} verify",
                lambda verify=verify, token=token: verify(token),
                peer=lambda token=token, peer=peer, algorithm=algorithm: jwt.decode(
                    token, peer, algorithms=[algorithm], issuer="https://id.example", audience="shop"
                ),
                peer_name="PyJWT",
                at_least=target,
            )
    try:
        import itsdangerous
    except ImportError:
        bench.lacks("itsdangerous")
        return
    theirs = itsdangerous.URLSafeTimedSerializer(SECRET)
    old = theirs.dumps(CLAIMS)
    ours: SignedTokens[Any] = SignedTokens(SECRET, purpose="bench", lifetime=3600)
    token = ours.issue(CLAIMS)
    reader = ItsdangerousReader(SECRET)
    name = "itsdangerous"
    bench.compare(
        "signed token loads", lambda: ours.verify(token), peer=lambda: theirs.loads(old, max_age=3600), peer_name=name, at_least=3
    )
    bench.compare(
        "itsdangerous token loads",
        lambda: reader.loads_timed(old, max_age=3600),
        peer=lambda: theirs.loads(old, max_age=3600),
        peer_name=name,
        at_least=3,
    )
    options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    safer = itsdangerous.URLSafeTimedSerializer(SECRET, signer_kwargs=options)
    writer = ItsdangerousWriter(SECRET)
    bench.compare(
        "itsdangerous token dumps", lambda: writer.dumps_timed(CLAIMS), peer=lambda: safer.dumps(CLAIMS), peer_name=name
    )
    bench.compare("signed token issue", lambda: ours.issue(CLAIMS), peer=lambda: theirs.dumps(CLAIMS), peer_name=name)
