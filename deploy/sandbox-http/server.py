# A server of the http executor: runs the Python of agents' steps for fleets elsewhere. The protocol: docs/sandbox-http.md.
# Linux, Python 3.11 or later, nothing to install.
#
#   FLOTILLA_SANDBOX_TOKEN=… python3 -s -P -B deploy/sandbox-http/server.py
#
# 1. A session is a process of the native executor's zygote, confined by sandbox_jail.py. What stands around this server (a
#    container, a virtual machine) is its owner's to choose.
# 2. The end of a session is told by the server alone: nothing that a session writes is taken for it.
# 3. A session lives no longer than somebody cares: it ends with the connection that it computes for, at STEP_S, and after
#    IDLE_S without a question. At MAX_SESSIONS the one that waited longest gives its place up.
# 4. When the zygote ends, so does the server, for its supervisor to start again.
import hmac
import ipaddress
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def number(name, default):
    text = os.environ.get(name, '').strip() or str(default)
    if not text.isdigit() or int(text) < 1:
        sys.exit(f"{name} is '{text}'; give a whole number from 1")
    return int(text)


HOST = os.environ.get('HOST', '127.0.0.1')
PORT = int(os.environ.get('PORT', '8080'))
TOKEN = os.environ.get('FLOTILLA_SANDBOX_TOKEN', '').strip()
PACKAGES = os.environ.get('FLOTILLA_SANDBOX_PACKAGES', '').replace(',', ' ').split()
MEMORY_MB = number('FLOTILLA_SANDBOX_MEMORY_MB', 512)
MAX_SESSIONS = number('FLOTILLA_SANDBOX_SESSIONS', max(8, 4 * (os.cpu_count() or 1)))
STEP_S = number('FLOTILLA_SANDBOX_STEP_S', 600)
IDLE_S = number('FLOTILLA_SANDBOX_IDLE_S', 900)

here = os.path.dirname(os.path.abspath(__file__))
# Where this file lies in the repository; images keep that layout.
EXECUTORS = os.path.normpath(os.path.join(here, '..', '..', 'services', 'code-sandbox', 'executors'))
# Fixed hashes: a replay sees sets in the same order. One thread for each library of arithmetic.
ENVIRONMENT = {
    'PYTHONHASHSEED': '0',
    'LC_ALL': 'C.UTF-8',
    'TZ': 'UTC',
    'OPENBLAS_NUM_THREADS': '1',
    'OMP_NUM_THREADS': '1',
    'MKL_NUM_THREADS': '1',
}

PROTOCOL = 'flotilla-sandbox/1'
LENGTH_BYTES = 4
MAX_FRAME_BYTES = 8_000_000
# Prints and the frame after them, of one answer.
MAX_ANSWER_BYTES = 4 * MAX_FRAME_BYTES
# The code or the tool results of one question.
MAX_QUESTION_BYTES = 64_000_000
START_S = 60
# Numbers of one size, so that each session's memory is laid out alike.
FIRST_NUMBER = 1_000_000
# Ended sessions are remembered for so long, for the host to ask how.
MEMORY_OF_ENDED_S = 60
SWEEP_S = min(5, IDLE_S)
# A session that waits for less is not crowded out: it may be about to be asked again.
SETTLED_S = 0.5
# For a place.
QUEUE_S = 20
CONNECTION_IDLE_S = 120


class Broken(Exception):
    """The session does not keep to the protocol."""


class Busy(Exception):
    """Every place is taken by a session that is at work."""


