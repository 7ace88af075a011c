"""The basket travels in a cookie."""

import base64
import pickle


def load(cookie):
    if not cookie:
        return []
    return unpack(base64.urlsafe_b64decode(cookie))


def unpack(data):
    return pickle.loads(data)  # flaw: unsafe-deserialization


def restore_defaults():
    # A constant of this file, not data from anyone.
    return pickle.loads(b"\x80\x04]\x94.")
