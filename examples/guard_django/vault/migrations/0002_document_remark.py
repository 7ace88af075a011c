from django.db import migrations
from pyward_guard.crypto.django import EncryptedTextField


class Migration(migrations.Migration):
    dependencies = [("vault", "0001_initial")]

    operations = [migrations.AddField("document", "remark", EncryptedTextField(default=""))]