class Session:
    def __init__(self, number):
        self.id = secrets.token_urlsafe(18)
        self.number = number
        # Held while it computes.
        self.turn = threading.Lock()
        self.ended = threading.Event()
        self.how = 'SIGKILL'
        # What it did against the protocol, for which it is killed: its program is to blame.
        self.fault = None
        self.used_at = time.monotonic()
        self.left = b''
        self.socket = socket.socket(socket.AF_UNIX)

    def open(self, path):
        self.socket.settimeout(START_S)
        self.socket.connect(path)
        self.socket.sendall(self.number.to_bytes(4, 'little'))
        if self.frame(time.monotonic() + START_S, None) != b'{"t":"ready"}':
            raise Broken('a session that is not ready')

    def kill(self):
        """The zygote's watcher ends the process when its channel is closed."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def end(self, how):
        self.how = self.fault or how
        self.used_at = time.monotonic()
        self.ended.set()
        self.kill()

    def answer(self, question, client):
        """Sends a frame; yields those that come back, up to the one after which the session waits."""
        if self.runs_ahead():
            raise Broken('frames that were not asked for')
        deadline = time.monotonic() + STEP_S
        self.socket.settimeout(STEP_S)
        self.socket.sendall(len(question).to_bytes(LENGTH_BYTES, 'little') + question)
        size = 0
        while True:
            frame = self.frame(deadline, client)
            size += len(frame)
            if size > MAX_ANSWER_BYTES:
                raise Broken('a flood of frames')
            if b'\n' in frame:
                raise Broken('a frame of several lines')
            yield frame
            if not is_print(frame):
                return

    def runs_ahead(self):
        """It has sent more than its last answer."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(self.left) or (bool(poll.poll(0)) and self.socket.recv(1, socket.MSG_PEEK) != b'')

    def frame(self, deadline, client):
        parts, size, needed = [self.left], len(self.left), LENGTH_BYTES
        while True:
            if size >= needed:
                whole = b''.join(parts)
                needed = LENGTH_BYTES + int.from_bytes(whole[:LENGTH_BYTES], 'little')
                if needed > LENGTH_BYTES + MAX_FRAME_BYTES:
                    raise Broken('a frame that is too large')
                if size >= needed:
                    self.left = whole[needed:]
                    return whole[LENGTH_BYTES:needed]
                parts = [whole]
            self.wait(deadline, client)
            part = self.socket.recv(1 << 18)
            if not part:
                raise ConnectionError('the session ended')
            parts.append(part)
            size += len(part)

    def wait(self, deadline, client):
        """Until it says something; as long as the client listens."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        if client is not None:
            poll.register(client, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll(max(0, deadline - time.monotonic()) * 1000)]
            if not ready:
                raise ConnectionError('its time is over')
            if self.socket.fileno() in ready:
                return
            if not client.recv(1, socket.MSG_PEEK):
                raise ConnectionError('the client has gone')
            # It asks ahead of time; that is answered in its turn.
            poll.unregister(client)


class Zygote:
    """One process from which the sessions are forked."""

    def __init__(self):
        # Removed with this object.
        self.folder = tempfile.TemporaryDirectory(prefix='flotilla-sandbox-')
        self.path = os.path.join(self.folder.name, 'socket')
        script = os.path.join(EXECUTORS, 'cpython', 'zygote.py')
        around = [str(MEMORY_MB), str(os.getpid()), *PACKAGES]
        command = [sys.executable, '-s', '-P', '-B', script, 'socket', *around]
        self.process = subprocess.Popen(command, cwd=self.folder.name, env=ENVIRONMENT, stdout=subprocess.PIPE)
        self.lock = threading.Condition()
        self.sessions = {}
        self.next_number = FIRST_NUMBER

    def listen(self):
        if self.process.stdout.readline() != b'ready\n':
            sys.exit('the Python of the sessions did not start; what it said stands above')

    def follow(self):
        """Reads how sessions ended, until the zygote ends."""
        for line in self.process.stdout:
            number, status = map(int, line.split())
            with self.lock:
                session = next((one for one in self.sessions.values() if one.number == number), None)
            if session:
                session.end(told(status))

    def start(self):
        with self.lock:
            until = time.monotonic() + QUEUE_S
            while not self.has_room():
                if time.monotonic() > until:
                    raise Busy
                self.lock.wait(SETTLED_S)
            session = Session(self.next_number)
            self.next_number += 1
            self.sessions[session.id] = session
        try:
            session.open(self.path)
        except (OSError, Broken):
            self.drop(session.id)
            raise
        return session

    def live(self):
        return [one for one in self.sessions.values() if not one.ended.is_set()]

    def has_room(self):
        """At the limit, after the session that waited longest has given its place up."""
        live = self.live()
        if len(live) < MAX_SESSIONS:
            return True
        settled = time.monotonic() - SETTLED_S
        waiting = [one for one in live if not one.turn.locked() and one.used_at < settled]
        if not waiting:
            return False
        oldest = min(waiting, key=lambda one: one.used_at)
        del self.sessions[oldest.id]
        oldest.end('SIGKILL')
        return True

    def find(self, name):
        with self.lock:
            return self.sessions.get(name)

    def drop(self, name):
        with self.lock:
            session = self.sessions.pop(name, None)
            self.lock.notify()
        if session:
            session.end('SIGKILL')

    def counts(self):
        with self.lock:
            live = self.live()
        return {'sessions': len(live), 'computing': sum(one.turn.locked() for one in live)}

    def sweep(self):
        while True:
            time.sleep(SWEEP_S)
            now = time.monotonic()
            with self.lock:
                sessions = list(self.sessions.values())
            for one in sessions:
                limit = MEMORY_OF_ENDED_S if one.ended.is_set() else IDLE_S
                if not one.turn.locked() and now - one.used_at > limit:
                    self.drop(one.id)


def host_name(host):
    """Without port and brackets."""
    return host[1:].split(']')[0] if host.startswith('[') else host.split(':')[0].lower()


def is_address(name):
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return False


def is_print(frame):
    """It goes on computing after one."""
    return frame.startswith(b'{"t": "out"')


def told(status):
    """A wait status as the host reads it: the signal's name, or the exit code."""
    signalled = status & 127
    if not signalled:
        return str(status >> 8)
    try:
        return signal.Signals(signalled).name
    except ValueError:
        return f'signal {signalled}'


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server_version = 'flotilla-sandbox'
    sys_version = ''
    timeout = CONNECTION_IDLE_S
    disable_nagle_algorithm = True
    # Flushed after prints, and by the library after a whole answer.
    wbufsize = -1

    def do_GET(self):
        if self.path == '/health':
            return self.reply(200, {'status': 'ok'})
        if not self.allowed():
            return
        if self.path == '/v1':
            return self.reply(200, described())
        session = self.session()
        if session:
            ended = session.ended.is_set()
            state = 'ended' if ended else 'computing' if session.turn.locked() else 'waiting'
            self.reply(200, {'state': state, 'how': session.how if ended else None})

    def do_POST(self):
        if not self.allowed():
            return
        body = self.body()
        if body is None:
            return
        if self.path == '/v1/sessions':
            return self.create(body)
        session = self.session('/frames')
        if session:
            self.ask(session, body)

    def do_DELETE(self):
        if not self.allowed():
            return
        zygote.drop(self.path.removeprefix('/v1/sessions/'))
        self.reply(204)

    def allowed(self):
        return self.is_ours() and self.has_token()

    def is_ours(self):
        """
        Without a token whatever reaches loopback may run Python here, and so could a web page that a browser on this machine
        has open: by a name that resolves to loopback, or by requests that browsers send without asking. With a token
        neither gets in.
        """
        if TOKEN:
            return True
        name = host_name(self.headers.get('host', ''))
        if len(self.headers.get_all('host', [])) != 1 or not (name == 'localhost' or is_address(name)):
            self.refuse(421, 'without FLOTILLA_SANDBOX_TOKEN ask by address, or as localhost')
        elif self.headers.get('origin') or self.headers.get('sec-fetch-site', 'none') not in ('none', 'same-origin'):
            self.refuse(403, 'without FLOTILLA_SANDBOX_TOKEN no web page may ask')
        elif self.command == 'POST' and self.headers.get_content_type() != 'application/json':
            self.refuse(415, 'send content-type: application/json')
        else:
            return True
        return False

    def has_token(self):
        if not TOKEN or hmac.compare_digest(self.headers.get('authorization', '').encode(), f'Bearer {TOKEN}'.encode()):
            return True
        self.refuse(401, 'the token is not the one of FLOTILLA_SANDBOX_TOKEN here')
        return False

    def body(self):
        length = self.headers.get('content-length', '')
        if not length.isdigit():
            return self.refuse(411, 'content-length is needed')
        if int(length) > MAX_QUESTION_BYTES:
            return self.refuse(413, f'more than {MAX_QUESTION_BYTES} bytes')
        return self.rfile.read(int(length))

    def session(self, ending=''):
        path = self.path
        name = path[len('/v1/sessions/') : len(path) - len(ending)]
        if not path.startswith('/v1/sessions/') or not path.endswith(ending):
            return self.reply(404, {'error': 'there is nothing at this path'})
        return zygote.find(name) or self.reply(410, {'error': 'there is no such session here'})

    def create(self, body):
        try:
            memory_mb = int(json.loads(body)['memoryMb'])
        except (ValueError, TypeError, KeyError):
            return self.reply(400, {'error': 'give memoryMb'})
        if memory_mb < MEMORY_MB:
            what = f'sessions may use {MEMORY_MB} MB here and {memory_mb} MB at the fleet'
            return self.reply(422, {'error': f'{what}: set FLOTILLA_SANDBOX_MEMORY_MB here'})
        try:
            self.reply(201, {'id': zygote.start().id})
        except Busy:
            self.reply(503, {'error': f'all of {MAX_SESSIONS} sessions are at work'})
        except (OSError, Broken) as error:
            self.reply(503, {'error': f'a session did not start: {error}'})

    def ask(self, session, body):
        if session.ended.is_set():
            return self.reply(410, {'error': 'the session has ended'})
        if not session.turn.acquire(blocking=False):
            return self.reply(409, {'error': 'the session computes'})
        try:
            self.stream(session, body)
        finally:
            session.used_at = time.monotonic()
            session.turn.release()

    def stream(self, session, body):
        self.send_response(200)
        self.send_header('content-type', 'application/x-ndjson')
        self.send_header('transfer-encoding', 'chunked')
        self.end_headers()
        try:
            for frame in session.answer(body, self.connection):
                self.wfile.write(b'%x\r\n%b\n\r\n' % (len(frame) + 1, frame))
                if is_print(frame):
                    self.wfile.flush()
        except (OSError, Broken) as error:
            if isinstance(error, Broken):
                session.fault = f'it broke the protocol: {error}'
            session.kill()
            # For the host, which asks next how it ended.
            session.ended.wait(SWEEP_S)
        self.wfile.write(b'0\r\n\r\n')

    def reply(self, status, value=None):
        data = b'' if value is None else json.dumps(value).encode()
        self.send_response(status)
        if status != 204:
            self.send_header('content-type', 'application/json')
            self.send_header('content-length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, message):
        """What the client may still be sending is not read."""
        self.close_connection = True
        self.send_response(status)
        data = json.dumps({'error': message}).encode()
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(data)))
        self.send_header('connection', 'close')
        self.end_headers()
        self.wfile.write(data)

    def handle(self):
        try:
            super().handle()
        except OSError:
            # The client has gone, or said nothing for long.
            self.close_connection = True

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def described():
    version = '.'.join(map(str, sys.version_info[:3]))
    limits = {'memoryMb': MEMORY_MB, 'maxSessions': MAX_SESSIONS, 'stepS': STEP_S, 'idleS': IDLE_S}
    return {'protocol': PROTOCOL, 'python': version, 'packages': PACKAGES, **limits, **zygote.counts()}


def main():
    if not TOKEN and HOST not in ('127.0.0.1', '::1', 'localhost'):
        sys.exit('set FLOTILLA_SANDBOX_TOKEN: anyone who reaches this server may run Python on it')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    zygote.listen()
    server = Server((HOST, PORT), Handler)
    print(f'listening on http://{HOST}:{server.server_address[1]}', flush=True)
    for work in (server.serve_forever, zygote.sweep):
        threading.Thread(target=work, daemon=True).start()
    zygote.follow()
    sys.exit('the Python of the sessions has ended')


if __name__ == '__main__':
    # By the main thread: the zygote ends with the thread that started it.
    zygote = Zygote()
    main()
