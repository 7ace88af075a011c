"""Encrypted model fields for Django.

The key set comes from the setting ``PYWARD_GUARD_AEAD``: an :class:`~pyward_guard.crypto.Aead`, a function that gives one,
or the dotted name of either::

    class Patient(models.Model):
        email = EncryptedTextField()
        email_index = BlindIndexField("email", index, db_index=True)     # index() gives a BlindIndex

    Patient.objects.filter(email_index="ada@example.org")

Values are bound to table and column, so that they cannot be moved to others. When you rename either, give the old names:
``EncryptedTextField(bound_to="shop_patient.email")``.

``dumpdata`` writes the plain texts: keep such dumps as you keep keys.
CWE-311, CWE-312; ASVS 5.0: v5.0.0-14.2.4, v5.0.0-11.3.3. Needs the package Django.
"""

from __future__ import annotations

import functools
from typing import Any

from .._core import InvalidInput
from .._optional import need
from .aead import Aead, BlindIndex

try:
    from django import conf, forms
    from django.core import checks
    from django.core.exceptions import EmptyResultSet, FieldError, ValidationError
    from django.db import models
    from django.db.models import Lookup
    from django.db.models.signals import pre_save
    from django.utils.module_loading import import_string
    from django.utils.text import capfirst
except ImportError:
    raise need("django", "pyward_guard.crypto.django") from None

__all__ = ["BlindIndexField", "EncryptedJSONField", "EncryptedTextField"]


def _aead() -> Aead:
    value = getattr(conf.settings, "PYWARD_GUARD_AEAD", None)
    if isinstance(value, str):
        value = import_string(value)
    value = value() if callable(value) else value
    if not isinstance(value, Aead):
        raise InvalidInput("the setting PYWARD_GUARD_AEAD must be an Aead, a function that gives one, or the dotted name of either")
    return value


class _EncryptedField(models.TextField):  # type: ignore[misc, type-arg, unused-ignore]
    """Values are bound to table and column, so that ciphertexts cannot be moved to others."""

    def __init__(self, *arguments: Any, bound_to: str = "", **options: Any) -> None:
        self.bound_to = bound_to
        super().__init__(*arguments, **options)

    def deconstruct(self) -> Any:
        """For migrations."""
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "bound_to": self.bound_to} if self.bound_to else options

    def check(self, **options: Any) -> Any:
        """Also refuses ``unique``, ``primary_key`` and ``db_index``."""
        found = super().check(**options)
        for name in ("unique", "primary_key", "db_index"):
            if getattr(self, name):
                text = f"an encrypted field cannot have {name}=True: ciphertexts of equal values differ"
                found.append(checks.Error(text, hint="Add it to a BlindIndexField.", obj=self, id="pyward_guard.E001"))
        return found

    def _place(self) -> str:
        return self.bound_to or f"{self.model._meta.db_table}.{self.column}"

    def get_lookup(self, lookup_name: str) -> Any:
        """Only ``isnull``: ciphertexts of equal values differ, so other look-ups would silently find nothing."""
        if lookup_name != "isnull":
            raise FieldError(f"{type(self).__name__} cannot be searched: add a BlindIndexField")
        return super().get_lookup(lookup_name)


class EncryptedTextField(_EncryptedField):
    """A text, stored encrypted. ``unique``, ``primary_key`` and ``db_index`` are errors of ``manage.py check``: they belong
    on its :class:`BlindIndexField`. Look-ups other than ``isnull`` raise ``FieldError``. What another expression does with the
    field is not seen and works on ciphertexts: ``order_by("email")``, ``distinct``, ``filter(name=F("email"))``, and
    ``update(name=F("email"))``, which copies one; ``update(email=F("name"))`` stores plain text.

    ASVS 5.0: v5.0.0-11.3.3, v5.0.0-14.2.4.
    """

    def get_prep_value(self, value: Any) -> Any:
        """Encrypts."""
        return None if value is None else _aead().encrypt_str(str(value), self._place())

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Decrypts."""
        return None if value is None else _aead().decrypt_str(value, self._place())


class EncryptedJSONField(_EncryptedField):
    """A JSON value, stored encrypted. Forms show it as JSON; the XML of ``dumpdata`` cannot hold it, its other formats can.

    ASVS 5.0: v5.0.0-11.3.3, v5.0.0-14.2.4.
    """

    def to_python(self, value: Any) -> Any:
        """The value as it is."""
        return value

    def value_to_string(self, obj: Any) -> Any:
        """The value as it is, for ``dumpdata``."""
        return self.value_from_object(obj)

    def formfield(self, **options: Any) -> Any:
        """A ``forms.JSONField``."""
        return models.Field.formfield(self, **{"form_class": forms.JSONField, **options})

    def get_prep_value(self, value: Any) -> Any:
        """Encrypts."""
        return None if value is None else _aead().encrypt_json(value, self._place())

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Decrypts."""
        return None if value is None else _aead().decrypt_json(value, self._place())


