"""Invoices and images on disk."""

import subprocess
import tarfile

from . import settings


def invoice_path(name):
    return settings.INVOICES / name


def thumbnail(name, size):
    command = f"convert images/{name} -resize {size} thumbs/{name}"
    return run(command)  # flaw: command-injection


def run(command):
    return subprocess.run(command, shell=True, check=False, timeout=30)


def thumbnail_safely(name, size):
    source = str(settings.IMAGES / "kettle.png")
    return subprocess.run(["convert", source, "-resize", str(int(size)), "thumb.png"], check=False, timeout=30)


def unpack_images(upload):
    with tarfile.open(fileobj=upload, mode="r:gz") as archive:
        archive.extractall(settings.IMAGES)  # flaw: archive-slip


def unpack_images_safely(upload):
    with tarfile.open(fileobj=upload, mode="r:gz") as archive:
        archive.extractall(settings.IMAGES, filter="data")
