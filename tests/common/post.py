"""Who is told that a job has ended: a mail server, or the host of a URL. Each thing that arrives is a line of JSON on stdout,
the first line is the port. Ends with its stdin; a line there lets one answer go that says `wait`.

  post.py smtp starttls|tls|none PORT CERT KEY
  post.py http PORT CERT|- KEY ANSWER...          the last answer is for all others too
"""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

allowed = threading.Semaphore(0)


def say(what):
    print(json.dumps(what), flush=True)


def end_with_stdin():
    for _ in sys.stdin:
        allowed.release()
    os._exit(0)


def context_of(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def smtp(mode, port, cert, key):
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

    context = context_of(cert, key)
    times = {}

    def login(server, session, envelope, mechanism, given):
        right = LoginPassword(login=b"ana", password=b"sword fish")
        return AuthResult(success=given == right, handled=False)

    class Box:
        async def handle_RCPT(self, server, session, envelope, address, options):
            times[address] = times.get(address, 0) + 1
            if address.startswith("nobody@"):
                return "550 5.1.1 there is no such person here"
            if address.startswith("busy@") and times[address] == 1:
                return "451 4.3.0 come again later"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            say({
                "envelope": [envelope.mail_from, *envelope.rcpt_tos],
                "headers": {name.lower(): str(value) for name, value in mail.items()},
                "text": mail.get_content().replace("\r\n", "\n"),
                "encrypted": session.ssl is not None or mode == "tls",
                "login": bool(session.authenticated),
                "ascii": envelope.content.isascii(),
            })
            return "250 OK"

    def one():
        if mode == "starttls":
            return SMTP(Box(), tls_context=context, require_starttls=True, auth_required=True, authenticator=login)
        # Over TLS from the first byte it does not know that it is: a login is asked for all the same.
        encrypted = mode == "tls"
        return SMTP(Box(), auth_required=encrypted, auth_require_tls=False, authenticator=login)

    async def serve():
        loop = asyncio.get_running_loop()
        wrapped = context if mode == "tls" else None
        server = await loop.create_server(one, "127.0.0.1", port, ssl=wrapped)
        say(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def http(port, cert, key, answers):
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            say({
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": json.loads(body),
            })
            if answer == "wait":
                allowed.acquire()
                answer = "200"
            self.send_response(int(answer))
            if answer.startswith("3"):
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Hook)
    if cert != "-":
        server.socket = context_of(cert, key).wrap_socket(server.socket, server_side=True)
    say(server.server_address[1])
    server.serve_forever()


threading.Thread(target=end_with_stdin, daemon=True).start()
if sys.argv[1] == "smtp":
    smtp(sys.argv[2], int(sys.argv[3]), *sys.argv[4:6])
else:
    http(int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
