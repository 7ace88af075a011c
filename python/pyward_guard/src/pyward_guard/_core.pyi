"""The Rust core. Use the typed modules of the package, not this one."""

from ._core_tokens import (
    ItsdangerousReader as ItsdangerousReader,
    Jwk as Jwk,
    JweDecrypter as JweDecrypter,
    JwtSigner as JwtSigner,
    JwtVerifier as JwtVerifier,
    KeySet as KeySet,
    PasetoLocal as PasetoLocal,
    PasetoPublic as PasetoPublic,
    PasetoSecret as PasetoSecret,
    TokenSigner as TokenSigner,
    jwe_encrypt as jwe_encrypt,
    jwks_from_json as jwks_from_json,
    jwks_to_public_json as jwks_to_public_json,
    lookup_hash as lookup_hash,
    lookup_token as lookup_token,
    paseto_generate_pair as paseto_generate_pair,
    random_below as random_below,
    random_bytes as random_bytes,
    random_string as random_string,
    random_token as random_token,
    uuid7_bytes as uuid7_bytes,
)

class GuardError(Exception):
    """Base class of every error of pyward_guard."""

class InvalidInput(GuardError):
    """An argument is outside what the function accepts."""

class VerificationFailed(GuardError):
    """A signature, tag, hash or password does not verify."""

class UnknownKey(VerificationFailed):
    """The key named by a token or ciphertext is not at hand."""

class Expired(VerificationFailed):
    """Something is past its time limit."""

class Unsupported(GuardError):
    """The host cannot enforce what was asked for."""

class Refused(GuardError):
    """The operation is not allowed."""
