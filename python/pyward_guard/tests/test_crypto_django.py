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


FORMS = """
import django
from django.conf import settings
from pyward_guard.crypto import Aead, BlindIndex, KeySet
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}, INSTALLED_APPS=["django.contrib.contenttypes"],
    PYWARD_GUARD_AEAD=Aead(KeySet.generate("aead")),
)
django.setup()
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import connection, models
from django.forms import modelform_factory
from pyward_guard.crypto.django import BlindIndexField, EncryptedJSONField, EncryptedTextField
index = BlindIndex(KeySet.generate("mac"), "person.email")

class Person(models.Model):
    email = EncryptedTextField()
    email_index = BlindIndexField("email", index)
    data = EncryptedJSONField(null=True)
    class Meta:
        app_label = "contenttypes"

class Unique(models.Model):
    one, two = EncryptedTextField(unique=True), EncryptedTextField(db_index=True)
    class Meta:
        app_label = "contenttypes"

def found(email):
    return Person.objects.filter(email_index=email).count()

with connection.schema_editor() as editor:
    editor.create_model(Person)
person = Person.objects.create(email="ada@x", data={"a": [1]})
form = modelform_factory(Person, fields=["data"])
assert "{&quot;a&quot;: [1]}" in form(instance=person)["data"].as_widget()
form({"data": '{"a": [2]}'}, instance=person).save()
assert Person.objects.get().data == {"a": [2]}
dumps = [serializers.serialize(kind, Person.objects.all()) for kind in ("json", "jsonl")]
for kind, dump in zip(("json", "jsonl"), dumps):
    Person.objects.all().delete()
    for loaded in serializers.deserialize(kind, dump):
        loaded.save()
    person = Person.objects.get()
    assert (person.email, person.data, found("ada@x")) == ("ada@x", {"a": [2]}, 1)
person.full_clean()
Person.objects.bulk_update([person], ["email", "email_index"])
assert found("ada@x") == 1
person.email = person.email_index = "bob@x"
Person.objects.bulk_update([person], ["email", "email_index"])
assert (found("bob@x"), found("ada@x")) == (1, 0)
person.email = "eve@x"
try:
    person.save(update_fields=["email"])
except FieldError:
    person.save(update_fields=["email", "email_index"])
else:
    raise SystemExit("saved without its index")
assert (found("eve@x"), found("bob@x"), found(Person.objects.get().email_index)) == (1, 0, 1)
person.save(update_fields=["data"])
Person.objects.update(email="fay@x", email_index="fay@x")
assert found(Person.objects.get().email) == 1
assert [error.id for error in Unique.check()] == ["pyward_guard.E001"] * 2 and Person.check() == []
print("fine")
"""


def test_forms_dumps_and_partial_saves() -> None:
    done = subprocess.run([sys.executable, "-c", FORMS], capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr


JINJA2 = """
import django
from django.conf import settings
backend = "django.template.backends.jinja2.Jinja2"
settings.configure(TEMPLATES=[{"BACKEND": backend, "OPTIONS": {"environment": "pyward_guard.html.jinja_environment"}}])
django.setup()
from django.template import engines
print(engines.all()[0].from_string("{{ x }}").render({"x": "<"}))
"""


def test_the_hardened_environment_in_the_jinja2_backend() -> None:
    done = subprocess.run([sys.executable, "-c", JINJA2], capture_output=True, text=True)
    assert done.stdout == "&lt;\n", done.stderr
