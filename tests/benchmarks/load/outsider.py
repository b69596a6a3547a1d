"""``python -m benchmarks.load.outsider ADDRESS``: somebody without membership knocks until stopped.

Lives here: TLS with a certificate of an authority of one's own, and bytes that are no TLS. Must not
know: anything that only members know.
"""

import os
import secrets
import socket
import ssl
import sys
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from itertools import cycle
from pathlib import Path

from benchmarks.load.forging import NICENESS
from federation.crypto.certificates import Authority, generate_tls_key, tls_key_pem
from federation.terminal import say

PAUSE_S = 0.02


def context() -> ssl.SSLContext:
    """Return a client's context with a certificate that another authority issued."""
    key = generate_tls_key()
    now_ms = time.time_ns() // 1_000_000
    chain = Authority.create("stranger", now_ms).issue_bootstrap(
        key, "110000", now_ms, timedelta(days=1)
    )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stranger.pem"
        file.write_bytes(tls_key_pem(key) + chain)
        made.load_cert_chain(file)
    return made


def knock(address: str) -> None:
    """Knock for ever, one connection after the other."""
    host, _, port = address.rpartition(":")
    stranger = context()
    for trusted in cycle((True, False)):
        with suppress(OSError), socket.create_connection((host, int(port)), 5) as plain:
            plain.settimeout(5)
            if trusted:
                with stranger.wrap_socket(plain) as opened:
                    opened.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                    opened.recv(1024)
            else:
                plain.sendall(secrets.token_bytes(4096))
                plain.recv(1024)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    os.nice(NICENESS)
    say("knocking")
    knock(sys.argv[1])