class _Index(str):
    """An index that is already one, so that no index is made of it again."""

    __slots__ = ()


class _BlindLookup(Lookup):  # type: ignore[misc, type-arg, unused-ignore]
    """``exact`` and ``in`` with plain texts: a search by every enabled key."""

    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """``column IN (index, ...)``."""
        texts: Any = self.rhs if self.lookup_name == "in" else [self.rhs]
        if hasattr(texts, "resolve_expression") or not all(isinstance(text, str) for text in texts):
            raise FieldError("compare a BlindIndexField with plain texts, not with expressions")
        field: Any = self.lhs.output_field
        index = field.blind_index()
        values = [value for text in texts for value in ([str(text)] if isinstance(text, _Index) else index.values(text))]
        if not values:
            raise EmptyResultSet
        column, parameters = self.process_lhs(compiler, connection)
        # The column comes from Django, the values are parameters.
        return f"{column} IN ({', '.join(['%s'] * len(values))})", [*parameters, *values]


class BlindIndexField(models.CharField):  # type: ignore[misc, type-arg, unused-ignore]
    """The blind index of the text field named by ``source``, kept up to date on save; query it with the plain text.

    ``index`` is a function that gives the :class:`~pyward_guard.crypto.BlindIndex` (a module-level one, for migrations).
    ``filter(field=...)`` and ``filter(field__in=...)`` search with the indexes of every enabled key, so rows written before
    a key rotation are found; look-ups other than these and ``isnull`` raise ``FieldError``. A unique constraint sees
    values as equal under the same key only: save the rows again after a rotation, before you destroy the old key.
    Validation, that of model forms and of the admin included, reports a duplicate as an error of the source field. Formsets
    compare the texts of their forms as they are: for a ``normalize`` of the index, clean the form field likewise (``clean_email``),
    or saving two spellings in one formset raises ``IntegrityError``.

    ``save()`` writes the index whenever it writes the source, also with ``update_fields``; ``loaddata`` makes it from the source
    anew. What goes past ``save`` leaves a stale index, which finds the row by the old text, unless it is given both:
    ``update(email=new, email_index=new)``, ``bulk_create(..., update_conflicts=True,
    update_fields=["email", "email_index"])``, and ``patient.email_index = new`` before
    ``bulk_update(patients, ["email", "email_index"])``.

    ASVS 5.0: v5.0.0-14.2.4.
    """

    def __init__(self, source: str = "", index: Any = None, **options: Any) -> None:
        self._source, self._index = source, index
        options.setdefault("max_length", 64)
        options.setdefault("db_index", True)
        options.setdefault("editable", False)
        options.setdefault("null", True)
        super().__init__(**options)

    def deconstruct(self) -> Any:
        """For migrations."""
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, "source": self._source, "index": self._index}

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Has the model save the index along with its source, and validate it."""
        super().contribute_to_class(cls, name, private_only)
        if not cls._meta.abstract and "_pyward_guard_wrapped" not in vars(cls):
            cls._pyward_guard_wrapped = True
            cls.save_base = _saves_indexes(cls.save_base)
            cls.validate_unique = _validates_indexes(cls.validate_unique)
            cls.validate_constraints = _validates_indexes(cls.validate_constraints)
            cls._get_unique_checks = _checks_sources(cls._get_unique_checks)

    def blind_index(self) -> BlindIndex:
        """The index behind the field."""
        value = self._index() if callable(self._index) else self._index
        if not isinstance(value, BlindIndex):
            raise InvalidInput("index must be a function that gives a BlindIndex")
        return value

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """The plain text of the source field; :meth:`get_prep_value` hashes it."""
        return getattr(model_instance, self._source)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """An index, which is not hashed again."""
        return None if value is None else _Index(value)

    def get_prep_value(self, value: Any) -> Any:
        """The index of a plain text."""
        if value is None:
            return None
        # A plain str for the drivers.
        return str(value) if isinstance(value, _Index) else self.blind_index().value(str(value))

    def get_lookup(self, lookup_name: str) -> Any:
        """``exact``, ``in`` and ``isnull``: others would compare hashes and silently find nothing."""
        if lookup_name in ("exact", "in"):
            return type("BlindLookup", (_BlindLookup,), {"lookup_name": lookup_name})
        if lookup_name != "isnull":
            raise FieldError("BlindIndexField can be searched for equality only")
        return super().get_lookup(lookup_name)


def _indexes(model: Any) -> list[Any]:
    return [field for field in model._meta.concrete_fields if isinstance(field, BlindIndexField)]


def _saves_indexes(method: Any) -> Any:
    @functools.wraps(method)
    def save_base(self: Any, *arguments: Any, **options: Any) -> Any:
        # Django itself sets update_fields for instances with deferred fields.
        if options.get("update_fields"):
            names = frozenset(options["update_fields"])
            options["update_fields"] = names.union(field.name for field in _indexes(self) if field._source in names)
        return method(self, *arguments, **options)

    return save_base


def _validates_indexes(method: Any) -> Any:
    @functools.wraps(method)
    def validate(self: Any, exclude: Any = None) -> Any:
        """Checks the sources' present texts, in place of the indexes that were loaded; what is found belongs to the sources."""
        names = {field.name: field for field in self._meta.concrete_fields}
        indexes = [field for field in _indexes(self) if field._source in names]
        attributes, exclude = vars(self), set(exclude or ())
        before = {field.attname: attributes[field.attname] for field in indexes if field.attname in attributes}
        try:
            for field in indexes:
                # Forms exclude the index, which they do not show.
                if field._source in exclude:
                    exclude.add(field.name)
                    continue
                exclude.discard(field.name)
                text = getattr(self, field._source)
                attributes[field.attname] = None if text is None else str(text)
            return method(self, exclude=exclude)
        except ValidationError as error:
            found = getattr(error, "error_dict", {})
            for field in indexes:
                for one in found.pop(field.name, []):
                    if one.params:
                        one.params["field_label"] = capfirst(names[field._source].verbose_name)
                    found.setdefault(field._source, []).append(one)
            raise
        finally:
            for field in indexes:
                attributes.pop(field.attname, None)
            attributes.update(before)

    return validate


