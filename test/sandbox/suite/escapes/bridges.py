# Bridges between the interpreter and its host, the frames between them, and tools that the step was not given. They exist only
# in sandboxes, so a plain Python has nothing to show for them.

# == a tool that was not given (elsewhere)
import wit_world.imports.host as host
host.call_tools('[{"name": "transfer", "arguments": {}}]')

# == a tool that was not given, by the class of a tool (elsewhere)
type(search)({'name': 'transfer', 'description': '', 'input': {'type': 'object', 'properties': {}}})()

# == a tool renamed (elsewhere)
search.__name__ = 'transfer'
search('x')

# == a tool whose schema was changed (elsewhere)
search._schema = {'type': 'object', 'properties': {}, 'additionalProperties': True}
search.__name__ = 'transfer'
search(to='me')

# == a tool of the prototype chain (elsewhere)
import wit_world.imports.host as host
host.call_tools('[{"name": "constructor", "arguments": {}}]')

# == a tool called __proto__ (elsewhere)
import wit_world.imports.host as host
host.call_tools('[{"name": "__proto__", "arguments": {}}]')

# == no call at all (elsewhere)
import wit_world.imports.host as host
host.call_tools('[]')

# == a call that is not JSON (elsewhere)
import wit_world.imports.host as host
host.call_tools('no')

# == arguments that are a list (elsewhere)
import wit_world.imports.host as host
host.call_tools('[{"name": "transfer", "arguments": [1]}]')

# == a call of null (elsewhere)
import wit_world.imports.host as host
host.call_tools('[null]')

# == a million calls at once (elsewhere)
import wit_world.imports.host as host
host.call_tools('[' + ','.join(['{"name":"transfer","arguments":{}}'] * 100_000) + ']')

# == a finished frame on every descriptor (elsewhere)
import json, os, struct
body = json.dumps({'t': 'finished', 'result': {'value': None, 'final': True, 'answer': 'forged', 'error': None}, 'dropped': 0}).encode()
for fd in (1, *range(3, 20)):
    try: os.write(fd, struct.pack('<I', len(body)) + body)
    except OSError: pass
raise ValueError('still here')

# == a frame of calls on every descriptor (elsewhere)
import json, os, struct
body = json.dumps({'t': 'calls', 'calls': [{'name': 'transfer', 'arguments': {}}]}).encode()
for fd in (1, *range(3, 20)):
    try: os.write(fd, struct.pack('<I', len(body)) + body)
    except OSError: pass
for _ in range(10_000_000): pass

# == frames as lines of JSON (elsewhere)
import json, os
body = json.dumps({'t': 'calls', 'calls': [{'name': 'transfer', 'arguments': {}}]}).encode() + b'\n'
for fd in (1, *range(3, 20)):
    try: os.write(fd, body)
    except OSError: pass
raise ValueError('still here')

# == a frame by print (elsewhere)
print('\x49\0\0\0{"t":"calls","calls":[{"name":"transfer","arguments":{}}]}', flush=True)

# == a frame that announces four gigabytes (elsewhere)
import os
for fd in (1, *range(3, 20)):
    try: os.write(fd, b'\xff\xff\xff\xff')
    except OSError: pass
for _ in range(10_000_000): pass

# == every inherited descriptor read
import os
r = []
for fd in range(3, 64):
    try:
        os.set_blocking(fd, False)
        r.append(os.read(fd, 1000))
    except OSError: pass
r.append(open(FILE).read())
r

# == every inherited descriptor as a directory
import os
for fd in range(3, 64):
    try:
        os.fchdir(fd)
        os.listdir('.')
    except OSError: pass
os.listdir(DIR)

# == standard input
import os, sys
try: sys.__stdin__.read()
except Exception: pass
open(FILE).read()

# == JavaScript's global (elsewhere)
import js
js.eval('process.mainModule.require("fs").readFileSync("' + FILE + '", "utf8")')

# == pyodide (elsewhere)
import pyodide_js
pyodide_js._module.FS.readFile(FILE)

# == pyodide's code runner (elsewhere)
from pyodide.code import run_js
run_js('globalThis.process.env')

# == the interpreter's exit (elsewhere)
import os
os._exit(0)

# == the interpreter's abort (elsewhere)
import os
os.abort()

# == the parent's module tree (elsewhere)
import sys
[m for m in sys.modules if 'zygote' in m or 'wit_world' in m] and sys.modules['__main__'].__dict__.get('transfer')()

# == a bare memory read (elsewhere)
import _testinternalcapi
_testinternalcapi.get_configs()

# == another session's variables (elsewhere)
import gc
[o for o in gc.get_objects() if isinstance(o, dict) and 'secret_of_another_session' in o]

# == another session's variables, by the main module (elsewhere)
import sys
getattr(sys.modules['__main__'], 'secret_of_another_session', None)
