"""Settings."""

import os
from pathlib import Path

SECRET_KEY = "kX9v-Qm2c7Rt5WzP8sLd"  # flaw: hardcoded-secret
PAYMENT_KEY = os.environ.get("SHOP_PAYMENT_KEY", "")

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_SAMESITE = "Lax"
MAX_CONTENT_LENGTH = 8 * 1024 * 1024

INVOICES = Path("invoices")
IMAGES = Path("images")
