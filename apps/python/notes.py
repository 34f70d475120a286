"""Notes over HTTP: POST /notes keeps one, GET /notes gives all, GET /notes/1 the first."""

import json
import signal
import sqlite3
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

database = sqlite3.connect("/tmp/notes.db", check_same_thread=False)
database.execute("create table note (id integer primary key, text text not null)")
lock = threading.Lock()


def application(environment, start_response):
    method, path = environment["REQUEST_METHOD"], environment["PATH_INFO"]
    status, answer = "404 Not Found", {"error": f"there is no {path}"}
    if path == "/notes" and method == "POST":
        text = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0)).decode()
        with lock, database:
            number = database.execute("insert into note (text) values (?)", (text,)).lastrowid
        status, answer = "201 Created", {"id": number}
    elif path == "/notes":
        with lock:
            rows = database.execute("select id, text from note order by id").fetchall()
        status, answer = "200 OK", [{"id": number, "text": text} for number, text in rows]
    elif path.startswith("/notes/") and path[7:].isdecimal():
        with lock:
            row = database.execute("select text from note where id = ?", (int(path[7:]),)).fetchone()
        if row:
            status, answer = "200 OK", {"text": row[0]}
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("0.0.0.0", 80, application, Server, Quiet)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("listening on port 80")
server.serve_forever()
