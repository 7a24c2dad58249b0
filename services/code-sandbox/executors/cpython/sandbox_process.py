# A session in a CPython process: loads everything, confines itself, then runs steps until the channel closes.
# Used by the zygote, or run by itself, in a container or on another machine, with the frames on standard input
# and output:
#
#   sandbox_process.py MEMORY_MB frames|lines [PACKAGE…]
import os
import sys

if __name__ == '__main__':
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:0] = [here, os.path.join(os.path.dirname(here), 'python')]

import sandbox_world  # Before everything that keeps a clock.

import gc
import importlib
import mmap
import pkgutil
import select
import signal
import zoneinfo
from json import dumps

import sandbox_host
import sandbox_imports
import sandbox_jail
import sandbox_paths
import sandbox_step

SKIPPED = {'tests', 'testing', 'test', 'conftest', 'distutils', 'f2py', '_examples', '_pyinstaller', 'setup'}
# Beyond the low numbers that programs try.
CHANNEL_FD = 700


def load_packages(names):
    """Optional packages, whole: later there is no file to load from."""
    for name in names:
        try:
            package = importlib.import_module(name)
        except ImportError as error:
            sys.exit(f"the package '{name}' can't be imported by {sys.executable}: {error}")
        sandbox_imports.AVAILABLE.add(name)
        load_below(package)


def load_below(package):
    for _, name, is_package in pkgutil.iter_modules(getattr(package, '__path__', []), f'{package.__name__}.'):
        if name.rpartition('.')[2] in SKIPPED:
            continue
        try:
            module = importlib.import_module(name)
        except BaseException:  # Needs something that is not installed here.
            continue
        if is_package:
            load_below(module)


def load_zones():
    """The system's time zones, if the tzdata package is not installed."""
    for top in () if sandbox_imports.ZONES else zoneinfo.TZPATH:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue
                with open(path, 'rb') as file:
                    data = file.read()
                if data[:4] == b'TZif':
                    sandbox_imports.ZONES.setdefault(os.path.relpath(path, top), data)


def prepare(packages):
    load_packages(packages)
    load_zones()
    sandbox_paths.hide()
    sys.path[:] = []
    sys.path_importer_cache.clear()
    os.environ.clear()
    sandbox_step.step(dumps({'n': 0, 'code': '1', 'seed': 'boot', 'tools': [], 'limits': {'printChars': 100, 'valueChars': 100}}))
    gc.collect()
    gc.freeze()


def forget_the_way_in():
    """Hygiene, not a boundary: names that only this program needs."""
    for name in ('ctypes', '_ctypes', 'ctypes._endian', 'sandbox_jail', 'sandbox_paths', 'sandbox_process'):
        sys.modules.pop(name, None)


def serve(source, sink):
    """Confined from here on. Never returns."""
    sandbox_host.open_on(source, sink)
    forget_the_way_in()
    # Address space, not memory: none of its pages is touched.
    reserve = mmap.mmap(-1, 4_000_000)
    sandbox_host.send('{"t":"ready"}')
    try:
        while True:
            run(sandbox_host.receive())
    except MemoryError:
        reserve.close()
        sandbox_host.send('{"t":"trap","message":"MemoryError","full":true}')
    except BaseException as error:
        sandbox_host.send(dumps({'t': 'trap', 'message': f'{type(error).__name__}: {error}'[:300]}))
    os._exit(9)


def run(frame):
    sandbox_world.WORLD.begin(frame['nowMs'], frame['seed'])
    sandbox_host.begin(frame['limits'])
    seed_numpy(frame['seed'])
    result = sandbox_step.step(dumps(frame))
    sandbox_host.flush()
    sandbox_host.send(f'{{"t":"finished","dropped":{sandbox_host.CHANNEL.dropped},"result":{result}}}')


def seed_numpy(seed):
    numpy = sys.modules.get('numpy')
    if numpy is not None:
        numpy.random.seed(int.from_bytes(seed.encode()) % 2**32)


def watch(pid, channel):
    """Waits for a child; kills it when the host hangs up. Returns its wait status."""
    process = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(channel, select.POLLRDHUP)
    while process not in dict(poll.poll()):
        os.kill(pid, signal.SIGKILL)
        poll.unregister(channel)
    return its_own(os.waitpid(pid, 0)[1])


def its_own(status):
    """A shell reports a signal by an exit code above 127. A program that ends with one was not killed from outside."""
    signalled = status & 127
    return status if signalled or status >> 8 < 128 else 127 << 8


def main(memory_mb, framing, *packages):
    """A child of this process is the session, so that it ends with the channel whatever it does."""
    prepare(packages)
    pid = os.fork()
    if pid:
        sys.exit(ended(watch(pid, 0)))
    os.dup2(0, CHANNEL_FD)
    os.dup2(1, CHANNEL_FD + 1)
    sandbox_jail.close_all_but(2, CHANNEL_FD, CHANNEL_FD + 1)
    sandbox_jail.confine(int(memory_mb) * 1_048_576)
    os.close(2)
    sandbox_host.CHANNEL.lines = framing == 'lines'
    serve(CHANNEL_FD, CHANNEL_FD + 1)


def ended(status):
    """As a shell reports it: 128 plus the signal."""
    signalled = status & 127
    return 128 + signalled if signalled else status >> 8


if __name__ == '__main__':
    main(*sys.argv[1:])
