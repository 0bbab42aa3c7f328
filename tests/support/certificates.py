"""Certificates for tests of TLS, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Files:
    """Certificates of two CAs: a server's and a client's are of the first, a foreign client's of the second."""

    ca: Path
    other_ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path
    foreign_cert: Path
    foreign_key: Path

    @classmethod
    def made(cls, folder: Path) -> Files:
        """Make them, valid for the names and addresses of this machine."""
        ca, other = trustme.CA(), trustme.CA()
        server = ca.issue_cert("127.0.0.1", "::1", "localhost")
        client, foreign = ca.issue_cert("client@example.org"), other.issue_cert("client@example.org")
        files = cls(*(folder / f"{name}.pem" for name in cls.__dataclass_fields__))
        ca.cert_pem.write_to_path(files.ca)
        other.cert_pem.write_to_path(files.other_ca)
        for leaf, cert, key in (
            (server, files.cert, files.key),
            (client, files.client_cert, files.client_key),
            (foreign, files.foreign_cert, files.foreign_key),
        ):
            cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
            leaf.private_key_pem.write_to_path(key)
        return files
