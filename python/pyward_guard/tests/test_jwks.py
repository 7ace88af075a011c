"""Fetching a provider's keys: rotation, withdrawal, outages, several verifiers, threads and coroutines."""

from __future__ import annotations

import asyncio
import threading
import time
import types
from typing import Any

import pytest
from pyward_guard import InvalidInput, LimitExceeded, UnknownKey, VerificationFailed, tokens
from pyward_guard.tokens import Jwk, JwtIssuer, JwtVerifier


class Clock:
    """Stands in for the clients' clock, so that no test depends on how busy the machine is."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("pyward_guard.tokens.jwt.time", types.SimpleNamespace(monotonic=clock.monotonic, time=time.time))
    return clock


class Provider:
    """Publishes keys, counts requests, and can be down or slow."""

    def __init__(self) -> None:
        self.keys = [Jwk.generate("ES256")]
        self.requests = 0
        self.down = False
        self.wait: threading.Event | None = None

    def fetch(self, url: str) -> str:
        self.requests += 1
        if self.wait is not None:
            self.wait.wait(300)
        if self.down:
            raise OSError("down")
        return tokens.jwks_document(self.keys)

    async def fetch_async(self, url: str) -> str:
        self.requests += 1
        await asyncio.sleep(0.05)
        if self.down:
            raise OSError("down")
        return tokens.jwks_document(self.keys)

    def token(self) -> str:
        return JwtIssuer(self.keys[-1], algorithm="ES256", lifetime=60).issue(subject="7")


def clients(provider: Provider, **options: Any) -> tuple[tokens.JwksClient, JwtVerifier, JwtVerifier]:
    client = tokens.JwksClient("https://id.example/jwks", provider.fetch, **options)
    first, second = (JwtVerifier(client, algorithms=["ES256"]) for _ in range(2))
    assert provider.requests == 0 and first.verify(provider.token()) and second.verify(provider.token()) and provider.requests == 1
    return client, first, second


def test_clients_follow_rotation_without_hammering(clock: Clock) -> None:
    provider = Provider()
    _client, verifier, _ = clients(provider, min_interval=60)
    provider.keys = [Jwk.generate("ES256")]
    clock.seconds += 60
    assert verifier.verify(provider.token())["sub"] == "7" and provider.requests == 2
    forged = JwtIssuer(Jwk.generate("ES256"), algorithm="ES256", lifetime=60).issue()
    for _ in range(20):
        with pytest.raises(UnknownKey):
            verifier.verify(forged)
    assert provider.requests == 2
    clock.seconds += 60
    for _ in range(20):
        with pytest.raises(UnknownKey):
            verifier.verify(forged)
    assert provider.requests == 3, "once for all the unknown keys"
    provider.down = True
    assert verifier.verify(provider.token())


def test_nothing_is_fetched_before_the_first_token(clock: Clock) -> None:
    provider = Provider()
    provider.down = True
    client = tokens.JwksClient("https://id.example/jwks", provider.fetch, min_interval=60)
    first, second = (JwtVerifier(client, algorithms=["ES256"]) for _ in range(2))
    assert provider.requests == 0
    with pytest.raises(OSError, match="down"):
        first.verify(provider.token())
    provider.down = False
    clock.seconds += 5
    assert first.verify(provider.token()) and second.verify(provider.token()) and provider.requests == 2


def test_verifiers_that_share_a_client_both_learn_of_new_keys(clock: Clock) -> None:
    provider = Provider()
    _client, first, second = clients(provider, min_interval=60)
    provider.keys = [Jwk.generate("ES256")]
    new = provider.token()
    clock.seconds += 59
    with pytest.raises(UnknownKey):
        first.verify(new)
    assert provider.requests == 1
    clock.seconds += 1
    assert first.verify(new)["sub"] == "7"
    assert second.verify(new)["sub"] == "7" and provider.requests == 2


def test_verifiers_that_share_a_client_both_forget_withdrawn_keys(clock: Clock) -> None:
    provider = Provider()
    _client, first, second = clients(provider, cache_seconds=60, min_interval=0.0)
    old = provider.token()
    assert first.verify(old) and second.verify(old)
    provider.keys = [Jwk.generate("ES256")]
    clock.seconds += 60
    # Whichever verifier makes the client fetch, the other one must not go on with the keys it has.
    for _ in range(3):
        with pytest.raises(UnknownKey):
            first.verify(old)
        with pytest.raises(UnknownKey):
            second.verify(old)


def test_an_outage_does_not_make_requests_pile_up(clock: Clock) -> None:
    provider = Provider()
    provider.down = True
    client = tokens.JwksClient("https://id.example/jwks", provider.fetch)
    with pytest.raises(OSError):
        client.keys()
    for _ in range(20):
        with pytest.raises(LimitExceeded, match="next attempt"):
            client.keys()
    assert provider.requests == 1
    provider.down = False
    clock.seconds += 5
    assert len(client.keys()) == 1 and provider.requests == 2


def test_old_keys_serve_while_the_provider_is_down_but_not_for_ever(clock: Clock) -> None:
    provider = Provider()
    _client, first, _ = clients(provider, cache_seconds=60, min_interval=0.0, stale_seconds=20)
    token = provider.token()
    provider.down = True
    clock.seconds += 80
    assert first.verify(token) and provider.requests == 2
    clock.seconds += 1
    with pytest.raises(OSError):
        first.verify(token)
    with pytest.raises((OSError, LimitExceeded)):
        first.verify(token)
    provider.down = False
    clock.seconds += 5
    assert first.verify(token)


def test_threads_go_on_while_one_fetches(clock: Clock) -> None:
    provider = Provider()
    client, first, _ = clients(provider, cache_seconds=60, min_interval=0.0)
    token = provider.token()
    clock.seconds += 60
    provider.wait = threading.Event()
    fetching = threading.Thread(target=client.refresh)
    fetching.start()
    while provider.requests < 2:
        time.sleep(0.001)
    assert first.verify(token) and fetching.is_alive()
    provider.wait.set()
    fetching.join()


def test_many_threads_and_a_new_key(clock: Clock) -> None:
    provider = Provider()
    _client, first, _ = clients(provider, min_interval=60)
    clock.seconds += 60
    provider.keys = [Jwk.generate("ES256")]
    new, results = provider.token(), []
    barrier = threading.Barrier(8)

    def run() -> None:
        barrier.wait()
        results.append(first.verify(new)["sub"])

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["7"] * 8 and provider.requests == 2


def test_coroutines_share_one_request_and_survive_cancellation(clock: Clock) -> None:
    provider = Provider()
    client = tokens.AsyncJwksClient("https://id.example/jwks", provider.fetch_async)
    verifier = JwtVerifier([], algorithms=["ES256"])
    token = provider.token()

    async def run() -> None:
        first = asyncio.create_task(client.verify(verifier, token))
        others = [asyncio.create_task(client.verify(verifier, token)) for _ in range(9)]
        await asyncio.sleep(0.01)
        first.cancel()
        assert [claims["sub"] for claims in await asyncio.gather(*others)] == ["7"] * 9
        assert provider.requests == 1
        provider.keys = [Jwk.generate("ES256")]
        clock.seconds += 3600
        new = provider.token()
        assert all(await asyncio.gather(*(client.verify(verifier, new) for _ in range(5))))
        assert provider.requests == 2
        with pytest.raises(UnknownKey):
            await client.verify(verifier, token)
        assert provider.requests == 2

    asyncio.run(run())
    # Another event loop afterwards.
    asyncio.run(client.keys())

    provider.down = True
    broken = tokens.AsyncJwksClient("https://id.example/jwks", provider.fetch_async)

    async def outage() -> None:
        results = await asyncio.gather(*(broken.keys() for _ in range(5)), return_exceptions=True)
        assert all(isinstance(result, OSError) for result in results)
        with pytest.raises(LimitExceeded):
            await broken.keys()

    before = provider.requests
    asyncio.run(outage())
    assert provider.requests == before + 1


def test_urls_and_times() -> None:
    for url in ("http://id.example/jwks", "http://localhost:x@evil.example/jwks", "http://localhost.evil.example/", "ftp://id.example", "", "//id.example", "https://["):
        with pytest.raises(InvalidInput):
            tokens.JwksClient(url, lambda url: "")
    for url in ("http://127.0.0.1:8000/jwks", "http://[::1]/jwks", "https://id.example/jwks"):
        tokens.JwksClient(url, lambda url: "")
    for name in ("cache_seconds", "min_interval", "stale_seconds"):
        with pytest.raises(InvalidInput, match=name):
            tokens.JwksClient("https://id.example", lambda url: "", **{name: float("nan")})  # type: ignore[arg-type]


def test_what_no_client_may_be_told() -> None:
    key = Jwk.generate("ES256")

    async def revoked(claims: dict[str, Any]) -> bool:
        return False

    with pytest.raises(InvalidInput, match="await"):
        JwtVerifier(key, algorithms=["ES256"], revoked=revoked)
    issuer = JwtIssuer(key, algorithm="ES256", lifetime=60)
    for claims in ({"sub": 7}, {"jti": 7}, {"nbf": "now"}, {"nbf": True}):
        with pytest.raises(InvalidInput):
            issuer.issue(claims)
    with pytest.raises(InvalidInput):
        issuer.issue(subject=7)  # type: ignore[arg-type]

    for wrong in (
        lambda: JwtVerifier(key, algorithms="ES256"),
        lambda: tokens.JwsVerifier(key, algorithms="ES256"),
        lambda: tokens.JweDecrypter(key, algorithms="ECDH-ES", encryptions=["A256GCM"]),
        lambda: tokens.JweDecrypter(key, algorithms=["ECDH-ES"], encryptions="A256GCM"),
    ):
        with pytest.raises(InvalidInput, match="list of names"):
            wrong()
    assert JwtVerifier(key, algorithms=["ES256"], required="exp").verify(issuer.issue())
    with pytest.raises(VerificationFailed, match="required"):
        JwtVerifier(key, algorithms=["ES256"], required="scope").verify(issuer.issue())

    def broken(claims: dict[str, Any]) -> bool:
        raise OSError("no database")

    with pytest.raises(OSError):
        JwtVerifier(key, algorithms=["ES256"], revoked=broken).verify(issuer.issue())
    with pytest.raises(VerificationFailed, match="revoked"):
        JwtVerifier(key, algorithms=["ES256"], revoked=lambda claims: True).verify(issuer.issue())


def test_what_must_be_awaited_is_refused() -> None:
    async def fetch(url: str) -> str:
        return ""

    for wrong in (
        lambda: JwtVerifier(tokens.AsyncJwksClient("https://id.example/jwks", fetch), algorithms=["ES256"]),  # type: ignore[arg-type]
        lambda: tokens.JwksClient("https://id.example/jwks", fetch),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidInput, match="AsyncJwksClient.verify"):
            wrong()

    class Awaitable:
        def __await__(self) -> Any: ...

    with pytest.raises(InvalidInput, match="AsyncJwksClient.verify"):
        tokens.JwksClient("https://id.example/jwks", lambda url: Awaitable()).keys()  # type: ignore[arg-type, return-value]
    with pytest.raises(InvalidInput, match="text, bytes or a mapping"):
        tokens.JwksClient("https://id.example/jwks", lambda url: object()).keys()  # type: ignore[arg-type, return-value]
