"""Password policy, strength, breach lists and generators.

CWE-521; ASVS 5.0: v5.0.0-6.2.4.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Protocol

from .. import _core
from .._core import InvalidInput
from .hashing import PasswordHasher, _hasher


@dataclass(frozen=True)
class Strength:
    """An estimate of how hard a password is to guess (zxcvbn).

    ``score`` is 0 (at once) to 4 (out of reach), ``guesses_log10`` the decimal logarithm of the guesses needed; ``warning``
    and ``suggestions`` are for the user.
    """

    #: 0 (too guessable) to 4 (very unguessable).
    score: int
    #: Base-10 logarithm of the guesses needed.
    guesses_log10: float
    #: What makes it weak, fit for the user; empty when nothing does.
    warning: str
    #: How to make it better, fit for the user.
    suggestions: tuple[str, ...]


def _words(words: Iterable[str]) -> list[str]:
    if isinstance(words, (str, bytes)):
        raise InvalidInput("give words as a list: a text alone would be taken letter by letter")
    return [word for word in words if word]


def _text(text: str) -> str:
    """Lone surrogates, which cannot be encoded, become question marks."""
    return text.encode("utf-8", "replace").decode()


def strength(password: str, context: Iterable[str] = ()) -> Strength:
    """Estimates a password's strength; ``context`` are words that are easy to guess for this user or site.

    The first 100 characters are looked at. CWE-521; ASVS 5.0: v5.0.0-6.2.11.

    >>> strength("password1").score
    0
    >>> strength("correct horse battery staple tango").score
    4
    """
    score, guesses, warning, suggestions = _core.password_strength(_text(password), [_text(word) for word in _words(context)])
    return Strength(score, guesses, warning, tuple(suggestions))


class BreachSource(Protocol):
    """Knows how often a password occurs in breaches."""

    def count(self, password: str) -> int:
        """How often the password occurs, 0 when it is not known. Raises ``OSError`` when the source cannot be asked."""
        ...


class BreachFile:
    """A local file of ``SHA1[:COUNT]`` lines sorted by hash, as Have I Been Pwned publishes it, searched in place.

    The file may have any size: a look-up reads about forty blocks. A file sorted by count instead is refused. CWE-521; ASVS 5.0: v5.0.0-6.2.4, v5.0.0-6.2.12.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", delete=False) as file:
    ...     _ = file.write("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004\\n")
    >>> BreachFile(file.name).count("password")
    10434004
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._core = _core.BreachFile(path)

    def count(self, password: str) -> int:
        """How often the password occurs in breaches. Raises ``OSError`` when the file cannot be read."""
        return self._core.count(_text(password))


class BreachRanges:
    """A folder of k-anonymity range files, named by the first five digits of the hash, with or without ``.txt``.

    CWE-521; ASVS 5.0: v5.0.0-6.2.4, v5.0.0-6.2.12.

    >>> import hashlib, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> digest = hashlib.sha1(b"letmein").hexdigest().upper()
    >>> with open(os.path.join(folder, digest[:5] + ".txt"), "w") as file:
    ...     _ = file.write(f"{digest[5:]}:1234\\n")
    >>> BreachRanges(folder).count("letmein")
    1234
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._core = _core.BreachRanges(folder)

    def count(self, password: str) -> int:
        """How often the password occurs in breaches.

        Raises ``OSError`` when its range file is missing, :class:`~pyward_guard.InvalidInput` when it is empty or no
        range: neither is a clean bill.
        """
        return self._core.count(_text(password))


class RemoteRanges:
    """Ranges through your own HTTP client: ``fetch`` gets the first five digits of the hash and gives the range's text.

    Only those five digits leave the host.

    CWE-521; ASVS 5.0: v5.0.0-6.2.12.

    >>> source = RemoteRanges(lambda prefix: "1E4C9B93F3F0682250B6CF8331B7EE68FD8:3" if prefix == "5BAA6" else "")
    >>> source.count("password")
    3
    """

    def __init__(self, fetch: Callable[[str], str]) -> None:
        self._fetch = fetch

    def count(self, password: str) -> int:
        """How often the password occurs in breaches.

        Raises what ``fetch`` raises, and :class:`~pyward_guard.InvalidInput` when the text is no range (an error page).
        """
        digest = _core.password_sha1(_text(password))
        return _core.password_range_count(self._fetch(digest[:5]), digest[5:])


class CommonPasswords:
    """A list of common passwords in the clear, one a line (at most 64 MiB), compared without regard to case.

    CWE-521; ASVS 5.0: v5.0.0-6.2.4.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "common")
    >>> with open(path, "w") as file:
    ...     _ = file.write("123456\\nletmein\\n")
    >>> CommonPasswords(path).count("LetMeIn")
    1
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._core = _core.CommonPasswords(path)

    def count(self, password: str) -> int:
        """1 if the list has the password, else 0."""
        return self._core.count(_text(password))

    def __len__(self) -> int:
        return len(self._core)


