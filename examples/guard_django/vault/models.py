"""What is stored."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from pyward_guard.crypto.django import EncryptedTextField


class Document(models.Model):
    """A document. Its content lies in the quarantine directory under ``stored_name``."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=255)
    stored_name = models.CharField(max_length=64)
    media_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField()
    remark = EncryptedTextField(default="")
    added = models.DateTimeField(auto_now_add=True)
