#!/usr/bin/env python3
"""Serves git repositories over HTTP for tests: git_http.py PORT ROOT

Every bare repository below ROOT, through git's own `http-backend`. Listens on 127.0.0.1 only; no authentication.
"""
import http.server
import os
import subprocess
import sys
import urllib.parse

MAX_BODY = 64 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root = None

    def body(self):
        """The request's body, sent whole or in chunks; none when it is too large."""
        if (self.headers.get("Transfer-Encoding") or "").lower() != "chunked":
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length <= MAX_BODY else None
        body = b""
        while len(body) <= MAX_BODY:
            size = int(self.rfile.readline(64).partition(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline(2)
            if size == 0:
                return body
        return None

    def environment(self, length):
        at = urllib.parse.urlsplit(self.path)
        return {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": urllib.parse.unquote(at.path),
            "QUERY_STRING": at.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": "test",
        }

    def serve(self):
        body = self.body()
        if body is None:
            self.close_connection = True
            return self.send_error(413)
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=self.environment(len(body)), stdout=subprocess.PIPE, timeout=120
        )
        head, _, data = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
        status = next((value for name, value in headers if name.lower() == "status"), "200")
        self.send_response(int(status.split()[0]))
        for name, value in headers:
            if name.lower() not in ("status", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        return None

    do_GET = do_POST = serve

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    Handler.root = os.path.abspath(sys.argv[2])
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
