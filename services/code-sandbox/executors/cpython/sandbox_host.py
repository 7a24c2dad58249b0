# The channel of a CPython process: frames on a pair of descriptors, a 4-byte little-endian length and JSON
# each; or, if only text can pass, a line of JSON each.
import os
from json import dumps, loads

from sandbox_world import WORLD

LENGTH_BYTES = 4
# The session's program buffers its prints itself; this is for a program that bypasses it.
FLUSH_CHARS = 128


class Channel:
    source = sink = -1
    frame_bytes = 1_000_000
    print_chars = kept = dropped = 0
    printed = ''
    lines = False
    left = b''


CHANNEL = Channel()


def open_on(source, sink):
    CHANNEL.source, CHANNEL.sink = source, sink


def begin(limits):
    # The session's program respects the limit itself, in characters; this is for a program that bypasses it.
    CHANNEL.print_chars, CHANNEL.frame_bytes = 2 * limits['printChars'], limits['frameBytes']
    CHANNEL.kept = CHANNEL.dropped = 0
    CHANNEL.printed = ''


def read(length):
    # Into one buffer: allocations must not depend on the pieces in which a frame arrives (addresses are part
    # of a replay).
    whole = bytearray(length)
    with memoryview(whole) as view:
        at = 0
        while at < length:
            count = os.readv(CHANNEL.source, [view[at:]])
            if count == 0:
                os._exit(0)
            at += count
    return whole


def read_line():
    parts = [CHANNEL.left]
    while b'\n' not in parts[-1]:
        part = os.read(CHANNEL.source, 65536)
        if not part:
            os._exit(0)
        parts.append(part)
    line, _, CHANNEL.left = b''.join(parts).partition(b'\n')
    return line


def receive():
    if CHANNEL.lines:
        return loads(read_line())
    return loads(read(int.from_bytes(read(LENGTH_BYTES), 'little')))


def send(text):
    body = text.encode('utf-8', 'replace')
    data = body + b'\n' if CHANNEL.lines else len(body).to_bytes(LENGTH_BYTES, 'little') + body
    with memoryview(data) as view:
        at = 0
        while at < len(data):
            at += os.write(CHANNEL.sink, view[at:])


def units(text):
    """Length as the host counts it."""
    return len(text) if text.isascii() else len(text.encode('utf-16-le', 'replace')) // 2


def first_units(text, count):
    if text.isascii():
        return text[:count]
    return text.encode('utf-16-le', 'replace')[: count * 2].decode('utf-16-le', 'ignore')


def print(text):
    size, room = units(text), CHANNEL.print_chars - CHANNEL.kept
    part = min(size, room)
    CHANNEL.kept += part
    CHANNEL.dropped += size - part
    if part > 0:
        CHANNEL.printed += text if part == size else first_units(text, part)
    if len(CHANNEL.printed) >= FLUSH_CHARS:
        flush()


def flush():
    if CHANNEL.printed:
        text, CHANNEL.printed = CHANNEL.printed, ''
        send(dumps({'t': 'out', 'text': text}))


def call_tools(calls):
    """[{name, arguments}] → {results: [{ok: true, value} | {ok: false, code, message}]}, both as JSON."""
    flush()
    # The session's program respects the limit itself; this is for a program that bypasses it.
    if len(calls) > CHANNEL.frame_bytes:
        raise ValueError(f'arguments of more than {CHANNEL.frame_bytes} characters')
    if CHANNEL.lines:
        # Only ASCII passes a text channel whole.
        calls = dumps(loads(calls))
    send(f'{{"t":"calls","calls":{calls}}}')
    answer = receive()
    WORLD.set_time(answer['nowMs'])
    return dumps({'results': answer['results']})
