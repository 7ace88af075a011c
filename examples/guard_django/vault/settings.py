"""Settings: everything secret comes from the environment, everything else is strict."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyward_guard.crypto import derive_key
from pyward_guard.headers import SecurityHeaders
from pyward_guard.sessions import Binding

BASE_DIR = Path(__file__).resolve().parent.parent
_KEY = bytes.fromhex(os.environ["VAULT_KEY"])


def derived(purpose: str) -> bytes:
    """A key of its own for each purpose."""
    return derive_key(_KEY, purpose=f"vault {purpose}")


SECRET_KEY = derived("django").hex()
LINK_KEY = derived("links")
AUDIT_KEY = derived("audit log")
FIELD_KEY = derived("fields")
PYWARD_GUARD_AEAD = "vault.guard.aead"
DEBUG = False
ALLOWED_HOSTS = [os.environ["VAULT_HOST"]]
ROOT_URLCONF = "vault.urls"
WSGI_APPLICATION = "vault.wsgi.application"

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "vault"]
MIDDLEWARE = [
    "pyward_guard.errors.django.ErrorBoundary",
    "django.middleware.security.SecurityMiddleware",
    "pyward_guard.headers.django.SecurityMiddleware",
    "pyward_guard.sessions.django.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pyward_guard.access.django.DefaultDeny",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

_database = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.path.lstrip("/"),
        "USER": unquote(_database.username or ""),
        "PASSWORD": unquote(_database.password or ""),
        "HOST": _database.hostname,
        "PORT": _database.port or 5432,
        "CONN_MAX_AGE": 60,
        "OPTIONS": {"options": "-c statement_timeout=5000"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

# Sessions live in Redis under hashed ids; the cookie is bound to this host.
REDIS_URL = os.environ["REDIS_URL"]
SESSION_ENGINE = "pyward_guard.sessions.django"
PYWARD_SESSION_STORE = "vault.guard.session_store"
PYWARD_SESSION_BINDING = Binding(user_agent="warn")
PYWARD_SESSION_IDLE = 1800
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

SECURE_SSL_REDIRECT = True
# These headers come from PYWARD_HEADERS.
SECURE_CONTENT_TYPE_NOSNIFF = False
SECURE_REFERRER_POLICY = None
SECURE_CROSS_ORIGIN_OPENER_POLICY = None
PYWARD_HEADERS = SecurityHeaders.app()

PASSWORD_HASHERS = ["pyward_guard.passwords.django.GuardPasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "pyward_guard.passwords.django.GuardPasswordValidator", "OPTIONS": {"context": ["vault"]}},
]

PYWARD_ACCESS_POLICY = "vault.rules.policy"
PYWARD_ACCESS_PRINCIPAL = "vault.rules.principal"

DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILE_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILES = Path(os.environ["VAULT_FILES"])

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "pyward_guard.logs.RedactingFilter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["redact"]}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
