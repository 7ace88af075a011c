"""WebAuthn ceremonies (passkeys, security keys) through the package ``webauthn``, with its switches set safely.

The package does the cryptography; this module holds what applications get wrong: challenges are random, bound to one
ceremony and user, used once and short-lived; origin and relying party are fixed by configuration; user verification is
required; a signature counter that does not grow is refused. CWE-287, CWE-294, CWE-346; ASVS 5.0: v5.0.0-6.3.3,
v5.0.0-6.5.1, v5.0.0-6.5.7, v5.0.0-6.7.2. Needs the package webauthn.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .. import _core
from .._core import Expired, InvalidInput, VerificationFailed
from .._optional import need

__all__ = ["ChallengeStore", "MemoryChallengeStore", "WebAuthn", "WebAuthnCredential"]


def _base64url(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


class ChallengeStore(Protocol):
    """Keeps challenges between the two halves of a ceremony, for all processes: Redis (``SET`` with ``EX``, ``GETDEL``) or a table."""

    def put(self, key: str, value: str, lifetime: int) -> None:
        """Stores ``value`` for ``lifetime`` seconds, replacing what is there."""
        ...

    def pop(self, key: str) -> str | None:
        """Gives and deletes the value at once, so that it is used once."""
        ...


class MemoryChallengeStore:
    """A :class:`ChallengeStore` for one process.

    CWE-294; ASVS 5.0: v5.0.0-6.5.1.

    >>> store = MemoryChallengeStore()
    >>> store.put("k", "v", 60)
    >>> store.pop("k"), store.pop("k")
    ('v', None)
    """

    def __init__(self, max_entries: int = 100_000) -> None:
        self._lock = threading.Lock()
        self._max = max_entries
        self._entries: dict[str, tuple[str, float]] = {}

    def put(self, key: str, value: str, lifetime: int) -> None:
        """Stores a value. ``lifetime`` is in seconds."""
        with self._lock:
            now = time.monotonic()
            if len(self._entries) >= self._max:
                self._entries = {k: e for k, e in self._entries.items() if e[1] > now}
            while len(self._entries) >= self._max:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = (value, now + lifetime)

    def pop(self, key: str) -> str | None:
        """Gives and deletes a value."""
        with self._lock:
            entry = self._entries.pop(key, None)
        return entry[0] if entry is not None and entry[1] > time.monotonic() else None


@dataclass(frozen=True)
class WebAuthnCredential:
    """What to store of a registered credential.

    ``credential_id`` finds it, ``public_key`` verifies, ``sign_count`` is replaced after each use; ``backup_eligible`` says
    that it may be synchronised between devices; ``user_id`` whose it is.
    """

    credential_id: bytes
    public_key: bytes
    sign_count: int
    #: Whether the credential can be synchronised between devices (a passkey).
    backup_eligible: bool = False
    #: Whose it is: the ``user_id`` of the registration. Store it, so that it can sign in nobody else.
    user_id: bytes = b""


class WebAuthn:
    """Registration and authentication for one relying party.

    ``rp_id`` is the domain, ``origins`` the exact origins of the pages. ``require_user_verification`` (PIN or biometrics)
    makes the credential two factors in one. A challenge lives ``lifetime`` seconds.

    Raises :class:`~pyward_guard.InvalidInput` for origins that are not exact or not in the domain of ``rp_id``.

    ASVS 5.0: v5.0.0-6.3.3, v5.0.0-6.5.7, v5.0.0-6.7.2.

    >>> webauthn = WebAuthn("example.org", "Shop", ["https://example.org"], MemoryChallengeStore())
    >>> options = webauthn.begin_registration("ceremony-id-in-the-session", user_id=b"7", user_name="ada")
    >>> json.loads(options)["rp"]["id"]
    'example.org'
    """

    def __init__(
        self,
        rp_id: str,
        rp_name: str,
        origins: Sequence[str],
        challenges: ChallengeStore,
        *,
        require_user_verification: bool = True,
        lifetime: int = 300,
    ) -> None:
        try:
            import webauthn
        except ImportError:
            raise need("webauthn", "pyward_guard.mfa.webauthn") from None
        if isinstance(origins, str) or not origins:
            raise InvalidInput("origins is a list of origins")
        for origin in origins:
            host = origin.partition("://")[2].partition(":")[0]
            local = host == "localhost"
            if not (origin.startswith("https://") or local and origin.startswith("http://")) or "/" in origin[8:]:
                raise InvalidInput("an origin is https://host[:port], without a path")
            if host != rp_id and not host.endswith("." + rp_id):
                raise InvalidInput("the relying party id must be the origin's domain or a parent of it")
        self._lib: Any = webauthn
        self._rp_id, self._rp_name, self._origins = rp_id, rp_name, list(origins)
        self._challenges, self._lifetime, self._verify_user = challenges, lifetime, require_user_verification

    def _challenge(self, ceremony: str, kind: str, user_id: bytes, credentials: Sequence[bytes]) -> bytes:
        challenge = _core.random_bytes(32)
        value = json.dumps([kind, user_id.hex(), challenge.hex(), [i.hex() for i in credentials]])
        self._challenges.put(ceremony, value, self._lifetime)
        return challenge

    def _take(self, ceremony: str, kind: str) -> tuple[bytes, bytes, list[bytes]]:
        value = self._challenges.pop(ceremony)
        if value is None:
            raise Expired("expired")
        stored_kind, user_id, challenge, credentials = json.loads(value)
        if stored_kind != kind:
            raise VerificationFailed("verification failed: another ceremony")
        return bytes.fromhex(user_id), bytes.fromhex(challenge), [bytes.fromhex(i) for i in credentials]

    @staticmethod
    def _response(response: str | Mapping[str, Any]) -> Mapping[str, Any]:
        """The browser's response, made for a page that no other site has framed."""
        try:
            data: Any = json.loads(response) if isinstance(response, str) else dict(response)
            client: Any = json.loads(_base64url(data["response"]["clientDataJSON"]))
            crossed = client.get("crossOrigin", False)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise VerificationFailed("verification failed: not a WebAuthn response") from None
        if crossed is not False or "topOrigin" in client:
            raise VerificationFailed("verification failed: the page was inside another site's")
        whole: Mapping[str, Any] = data
        return whole

    def begin_registration(
        self, ceremony: str, *, user_id: bytes, user_name: str, existing: Sequence[bytes] = ()
    ) -> str:
        """The options (JSON) for ``navigator.credentials.create``.

        ``ceremony`` names this attempt: keep it in the session. ``user_id`` is 1 to 64 bytes that say nothing about the
        user (no e-mail address). ``existing`` are the user's credential ids.
        """
        if not 1 <= len(user_id) <= 64:
            raise InvalidInput("a user id has 1 to 64 bytes")
        structs = self._lib.helpers.structs
        required = structs.UserVerificationRequirement
        options = self._lib.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._rp_name,
            user_id=user_id,
            user_name=user_name,
            challenge=self._challenge(ceremony, "create", user_id, ()),
            timeout=self._lifetime * 1000,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.PREFERRED,
                user_verification=required.REQUIRED if self._verify_user else required.PREFERRED,
            ),
            exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=i) for i in existing],
        )
        return str(self._lib.options_to_json(options))

    def finish_registration(self, ceremony: str, response: str | Mapping[str, Any]) -> WebAuthnCredential:
        """Verifies the browser's response; store the credential for the user of this ceremony, its ``user_id``.

        Refuse it when another user has a credential of that id already. Raises :class:`~pyward_guard.Expired` when the ceremony is unknown, used or too old, else
        :class:`~pyward_guard.VerificationFailed`.
        """
        user_id, challenge, _ = self._take(ceremony, "create")
        data = self._response(response)
        try:
            result = self._lib.verify_registration_response(
                credential=data,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                require_user_verification=self._verify_user,
            )
        except Exception as error:
            raise VerificationFailed("verification failed: the registration response") from error
        return WebAuthnCredential(
            result.credential_id,
            result.credential_public_key,
            result.sign_count,
            getattr(result.credential_device_type, "value", "") == "multi_device",
            user_id,
        )

    def begin_authentication(
        self, ceremony: str, *, user_id: bytes = b"", credentials: Sequence[bytes] = ()
    ) -> str:
        """The options (JSON) for ``navigator.credentials.get``.

        Leave both empty to sign in with a passkey, whoever it belongs to: listing a user's credentials tells that the
        user exists (CWE-204). As a second factor, or to confirm, say of whom (``user_id``): then only credentials
        of that user, and of ``credentials`` if there are any, are accepted.
        """
        if user_id and len(user_id) > 64:
            raise InvalidInput("a user id has 1 to 64 bytes")
        structs = self._lib.helpers.structs
        required = structs.UserVerificationRequirement
        options = self._lib.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=self._challenge(ceremony, "get", user_id, credentials),
            timeout=self._lifetime * 1000,
            allow_credentials=[structs.PublicKeyCredentialDescriptor(id=i) for i in credentials],
            user_verification=required.REQUIRED if self._verify_user else required.PREFERRED,
        )
        return str(self._lib.options_to_json(options))

    @staticmethod
    def credential_id(response: str | Mapping[str, Any]) -> bytes:
        """The credential id that a response claims, to look the credential up. Not verified yet.

        Raises :class:`~pyward_guard.InvalidInput` when there is none.

        >>> WebAuthn.credential_id({"id": "AQI"})
        b'\\x01\\x02'
        """
        try:
            data = json.loads(response) if isinstance(response, str) else response
            return _base64url(data["id"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InvalidInput("not a WebAuthn response") from None

    def finish_authentication(
        self, ceremony: str, response: str | Mapping[str, Any], credential: WebAuthnCredential
    ) -> int:
        """Verifies the browser's response against the stored credential; gives the new sign count to store.

        ``credential`` is what you stored under :meth:`credential_id`; afterwards, its user is signed in. Raises
        :class:`~pyward_guard.Expired` when the ceremony is unknown, used or too old, else
        :class:`~pyward_guard.VerificationFailed`; a counter that does not grow means that the key was copied.
        """
        user_id, challenge, allowed = self._take(ceremony, "get")
        data = self._response(response)
        if self.credential_id(data) != credential.credential_id:
            raise VerificationFailed("verification failed: another credential")
        # A ceremony for one user is not passed with a credential of another's, whoever has looked it up.
        if (allowed and credential.credential_id not in allowed) or (
            user_id and credential.user_id != user_id and not (allowed and not credential.user_id)
        ):
            raise VerificationFailed("verification failed: a credential of another user")
        handle = data["response"].get("userHandle")
        try:
            if handle and credential.user_id and _base64url(handle) != credential.user_id:
                raise VerificationFailed("verification failed: a credential of another user")
        except (ValueError, TypeError):
            raise VerificationFailed("verification failed: not a WebAuthn response") from None
        try:
            result = self._lib.verify_authentication_response(
                credential=data,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                credential_public_key=credential.public_key,
                credential_current_sign_count=credential.sign_count,
                require_user_verification=self._verify_user,
            )
        except Exception as error:
            raise VerificationFailed("verification failed: the authentication response") from error
        return int(result.new_sign_count)
