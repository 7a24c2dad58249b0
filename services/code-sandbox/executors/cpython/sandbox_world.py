# Clock and entropy of a CPython process, as the WASI shim has them: the journalled time plus what the program
# slept, and a hash chain over the step's seed. Import it before everything that keeps a reference to what it
# replaces.
#
# C code that reads the system's clock itself (numpy.datetime64('now')) is not covered: a replay that depends
# on it diverges, and is reported as a divergence.
import ctypes
import gc
import hashlib
import os
import time

MS = 1_000_000
LOOK_NS = 1_000


class World:
    now_ms = 0
    elapsed_ns = 0
    seed = 'boot'
    drawn = 0

    def begin(self, now_ms, seed):
        self.set_time(now_ms)
        self.seed, self.drawn = seed, 0

    def set_time(self, now_ms):
        """The clock never runs backwards: a journalled time that is behind what the program slept is ignored."""
        now_ms = round(now_ms)
        if now_ms * MS > self.now_ms * MS + self.elapsed_ns:
            self.now_ms, self.elapsed_ns = now_ms, 0

    def look(self):
        self.elapsed_ns += LOOK_NS
        return self.now_ms * MS + self.elapsed_ns

    def draw(self, length):
        drawn = b''
        while len(drawn) < length:
            drawn += hashlib.sha256(f'{self.seed}:{self.drawn}'.encode()).digest()
            self.drawn += 1
        return drawn[:length]


WORLD = World()
real_gmtime, real_localtime, real_strftime = time.gmtime, time.localtime, time.strftime
real_asctime, real_ctime = time.asctime, time.ctime


def seconds():
    return WORLD.look() / 1e9


def clock(clk_id=None):
    return WORLD.look() / 1e9


def clock_ns(clk_id=None):
    return WORLD.look()


def sleep(secs):
    if secs < 0:
        raise ValueError('sleep length must be non-negative')
    WORLD.elapsed_ns += int(secs * 1e9)


def gmtime(secs=None):
    return real_gmtime(seconds() if secs is None else secs)


def localtime(secs=None):
    return real_localtime(seconds() if secs is None else secs)


def asctime(t=None):
    return real_asctime(localtime() if t is None else t)


def ctime(secs=None):
    return real_ctime(seconds() if secs is None else secs)


def strftime(format, t=None):
    return real_strftime(format, localtime() if t is None else t)


def urandom(size):
    return WORLD.draw(size)


def getrandom(size, flags=0):
    return WORLD.draw(size)


def replace_clock():
    for name in ('time', 'monotonic', 'perf_counter', 'process_time', 'thread_time'):
        setattr(time, name, clock)
        setattr(time, name + '_ns', clock_ns)
    time.clock_gettime, time.clock_gettime_ns = clock, clock_ns
    for replacement in (sleep, gmtime, localtime, asctime, ctime, strftime):
        setattr(time, replacement.__name__, replacement)


def replace_datetime():
    """datetime's C code has a clock of its own. The class keeps its identity: numpy and pandas need it."""
    import datetime

    def now(cls, tz=None):
        return cls.fromtimestamp(seconds(), tz)

    def utcnow(cls):
        return cls.fromtimestamp(seconds(), datetime.timezone.utc).replace(tzinfo=None)

    [names] = gc.get_referents(datetime.datetime.__dict__)
    names['now'], names['utcnow'] = classmethod(now), classmethod(utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))
    if datetime.datetime.now().timestamp() > 1 or datetime.date.today().year != 1970:
        raise RuntimeError("this Python's datetime does not take another clock")


def replace_entropy():
    os.urandom = urandom
    if hasattr(os, 'getrandom'):
        os.getrandom = getrandom
    import random
    import uuid

    real_seed = random.Random.seed

    def seed(self, a=None, version=2):
        real_seed(self, int.from_bytes(WORLD.draw(32)) if a is None else a, version)

    random.Random.seed = seed
    random._urandom = urandom
    random.seed()
    random.seed = random._inst.seed
    uuid._generate_time_safe = uuid._UuidCreate = None
    uuid._GETTERS = []


replace_clock()
replace_datetime()
replace_entropy()
