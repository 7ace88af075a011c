"""Encrypted model fields of Django whose table or column is renamed."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import django
from django.conf import settings
from pyward_guard.crypto import Aead, KeySet
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}, INSTALLED_APPS=[],
    PYWARD_GUARD_AEAD=Aead(KeySet.generate("aead")),
)
django.setup()
from django.db import connection, models
from django.db.migrations.writer import MigrationWriter
from pyward_guard import VerificationFailed
from pyward_guard.crypto.django import EncryptedJSONField, EncryptedTextField

class Old(models.Model):
    email = EncryptedTextField()
    data = EncryptedJSONField(default=dict)
    class Meta:
        app_label, db_table = "shop", "old"

class Renamed(models.Model):
    mail = EncryptedTextField(bound_to="old.email")
    data = EncryptedJSONField(default=dict, bound_to="old.data")
    class Meta:
        app_label, db_table = "shop", "new"

class Forgotten(models.Model):
    mail = EncryptedTextField()
    class Meta:
        app_label, db_table, managed = "shop", "new", False

with connection.schema_editor() as editor:
    editor.create_model(Old)
    editor.create_model(Renamed)
Old.objects.create(email="ada@example.org", data={"a": 1})
with connection.cursor() as cursor:
    cursor.execute("INSERT INTO new (id, mail, data) SELECT id, email, data FROM old")
found = Renamed.objects.get()
print(found.mail, found.data)
try:
    Forgotten.objects.get()
except VerificationFailed:
    print("refused")
written, _ = MigrationWriter.serialize(Renamed._meta.get_field("mail"))
print(written)
print(MigrationWriter.serialize(Old._meta.get_field("email"))[0])
"""


def test_renamed_columns() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "ada@example.org {'a': 1}",
        "refused",
        "pyward_guard.crypto.django.EncryptedTextField(bound_to='old.email')",
        "pyward_guard.crypto.django.EncryptedTextField()",
    ], done.stderr
