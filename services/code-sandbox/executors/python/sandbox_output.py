# What a step prints: gathered here, because each way out costs, the first of it shortly, for a step that never ends. Of too much, the head and the tail are kept, because the
# result stands at the end.
import io

import sandbox_host
from sandbox_values import clean

FIRST_CHARS, FLUSH_CHARS = 128, 8_192
# Of the limit: for the note between head and tail, and the share of the tail.
NOTE_CHARS = 100
TAIL_SHARE = 3


class Output(io.TextIOBase):
    encoding = 'utf-8'
    errors = 'replace'

    def __init__(self):
        self.begin(FLUSH_CHARS)

    def begin(self, limit):
        self.tail_chars = max(0, limit - NOTE_CHARS) // TAIL_SHARE
        self.room = max(0, limit - NOTE_CHARS - self.tail_chars)
        self.parts, self.size, self.enough = [], 0, FIRST_CHARS
        self.tail, self.tail_size, self.left_out = [], 0, 0

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f'write() argument must be str, not {type(text).__name__}')
        # A subclass may slice and count in its own way.
        text = str.__str__(text)
        head = text[: self.room]
        if head:
            self.room -= len(head)
            self.parts.append(head)
            self.size += len(head)
            if self.size >= self.enough or self.room == 0:
                self.enough = min(2 * self.enough, FLUSH_CHARS)
                self.drain()
        if len(head) < len(text):
            self.keep(text[len(head) :])
        return len(text)

    def keep(self, text):
        self.tail.append(text)
        self.tail_size += len(text)
        if self.tail_size > 2 * self.tail_chars + FLUSH_CHARS:
            self.cut_tail()

    def cut_tail(self):
        tail = ''.join(self.tail)
        kept = tail[max(0, len(tail) - self.tail_chars) :]
        self.left_out += len(tail) - len(kept)
        self.tail, self.tail_size = [kept], len(kept)

    def drain(self):
        """To the host: what was printed so far, of the head."""
        if self.parts:
            text, self.parts, self.size = ''.join(self.parts), [], 0
            sandbox_host.print(clean(text))

    def finish(self):
        """The tail too: the step is over."""
        self.cut_tail()
        if self.left_out:
            self.parts.append(f'\n[… {self.left_out} characters left out …]\n')
        self.parts += self.tail
        self.tail, self.tail_size, self.left_out = [], 0, 0
        self.drain()


OUTPUT = Output()