@dataclass(frozen=True)
class PolicyProblem:
    """One rule a password breaks. ``code`` is for programs (``too-short``, ``context``, ...), ``message`` for the user."""

    #: ``too-short``, ``too-long``, ``too-weak``, ``breached``, ``context``, ``reused`` or ``not-text``.
    code: str
    #: Fit for the user.
    message: str


@dataclass(frozen=True)
class PolicyReport:
    """What is wrong with a password; true when nothing is.

    ``problems`` are the rules that are broken, ``strength`` the estimate.
    """

    problems: tuple[PolicyProblem, ...]
    strength: Strength

    @property
    def ok(self) -> bool:
        """Whether the password may be used."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True)
class PasswordPolicy:
    """Rules for new passwords, after NIST SP 800-63B: long, hard to guess, not known from breaches; no composition rules.

    ``min_length`` and ``max_length`` are in characters. ``min_score`` is zxcvbn's (0 to 4). ``breaches`` are the lists to
    ask. ``context`` are words of the site or company that no password may be built around: each may make up less than
    a third of it. Repetitions count; digits, punctuation and very common words (``password``, ``summer``) do not, unless 12
    other letters are left. ``history`` is how many old hashes are compared with, the newest ones. ``max_age`` (a
    ``timedelta``) is for rules you are held to: without a reason to suspect a password, expiry makes passwords worse
    (ASVS 5.0: v5.0.0-6.2.10).

    ``hasher`` compares with the history, by default one with the default parameters.

    CWE-521, CWE-262; ASVS 5.0: v5.0.0-6.2.1, v5.0.0-6.2.4, v5.0.0-6.2.5, v5.0.0-6.2.9, v5.0.0-6.2.11, v5.0.0-6.2.12.

    >>> policy = PasswordPolicy(context=("Example Shop",))
    >>> policy.check("exampleshop2026!", user_words=["ada@example.org"]).problems[0].code
    'context'
    >>> policy.check("mild-otter-ledger-quince").ok
    True
    """

    min_length: int = 12
    max_length: int = 256
    min_score: int = 3
    breaches: Sequence[BreachSource] = ()
    context: Sequence[str] = ()
    history: int = 0
    max_age: timedelta | None = None
    #: Used to compare with the history; the one with your peppers, if there are any.
    hasher: PasswordHasher | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 8 <= self.min_length <= 64:
            raise InvalidInput("the shortest password has 8 to 64 characters")
        if not 64 <= self.max_length <= 1024:
            raise InvalidInput("passwords of at least 64 characters must be allowed, and at most 1024")
        _words(self.context)
        if not 0 <= self.min_score <= 4 or not 0 <= self.history <= 24:
            raise InvalidInput("the score is 0 to 4, the history up to 24 hashes")

    def check(
        self, password: str, *, user_words: Iterable[str] = (), old_hashes: Iterable[str] = ()
    ) -> PolicyReport:
        """Checks a new password. ``user_words`` are the user's name, e-mail and the like, ``old_hashes`` the user's
        present and former hashes, the newest last.

        Raises ``OSError`` when a breach list cannot be asked: decide there whether to go on without; and
        :class:`~pyward_guard.InvalidInput` for old hashes without a ``history`` to compare with.
        """
        problems: list[PolicyProblem] = []
        words = [*self.context, *_words(user_words)]
        old = _words(old_hashes)
        if old and not self.history:
            raise InvalidInput("old hashes are compared only when the policy has a history: say how many")
        estimate = strength(password, words)
        if len(password) < self.min_length:
            problems.append(PolicyProblem("too-short", f"Use at least {self.min_length} characters."))
        if len(password) > self.max_length:
            problems.append(PolicyProblem("too-long", f"Use at most {self.max_length} characters."))
        if not all(c.isprintable() for c in password):
            problems.append(PolicyProblem("not-text", "Use characters that can be typed."))
        if _built_around(password, words):
            problems.append(PolicyProblem("context", "Do not build the password around your name or this site's."))
        if estimate.score < self.min_score:
            text = estimate.warning or "This password is easy to guess."
            problems.append(PolicyProblem("too-weak", " ".join((text, *estimate.suggestions))))
        if any(source.count(password) for source in self.breaches):
            problems.append(PolicyProblem("breached", "This password is known from data breaches. Choose another."))
        if old:
            hasher = self.hasher or _hasher()
            if any(hasher.verify(password, former).ok for former in old[-self.history :]):
                problems.append(PolicyProblem("reused", "You have used this password before. Choose another."))
        return PolicyReport(tuple(problems), estimate)

    async def check_async(
        self, password: str, *, user_words: Iterable[str] = (), old_hashes: Iterable[str] = ()
    ) -> PolicyReport:
        """:meth:`check` in a thread: reading lists and comparing with the history takes a while.

        >>> asyncio.run(PasswordPolicy().check_async("mild-otter-ledger-quince")).ok
        True
        """
        hasher = self.hasher or _hasher()
        words, old = _words(user_words), _words(old_hashes)
        return await asyncio.get_running_loop().run_in_executor(
            hasher._pool(), lambda: self.check(password, user_words=words, old_hashes=old)
        )

    def is_expired(self, changed_at: datetime, now: datetime | None = None) -> bool:
        """Whether a password that was set at ``changed_at`` (with time zone) is past ``max_age``.

        Raises :class:`~pyward_guard.InvalidInput` for times without a time zone.

        >>> policy = PasswordPolicy(max_age=timedelta(days=365))
        >>> policy.is_expired(datetime(2000, 1, 1, tzinfo=timezone.utc))
        True
        """
        if changed_at.tzinfo is None or (now is not None and now.tzinfo is None):
            raise InvalidInput("the time needs a time zone")
        return self.max_age is not None and (now or datetime.now(timezone.utc)) - changed_at > self.max_age


# What people put next to a word to make it long enough; the full lists are those of the strength estimate.
_COMMON = re.compile(
    "password|passwort|passphrase|welcome|willkommen|qwerty(?:uiop)?|qwertz(?:uiop)?|azerty|asdf(?:gh(?:jkl)?)?|letmein"
    "|iloveyou|admin|login|secret|changeme|default|hello|test|user|monkey|dragon|sunshine|princess|football|baseball|master|shadow"
    "|superman|batman|abcd*"
    "|spring|summer|autumn|winter|january|february|march|april|june|july|august|september|october|november|december"
)


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _built_around(password: str, words: Iterable[str]) -> bool:
    """Whether a word (or a part of an address) makes up a third or more of the password, or of what counts in it."""
    plain = _letters(password)
    for word in words:
        for part in {word, word.partition("@")[0], *word.replace("@", " ").replace(".", " ").split()}:
            piece = _letters(part)
            if len(piece) < 4 or piece not in plain:
                continue
            size = plain.count(piece) * len(piece)
            # Digits and common words add length, but little to guess; with other letters beside them they may name the site.
            others = sum(c.isalpha() for c in _COMMON.sub(" ", plain.replace(piece, " ")))
            if 3 * size >= len(plain) or (others < 6 and 2 * size >= others):
                return True
    return False


@dataclass(frozen=True)
class GeneratedPassword:
    """A new random password. ``entropy_bits`` is how many random bits are in it."""

    password: str = field(repr=False)
    #: Base-2 logarithm of how many passwords were equally likely.
    entropy_bits: float

    def __str__(self) -> str:
        return self.password


def generate_password(length: int = 20, *, symbols: bool = True) -> GeneratedPassword:
    """A random password of ``length`` (8 to 1024) characters with lower case, upper case, digits and symbols.

    Characters that look alike are left out. CWE-330; ASVS 5.0: v5.0.0-6.4.1.

    >>> generated = generate_password()
    >>> len(generated.password), generated.entropy_bits > 115
    (20, True)
    """
    return GeneratedPassword(*_core.password_characters(length, symbols))


def generate_passphrase(words: int = 7, *, separator: str = "-", capitalize: bool = False) -> GeneratedPassword:
    """A passphrase of ``words`` (4 to 64) English words, 11 bits of entropy each.

    CWE-330, CWE-521; ASVS 5.0: v5.0.0-6.4.1.

    >>> generate_passphrase().entropy_bits
    77.0
    """
    return GeneratedPassword(*_core.password_passphrase(words, separator, capitalize))
