# SPDX-License-Identifier: MIT
"""What the boots with a network need on the host's side: an HTTP server and a client."""

import hashlib
import http.server
import socket
import threading
import time
import urllib.error
import urllib.request


class Loopback:
    """An HTTP server on the host's loopback, as a context."""

    def __init__(self, handler):
        self.handler = handler

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Server(Loopback):
    """Gives `size` bytes at any path."""

    def __init__(self, size):
        self.body = bytes(i * 2654435761 >> 13 & 255 for i in range(4096)) * (size // 4096)
        self.md5 = hashlib.md5(self.body).hexdigest()
        body = self.body

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # the guest's machine ended

            def log_message(self, *_):
                pass

        super().__init__(Handler)


def folder(path):
    """A server of the folder's files."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=path)

        def log_message(self, *_):
            pass

    return Loopback(Handler)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path, seconds):
    """What the guest's server says at a forwarded port; it may not be up yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=seconds) as r:
                return r.read()
        except (OSError, urllib.error.URLError):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