def _checks_sources(method: Any) -> Any:
    @functools.wraps(method)
    def _get_unique_checks(self: Any, exclude: Any = None, include_meta_constraints: bool = False) -> Any:
        """Formsets compare what their forms show, which is the source in place of the index."""
        if not include_meta_constraints:
            return method(self, exclude=exclude)  # validate_unique, which needs the index; formsets ask for the constraints, too.
        names, exclude = {field.name for field in self._meta.concrete_fields}, set(exclude or ())
        sources = {field.name: field._source for field in _indexes(self) if field._source in names - exclude}
        unique, dates = method(self, exclude=exclude - set(sources), include_meta_constraints=True)
        return (
            [(model, tuple(sources.get(name, name) for name in check)) for model, check in unique],
            [(model, kind, sources.get(name, name), date) for model, kind, name, date in dates],
        )

    return _get_unique_checks


def _make_loaded_indexes(sender: Any, instance: Any, raw: bool, using: Any, **_: Any) -> None:
    """``loaddata`` saves attributes as they are, and a dump's indexes cannot be told from plain texts of their form."""
    model = sender._meta.concrete_model
    for field in _indexes(model) if raw else ():
        if field.model is not model:
            continue  # In the table of a parent, which is loaded on its own.
        source = next((one for one in model._meta.concrete_fields if one.name == field._source), None)
        if source is None or source.model is model:
            text = getattr(instance, field._source)
        else:
            text = source.model._base_manager.using(using).values_list(source.name, flat=True).get(pk=instance.pk)
        setattr(instance, field.attname, None if text is None else str(text))


pre_save.connect(_make_loaded_indexes, dispatch_uid="pyward_guard.crypto.django")
