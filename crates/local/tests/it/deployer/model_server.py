#!/usr/bin/env python3
"""A model server that does what its model's folder says: `behaviour.json` of {fail, silent, words, exit, broken}."""
import argparse
import http.server
import json
import os
import select
import signal
import socketserver
import sys
import threading

parser = argparse.ArgumentParser()
parser.add_argument("role")
for name in ("model", "runtime", "socket", "rows", "out", "scratch", "processes", "patience", "timeout"):
    parser.add_argument("--" + name)
parser.add_argument("--probe", action="store_true")
args = parser.parse_args()
with open(os.path.join(args.model, "behaviour.json")) as file:
    behaviour = json.load(file)
assert os.path.exists(args.runtime)
assert "WINDLASS_TOKEN" not in os.environ

if "words" in behaviour:
    print(behaviour["words"], file=sys.stderr, flush=True)
if "exit" in behaviour:
    sys.exit(behaviour["exit"])
if behaviour.get("silent"):
    sys.stdin.read()
    sys.exit(0)
if args.probe:
    with open(args.rows) as rows:
        predictions = [float(line) if line.strip() else None for line in rows]
    answer = {"error": behaviour["fail"]} if "fail" in behaviour else {"predictions": predictions}
    with open(args.out, "w") as out:
        json.dump(answer, out)
    sys.exit(0)
if "fail" in behaviour:
    print(json.dumps({"error": behaviour["fail"]}), flush=True)
    sys.exit(1)

hoard = []
signal.signal(signal.SIGUSR1, lambda *_: hoard.append(bytes(range(256)) * (1 << 19)))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, str(os.getpid()))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(500 if behaviour.get("broken") else 200, "no kernel for this operator")

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


server = Server(args.socket, Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"ready": True}), flush=True)
# A signal that comes just before a read would wait for its end.
while not select.select([0], [], [], 0.05)[0] or os.read(0, 4096):
    pass
os._exit(0)
