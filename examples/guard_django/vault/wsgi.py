"""What gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application
from pyward_guard.errors.wsgi import ErrorBoundary

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vault.settings")
# Around Django's own boundary: for failures in Django itself.
application = ErrorBoundary(get_wsgi_application())
