"""Rate limits and lock-out, in memory and in Redis, sync and async, under threads."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import math
import pickle
import pkgutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pyward_guard
import pytest
from pyward_guard import InvalidInput, MissingPackage, Refused, access, limits, run
from pyward_guard._web import Proxies
from pyward_guard.limits import Bucket, LockedOut, LockoutRule, Window
from pyward_guard.limits.asgi import RateLimitMiddleware as AsgiRateLimit
from pyward_guard.limits.wsgi import RateLimitMiddleware as WsgiRateLimit

SECOND = timedelta(seconds=1)
Make = Callable[..., Any]


@pytest.fixture(params=["memory", "redis", "async-redis"])
def backend(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, asyncio.AbstractEventLoop]]:
    loop = asyncio.new_event_loop()
    client: Any = None
    if request.param != "memory":
        import redis
        import redis.asyncio

        url = request.getfixturevalue("redis_url")
        with redis.Redis.from_url(url) as plain:
            plain.flushall()
        client = redis.Redis.from_url(url) if request.param == "redis" else redis.asyncio.Redis.from_url(url)
    yield request.param, client, loop
    if client is not None:
        loop.run_until_complete(client.aclose()) if request.param == "async-redis" else client.close()
    loop.close()


@pytest.fixture
def check(backend: tuple[str, Any, asyncio.AbstractEventLoop]) -> Make:
    """Makes check functions for a rule; every test runs with each of the three limiters."""
    kind, client, loop = backend

    def make(rule: limits.Rule) -> Callable[..., limits.Verdict]:
        limiter: Any
        if kind == "memory":
            limiter = limits.MemoryLimiter(rule)
        elif kind == "redis":
            limiter = limits.RedisLimiter(client, rule)
        else:
            limiter = limits.AsyncRedisLimiter(client, rule)

        def call(key: str, cost: int = 1) -> limits.Verdict:
            answer = limiter.check(key, cost)
            return loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

        call.limiter = limiter  # type: ignore[attr-defined]
        return call

    return make


def test_window(check: Make) -> None:
    look = check(Window(3, timedelta(seconds=600)))
    verdicts = [look("k") for _ in range(5)]
    assert [bool(verdict) for verdict in verdicts] == [True, True, True, False, False]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0, 0]
    # Windows are told apart by a few slots.
    assert 300 < verdicts[-1].retry_after <= 645
    assert look("other")
    assert verdicts[-1].headers()["Retry-After"] == str(math.ceil(verdicts[-1].retry_after))
    with pytest.raises(limits.TooManyRequests) as caught:
        look("k").require()
    assert isinstance(caught.value, Refused) and caught.value.retry_after > 0


def test_a_window_passes(check: Make) -> None:
    look = check(Window(1, timedelta(seconds=0.8)))
    assert look("k")
    refused = look("k")
    # On a busy machine the window may have passed between the two.
    assert refused or 0 < refused.retry_after <= 0.86
    time.sleep(refused.retry_after + 0.06)
    assert look("k")


def test_bucket(check: Make) -> None:
    look = check(Bucket(4, timedelta(seconds=400)))
    assert [bool(look("k")) for _ in range(5)] == [True] * 4 + [False]
    refused = look("k", 2)
    assert 100 < refused.retry_after <= 200
    quick = check(Bucket(4, SECOND))
    quick("q", 4)
    refused = quick("q", 2)
    assert refused or 0 < refused.retry_after <= 0.5
    time.sleep(refused.retry_after + 0.02)
    assert quick("q", 2)
    assert look("k", 9).retry_after == math.inf
    assert "Retry-After" not in look("k", 9).headers()


def test_looking_costs_nothing(check: Make) -> None:
    look = check(Window(1, SECOND))
    assert all(look("k", 0).remaining == 1 for _ in range(5))
    assert look("k") and not look("k")


@pytest.mark.parametrize("key", ["", "x" * 100_000, "\x00", "a\nb", "\N{SNOWMAN}", "{tag}:*"])
def test_any_text_is_a_key(check: Make, key: str) -> None:
    look = check(Window(1, SECOND))
    assert look(key) and not look(key)


def test_lone_surrogates_are_keys(check: Make) -> None:
    """A JSON body can spell them."""
    look = check(Window(1, timedelta(minutes=1)))
    assert look("\ud800") and not look("\ud800") and look("\ud801")
    lockout = limits.MemoryLockout(LockoutRule(account=1))
    with lockout.attempt("a\ud800", "c\ud800"):
        pass
    with pytest.raises(LockedOut), lockout.attempt("a\ud800", "c"):
        pass
    lockout.unlock("a\ud800")
    with lockout.attempt("a\ud800", "c"):
        pass


def test_rules_that_share_a_prefix_do_not_share_counts(check: Make) -> None:
    strict, loose, other = check(Window(3, timedelta(hours=1))), check(Window(1000, SECOND)), check(Bucket(3, timedelta(hours=1)))
    for _ in range(3):
        assert strict("k") and loose("k") and other("k")
    assert not strict("k") and loose("k") and not other("k")


def test_one_rule_counts_together(redis_url: str) -> None:
    import redis
    import redis.asyncio

    async def main() -> None:
        client = redis.asyncio.Redis.from_url(redis_url)
        await client.flushall()
        rule = Window(2, timedelta(hours=1))
        with redis.Redis.from_url(redis_url) as plain:
            assert limits.RedisLimiter(plain, rule).check("k") and await limits.AsyncRedisLimiter(client, rule).check("k")
            assert not limits.RedisLimiter(plain, rule).check("k")
        await client.aclose()

    asyncio.run(main())


def test_clients_and_limiters_of_the_wrong_kind_are_refused() -> None:
    import redis
    import redis.asyncio

    rule = Window(1, SECOND)
    for make, client in ((limits.RedisLimiter, redis.asyncio.Redis()), (limits.AsyncRedisLimiter, redis.Redis())):
        with pytest.raises(InvalidInput, match="client"):
            make(client, rule)  # type: ignore[operator]
    for make, client in ((limits.RedisLockout, redis.asyncio.Redis()), (limits.AsyncRedisLockout, redis.Redis())):
        with pytest.raises(InvalidInput, match="client"):
            make(client)  # type: ignore[operator]
    with pytest.raises(InvalidInput, match="asynchronous"):
        WsgiRateLimit(lambda environ, start: [], limits.AsyncRedisLimiter(redis.asyncio.Redis(), rule))  # type: ignore[arg-type]


def test_threads_get_the_limit_and_no_more(redis_client: Any) -> None:
    for limiter in (
        limits.MemoryLimiter(Window(100, timedelta(minutes=1))),
        limits.MemoryLimiter(Bucket(100, timedelta(days=1))),
        limits.RedisLimiter(redis_client, Window(100, timedelta(minutes=1)), prefix="w:"),
        limits.RedisLimiter(redis_client, Bucket(100, timedelta(days=1)), prefix="b:"),
    ):
        allowed: list[bool] = []

        def work(limiter: Any = limiter, allowed: list[bool] = allowed) -> None:
            allowed.extend(bool(limiter.check("k")) for _ in range(50))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(allowed) == 100


def test_memory_is_bounded() -> None:
    limiter = limits.MemoryLimiter(Window(1, timedelta(hours=1)), max_keys=1000)
    for number in range(20_000):
        limiter.check(str(number))
    assert limiter._core.purge(0) <= 1008


@pytest.mark.parametrize("rule", [Window(0, SECOND), Window(-1, SECOND), Bucket(1, timedelta(0)), Bucket(1, timedelta(days=400)), Window(1 << 32, SECOND), "5/minute"])
def test_senseless_rules_are_refused(rule: Any) -> None:
    with pytest.raises(InvalidInput):
        limits.MemoryLimiter(rule)


def test_negative_costs_are_refused() -> None:
    with pytest.raises(InvalidInput):
        limits.MemoryLimiter(Window(1, SECOND)).check("k", -5)


# -- lock-out -------------------------------------------------------------------------------------------

# Locked for long: on a busy machine the next attempt may come late.
RULE = LockoutRule(account=3, client=5, first=timedelta(minutes=5), longest=timedelta(minutes=10), forget=timedelta(hours=1), known=timedelta(hours=1))
SHORT = LockoutRule(account=3, client=5, first=timedelta(seconds=3), longest=timedelta(seconds=6), forget=timedelta(hours=1), known=timedelta(hours=1))


@pytest.fixture
def guess(backend: tuple[str, Any, asyncio.AbstractEventLoop]) -> Callable[..., bool]:
    """Makes one attempt; every test runs with each of the three lock-outs."""
    return make_guess(backend, RULE)


def make_guess(backend: tuple[str, Any, asyncio.AbstractEventLoop], rule: LockoutRule) -> Callable[..., bool]:
    kind, client, loop = backend
    lockout: Any
    if kind == "memory":
        lockout = limits.MemoryLockout(rule)
    elif kind == "redis":
        lockout = limits.RedisLockout(client, rule)
    else:
        lockout = limits.AsyncRedisLockout(client, rule)

    async def attempt_async(account: str, client: str, right: bool) -> None:
        async with lockout.attempt(account, client) as attempt:
            if right:
                attempt.succeeded()

    def attempt(account: str, client: str = "198.51.100.1", right: bool = False) -> None:
        if kind == "async-redis":
            return loop.run_until_complete(attempt_async(account, client, right))
        with lockout.attempt(account, client) as one:
            if right:
                one.succeeded()

    def unlock(account: str) -> None:
        answer = lockout.unlock(account)
        if inspect.isawaitable(answer):
            loop.run_until_complete(answer)

    attempt.unlock = unlock  # type: ignore[attr-defined]
    return attempt  # type: ignore[return-value]


def test_accounts_lock_progressively(guess: Any) -> None:
    for number in range(3):
        guess("ada", f"198.51.100.{number}")
    with pytest.raises(LockedOut) as caught:
        guess("ADA", "198.51.100.9", right=True)  # another spelling, even the right password
    assert caught.value.scope == "account" and 100 < caught.value.retry_after <= 300
    guess("bob", right=True)
    guess.unlock("ada")
    guess("ada", right=True)
    for _ in range(2):
        guess("ada")


def test_locks_pass_and_grow(backend: Any) -> None:
    guess: Any = make_guess(backend, SHORT)
    for number in range(3):
        guess("ada", f"198.51.100.{number}")
    time.sleep(3.05)
    guess("ada")
    with pytest.raises(LockedOut) as caught:
        guess("ada")
    assert 3 < caught.value.retry_after <= 6


def test_spraying_locks_the_client(guess: Any) -> None:
    for number in range(5):
        guess(f"user{number}", "2001:db8::1")
    with pytest.raises(LockedOut) as caught:
        guess("next", "2001:db8::ffff")  # same /64
    assert caught.value.scope == "client"
    guess("next", "2001:db8:0:1::1")


def test_own_success_does_not_launder_spraying(guess: Any) -> None:
    refused = 0
    for number in range(8):
        try:
            guess(f"user{number}", "198.51.100.7")
            guess("own", "198.51.100.7", right=True)
        except LockedOut:
            refused += 1
    assert refused >= 3


def test_the_owner_is_not_locked_out_by_others(guess: Any) -> None:
    guess("ada", "203.0.113.1", right=True)
    for _ in range(3):
        guess("ada", "198.51.100.7")
    with pytest.raises(LockedOut):
        guess("ada", "198.51.100.8")
    guess("ada", "203.0.113.1", right=True)


def test_an_exception_is_a_failure(guess: Any) -> None:
    lockout = limits.MemoryLockout(LockoutRule(account=1))
    with pytest.raises(ZeroDivisionError), lockout.attempt("ada", "c") as attempt:
        attempt.succeeded()
        raise ZeroDivisionError
    with pytest.raises(LockedOut), lockout.attempt("ada", "c"):
        pass


def test_parallel_guesses_gain_nothing(redis_client: Any) -> None:
    for lockout in (limits.MemoryLockout(RULE), limits.RedisLockout(redis_client, RULE)):
        admitted: list[int] = []

        def work(number: int, lockout: Any = lockout, admitted: list[int] = admitted) -> None:
            try:
                with lockout.attempt("ada", f"10.0.0.{number}"):
                    admitted.append(1)
                    time.sleep(0.05)
            except LockedOut:
                pass

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(admitted) == 3


def test_an_attempt_that_is_used_again_has_to_succeed_again() -> None:
    lockout = limits.MemoryLockout(LockoutRule(account=2))
    attempt = lockout.attempt("ada", "203.0.113.7")
    with attempt:
        attempt.succeeded()
    for _ in range(2):
        with attempt:
            pass  # wrong
    with pytest.raises(LockedOut), attempt:
        pass


def test_senseless_lockouts_are_refused() -> None:
    for rule in (LockoutRule(account=0), LockoutRule(first=timedelta(0)), LockoutRule(longest=timedelta(seconds=1)), LockoutRule(forget=timedelta(seconds=1))):
        with pytest.raises(InvalidInput):
            limits.MemoryLockout(rule)


async def test_a_lockout_is_never_entered_without_asking(redis_url: str) -> None:
    import redis.asyncio

    rule = LockoutRule(account=1, first=timedelta(minutes=5))
    client = redis.asyncio.Redis.from_url(redis_url)
    await client.flushall()
    with pytest.raises(InvalidInput, match="async with"), limits.AsyncRedisLockout(client, rule).attempt("ada", "c"):
        pytest.fail("entered")
    await client.aclose()
    # One in memory never waits and serves both.
    memory = limits.MemoryLockout(rule)
    async with memory.attempt("ada", "c") as attempt:
        attempt.succeeded()
    async with memory.attempt("ada", "c"):
        pass
    with pytest.raises(LockedOut):
        async with memory.attempt("ada", "c"):
            pytest.fail("entered")


# --- proxies, floods, outages -----------------------------------------------------------------------------


def test_clients_behind_proxies() -> None:
    proxies = Proxies(["10.0.0.0/8", "2001:db8:ffff::/48"])
    # What sockets for both families show, and what proxies write: ports, brackets, IPv4 in IPv6.
    assert proxies.client("::ffff:10.0.0.2", "203.0.113.7") == "203.0.113.7"
    assert proxies.client("10.0.0.2", "6.6.6.6, 203.0.113.7:51234") == "203.0.113.7"
    assert proxies.client("10.0.0.2", "[2001:db8::1]:51234") == "2001:db8::1"
    assert proxies.client("10.0.0.2", "203.0.113.7, ::ffff:10.0.0.9") == "203.0.113.7"
    assert proxies.client("2001:db8:ffff::1", "203.0.113.7, 10.1.2.3") == "203.0.113.7"
    # What a client writes in front changes nothing; what is no address ends the chain at the last proxy.
    for lie in ("10.0.0.1", "garbage", "", "127.0.0.1, 10.0.0.1"):
        assert proxies.client("10.0.0.2", f"{lie}, 203.0.113.7") == "203.0.113.7"
        assert proxies.client("198.51.100.4", f"{lie}, 203.0.113.7") == "198.51.100.4"
    assert proxies.client("10.0.0.2", "203.0.113.7, unknown") == "10.0.0.2"
    # A Unix socket has no address.
    assert Proxies(["unix"]).client("", "6.6.6.6, 203.0.113.7") == "203.0.113.7"
    assert Proxies(["unix"]).client("198.51.100.4", "203.0.113.7") == "198.51.100.4"
    assert proxies.client("", "203.0.113.7") == "" and Proxies().client("", "203.0.113.7") == ""
    for bad in (["0.0.0.0/0"], ["::/0"], "10.0.0.1", ["10.0.0.1/8"], ["*"]):
        with pytest.raises(InvalidInput):
            Proxies(bad)


def test_a_flood_of_keys_frees_nobody_at_the_limit() -> None:
    limiter = limits.MemoryLimiter(limits.Window(3, timedelta(minutes=1)), max_keys=1600)
    for _ in range(3):
        assert limiter.check("attacker")
    assert not limiter.check("attacker")
    for n in range(50_000):
        limiter.check(f"new {n}")
    assert not limiter.check("attacker")
    lockout = limits.MemoryLockout(limits.LockoutRule(account=1, client=1_000_000), max_keys=1000)
    with lockout.attempt("ada", "203.0.113.7"):
        pass
    for n in range(20_000):
        with contextlib.suppress(limits.LockedOut), lockout.attempt(f"account {n}", f"203.0.113.{n % 50}") as attempt:
            attempt.succeeded()
    with pytest.raises(limits.LockedOut), lockout.attempt("ada", "198.51.100.1"):
        pass


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_happens_without_redis_is_a_choice(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    import redis
    import redis.asyncio

    rule = limits.Window(1, timedelta(minutes=1))
    address = {"host": "127.0.0.1", "port": free_port(), "socket_connect_timeout": 1}

    async def asked(**options: Any) -> Any:
        if kind == "sync":
            return limits.RedisLimiter(redis.Redis(**address), rule, **options).check("key")
        return await limits.AsyncRedisLimiter(redis.asyncio.Redis(**address), rule, **options).check("key")

    async def entered(**options: Any) -> bool:
        if kind == "sync":
            with limits.RedisLockout(redis.Redis(**address), **options).attempt("ada", "203.0.113.7") as attempt:
                attempt.succeeded()
        else:
            async with limits.AsyncRedisLockout(redis.asyncio.Redis(**address), **options).attempt("ada", "203.0.113.7") as attempt:
                attempt.succeeded()
        return True

    with pytest.raises(limits.LimitsUnavailable) as caught:
        asyncio.run(asked())
    assert isinstance(caught.value, limits.TooManyRequests) and isinstance(caught.value.__cause__, redis.ConnectionError)
    with pytest.raises(limits.LimitsUnavailable):
        asyncio.run(entered())
    assert "refused" in caplog.text
    caplog.clear()
    assert asyncio.run(asked(insecure_allow_when_unavailable=True)).allowed
    assert asyncio.run(entered(insecure_allow_when_unavailable=True))
    assert "not enforced" in caplog.text and "uncounted" in caplog.text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asgi(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app({"headers": [], "client": ("203.0.113.7", 1), **scope}, receive, send))
    return sent


def test_middlewares_count_websockets_and_answer_during_outages() -> None:
    import redis
    import redis.asyncio

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    guarded = AsgiRateLimit(app, limits.MemoryLimiter(limits.Window(1, timedelta(minutes=1))))
    websocket: dict[str, Any] = {"type": "websocket"}
    assert asgi(guarded, websocket) == [{"type": "websocket.accept"}]
    assert asgi(guarded, websocket) == [{"type": "websocket.close", "code": 1013}]
    assert asgi(guarded, {**websocket, "extensions": {"websocket.http.response": {}}})[0]["status"] == 429
    assert asgi(guarded, {"type": "http"})[0]["status"] == 429
    assert asgi(guarded, {"type": "lifespan"}) == [{"type": "websocket.accept"}]

    address = {"host": "127.0.0.1", "port": free_port(), "socket_connect_timeout": 1}
    rule = limits.Window(1, timedelta(minutes=1))
    away = AsgiRateLimit(app, limits.AsyncRedisLimiter(redis.asyncio.Redis(**address), rule))
    answer = asgi(away, {"type": "http"})
    assert answer[0]["status"] == 503 and (b"retry-after", b"1") in answer[0]["headers"]
    statuses: list[str] = []
    wsgi = WsgiRateLimit(lambda environ, start: [b"reached"], limits.RedisLimiter(redis.Redis(**address), rule))
    assert list(wsgi({"REMOTE_ADDR": "203.0.113.7"}, lambda status, *_: statuses.append(status))) != [b"reached"]
    assert statuses == ["503 Service Unavailable"]


def test_every_exception_of_the_kit_survives_pickling() -> None:
    """A pool of processes that cannot read an exception back is broken for good."""
    policy = access.Policy()
    decision = policy.decide(access.User("ada"), "read", access.Entity("Page", "7"))
    completed = run.Completed(1, b"out", b"", 0.5, "itself", ())
    arguments: dict[type[BaseException], tuple[Any, ...]] = {
        limits.TooManyRequests: (1.5,), LockedOut: (1.5, "account"), limits.LimitsUnavailable: (), access.AccessDenied: (decision,),
        **{kind: ("ended", completed) for kind in (run.Failed, run.TimedOut, run.OutputExceeded)},
    }  # fmt: skip
    found: set[type[BaseException]] = set()
    for module in pkgutil.walk_packages(pyward_guard.__path__, "pyward_guard."):
        with contextlib.suppress(MissingPackage):
            parts = vars(importlib.import_module(module.name)).values()
            found |= {part for part in parts if inspect.isclass(part) and issubclass(part, BaseException) and part.__module__.startswith("pyward_guard")}
    assert arguments.keys() <= found
    for kind in found:
        error = kind(*arguments.get(kind, ("what happened",)))
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is kind and (str(copy), copy.args) == (str(error), error.args)
        assert repr(vars(copy)) == repr(vars(error))
