"""A certificate of a test's own for 127.0.0.1, made by openssl, in the PEM files that Kafka and librdkafka read."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.kafka.brokers.jars import Unavailable


@dataclass(frozen=True, slots=True)
class Certificate:
    """`keystore` holds key and certificate, for the broker; `authority` is what clients trust."""

    keystore: Path
    authority: Path


def self_signed(folder: Path) -> Certificate:
    """Make one that holds for a day. Unavailable without openssl."""
    if not shutil.which("openssl"):
        raise Unavailable("openssl is not there: install it")
    folder.mkdir(parents=True, exist_ok=True)
    key, authority, keystore = folder / "key.pem", folder / "authority.pem", folder / "keystore.pem"
    asked = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(authority)]
    subprocess.run([*made, *asked], check=True, capture_output=True)
    keystore.write_text(key.read_text() + authority.read_text())
    return Certificate(keystore, authority)
