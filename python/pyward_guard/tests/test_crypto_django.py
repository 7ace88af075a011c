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
from django.db import connection, models
from django.forms import modelform_factory, modelformset_factory
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
# A plain text of the form of an index is none, in fixtures written by hand either.
text = "0123456789abcdef" * 2
person.email = person.email_index = text
person.full_clean()
Person.objects.bulk_update([person], ["email", "email_index"])
fixture = {"model": "contenttypes.person", "fields": {"email": text, "email_index": text}}
for loaded in serializers.deserialize("python", [fixture]):
    loaded.save()
with connection.cursor() as cursor:
    cursor.execute("SELECT DISTINCT email_index FROM contenttypes_person")
    assert cursor.fetchall() == [(index.value(text),)]
assert found(text) == 2
Person.objects.exclude(pk=person.pk).delete()
person.email = "ada@x"
person.save()
person = Person.objects.get()
person.full_clean()
Person.objects.bulk_update([person], ["email", "email_index"])
assert found("ada@x") == 1
person.email = person.email_index = "bob@x"
Person.objects.bulk_update([person], ["email", "email_index"])
assert (found("bob@x"), found("ada@x")) == (1, 0)
person.email = "eve@x"
person.save(update_fields=["email"])
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


SAVES = FORMS[:FORMS.index("class Person")] + """
from django.core.exceptions import ValidationError
from django.db.models import UniqueConstraint

class Person(models.Model):
    name, group = models.CharField(max_length=9), models.IntegerField(default=1)
    email, tel = EncryptedTextField("mail address"), EncryptedTextField(null=True, blank=True)
    email_index, tel_index = BlindIndexField("email", index, unique=True), BlindIndexField("tel", index)
    class Meta:
        app_label, constraints = "contenttypes", [UniqueConstraint(fields=["group", "tel_index"], name="tels")]

class Doctor(Person):
    other_index = BlindIndexField("email", index)
    class Meta:
        app_label = "contenttypes"

class Dated(models.Model):
    email, born = EncryptedTextField(), models.DateField()
    email_index = BlindIndexField("email", index, unique_for_date="born")
    class Meta:
        app_label = "contenttypes"

class Proxy(Person):
    class Meta:
        app_label, proxy = "contenttypes", True

def found(email):
    return Person.objects.filter(email_index=email).count(), Doctor.objects.filter(other_index=email).count()

with connection.schema_editor() as editor:
    editor.create_model(Person)
    editor.create_model(Doctor)
    editor.create_model(Dated)
bob = Person.objects.create(name="bob", email="bob@x", tel="1")
ada = Doctor.objects.create(name="ada", email="ada@x", tel="2")
# What is saved takes the index along.
persons, doctors = Person.objects, Doctor.objects
loads = [persons.only("name", "email"), persons.defer("email_index"), persons.only("name"), persons, Proxy.objects,
         doctors.only("email"), doctors.defer("email_index", "other_index"), doctors.defer("email")]
for number, query in enumerate(loads):
    for options in ({}, {"update_fields": ["email"]}, {"update_fields": ("email", "name")}):
        one = query.get(pk=ada.pk)
        one.email = f"{number}{len(options)}@x"
        one.save(**options)
        assert found(one.email) == (1, one.__class__ is Doctor), (number, options)
one = Person.objects.only("name").get(pk=ada.pk)
one.email = "unsaved@x"
one.save(update_fields=["name"])
assert found("unsaved@x") == (0, 0)
# A dump of both tables.
dump = serializers.serialize("json", [*Person.objects.filter(pk=ada.pk), *Doctor.objects.all()])
email = Doctor.objects.get().email
Doctor.objects.all().delete()
for loaded in serializers.deserialize("json", dump):
    loaded.save()
assert found(email) == (1, 1)
# Validation looks for the present text.
def errors(one, **options):
    before = dict(vars(one))
    try:
        one.full_clean(**options)
    except ValidationError as error:
        return error.message_dict
    finally:
        assert vars(one) == before
for one in (Person.objects.get(pk=ada.pk), Proxy.objects.get(pk=ada.pk), Doctor.objects.get(), Person(name="x")):
    one.email = "bob@x"
    assert errors(one) == {"email": ["Person with this Mail address already exists."]}
    assert errors(one, exclude=["email"]) == errors(one, validate_unique=False) is None
    one.email = "new@x"
    assert errors(one) is None
    one.tel = "1"
    assert list(errors(one)) == ["__all__"]
assert errors(Person.objects.get(pk=bob.pk)) is None
index._keys.rotate()
form = modelform_factory(Person, fields=["name", "email"])
assert list(form({"name": "x", "email": "bob@x"}).errors) == ["email"]
assert form({"name": "x", "email": "bob@x"}, instance=Person.objects.get(pk=bob.pk)).is_valid()
assert modelform_factory(Person, fields=["name"])({"name": "x"}, instance=Person.objects.get(pk=bob.pk)).is_valid()
# Formsets compare their forms with each other, by the sources.
def formset_errors(model, *rows):
    data = {f"form-{number}-{name}": value for number, row in enumerate(rows) for name, value in row.items()}
    counts = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": 0}
    forms = modelformset_factory(model, fields=list(rows[0]))({**counts, **data}, queryset=model.objects.none())
    assert forms.is_valid() == (not forms.non_form_errors()), forms.errors
    return list(forms.non_form_errors())
for model in (Person, Proxy, Doctor):
    same, other = {"name": "x", "email": "same@x"}, {"name": "x", "email": "other@x"}
    assert formset_errors(model, same, same) == ["Please correct the duplicate data for email."]
    assert formset_errors(model, same, other, {}, {}) == formset_errors(model, {"name": "x"}, {"name": "x"}) == []
    rows = [{**row, "group": group, "tel": "9"} for row, group in ((same, 1), (other, 1), (other, 2))]
    assert formset_errors(model, *rows[:2]) == ["Please correct the duplicate data for group and tel, which must be unique."]
    assert formset_errors(model, rows[0], rows[2]) == []
row = {"email": "x", "born": "2000-01-01"}
assert formset_errors(Dated, row, row) == ["Please correct the duplicate data for email which must be unique for the date in born."]
print("fine")
"""


def test_indexes_follow_partial_saves_and_are_validated() -> None:
    done = subprocess.run([sys.executable, "-c", SAVES], capture_output=True, text=True)
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
