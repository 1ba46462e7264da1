"""How many stars reviewers gave to a book: what ratings.js does, in another language. The mesh asks nothing of either."""

import json
import os
import re
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RATINGS = {"reviewer 1": 5, "reviewer 2": 4}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 90

    def do_GET(self):
        match = re.fullmatch(r"/ratings/(\d+)", self.path)
        if match:
            self.answer(200, {"id": int(match[1]), "version": os.environ["VERSION"], "language": "python", "ratings": RATINGS})
        else:
            self.answer(404, {"error": "there is no " + self.path})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
