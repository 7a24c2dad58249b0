# A session in a CPython process: everything loaded, then confined, then steps until the channel closes. Run by itself
# (`sandbox_process.py MEMORY_MB [PACKAGE…]`: in a container, frames on standard input and output) or by the zygote.
import os
import sys

import sandbox_world  # Before everything that keeps a clock.

import gc
import importlib
import json
import pkgutil
import zoneinfo

import sandbox_host
import sandbox_imports
import sandbox_jail
import sandbox_step

SKIPPED = {'tests', 'testing', 'test', 'conftest', 'distutils', 'f2py', '_examples', '_pyinstaller', 'setup'}
# Out of the way of programs that try every low one.
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
    """The system's time zones, where the tzdata package is not installed."""
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
    sys.path[:] = []
    sys.path_importer_cache.clear()
    os.environ.clear()
    sandbox_step.step(json.dumps({'n': 0, 'code': '1', 'seed': 'boot', 'tools': [], 'limits': {'valueChars': 100}}))
    gc.collect()
    gc.freeze()


def forget_the_way_in():
    """Hygiene, not a boundary: names that only this program needs."""
    for name in ('ctypes', '_ctypes', 'ctypes._endian', 'sandbox_jail', 'sandbox_process'):
        sys.modules.pop(name, None)


def serve(source, sink):
    """Confined from here on. Never returns."""
    sandbox_host.open_on(source, sink)
    forget_the_way_in()
    reserve = bytearray(2_000_000)
    sandbox_host.send('{"t":"ready"}')
    try:
        while True:
            run(sandbox_host.receive())
    except MemoryError:
        reserve.clear()
        sandbox_host.send('{"t":"trap","message":"MemoryError","full":true}')
    except BaseException as error:
        sandbox_host.send(json.dumps({'t': 'trap', 'message': f'{type(error).__name__}: {error}'[:300]}))
    os._exit(9)


def run(frame):
    sandbox_world.WORLD.begin(frame['nowMs'], frame['seed'])
    sandbox_host.begin(frame['limits'])
    seed_numpy(frame['seed'])
    result = sandbox_step.step(json.dumps(frame))
    sandbox_host.flush()
    sandbox_host.send(f'{{"t":"finished","dropped":{sandbox_host.CHANNEL.dropped},"result":{result}}}')


def seed_numpy(seed):
    numpy = sys.modules.get('numpy')
    if numpy is not None:
        numpy.random.seed(int.from_bytes(seed.encode()) % 2**32)


def main(memory_mb, *packages):
    prepare(packages)
    os.dup2(0, CHANNEL_FD)
    os.dup2(1, CHANNEL_FD + 1)
    sandbox_jail.close_all_but(CHANNEL_FD, CHANNEL_FD + 1)
    sandbox_jail.confine(int(memory_mb) * 1_048_576)
    serve(CHANNEL_FD, CHANNEL_FD + 1)
