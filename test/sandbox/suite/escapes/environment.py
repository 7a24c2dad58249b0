# The environment of the host's process, and what /proc tells of processes.

# == os.environ
import os
dict(os.environ)

# == os.environb
import os
os.environb[ENV.encode()]

# == getenv
import os
os.getenv(ENV)

# == expandvars
import os
os.path.expandvars('$' + ENV)

# == posix.environ
import posix
posix.environ

# == a format string on os
import os
'{0.environ}'.format(os)

# == a format string through a class's globals
import os
class A:
    def __init__(self): pass
'{0.__init__.__globals__[os].environ}'.format(A())

# == a format string through sys.modules
import warnings
'{0.sys.modules[os].environ}'.format(warnings)

# == string.Formatter
import os, string
string.Formatter().get_field('0.environ', (os,), {})[0]

# == attrgetter
import logging, operator
operator.attrgetter('os.environ')(logging)

# == an argument's default
import os
def f(x=os.environ): return x
dict(f.__defaults__[0])

# == a shell's expansion
import os
os.popen('echo $' + ENV).read()

# == ctypes.getenv
import ctypes
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
libc.getenv(ENV.encode())

# == the C array of the environment
import ctypes
array = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), 'environ')
import itertools
list(itertools.takewhile(bool, (array[i] for i in range(1000))))

# == /proc/self/environ
open('/proc/self/environ', 'rb').read()

# == /proc/thread-self/environ
open('/proc/thread-self/environ', 'rb').read()

# == the root of the parent
import os
open(f'/proc/{os.getppid()}/root{FILE}').read()

# == another process's environment
open(f'/proc/{PID}/environ', 'rb').read()

# == another process's command line
open(f'/proc/{PID}/cmdline', 'rb').read()

# == every process's command line
import glob
seen = []
for path in glob.glob('/proc/[0-9]*/cmdline'):
    try: seen.append(open(path, 'rb').read())
    except OSError: pass
[text for text in seen if b'canary-' in text]

# == every process's environment
import glob
seen = []
for path in glob.glob('/proc/[0-9]*/environ'):
    try: seen.append(open(path, 'rb').read())
    except OSError: pass
[text for text in seen if ENV.encode() in text]

# == the root as /proc shows it
open('/proc/self/root' + FILE).read()

# == the root of another process
open(f'/proc/{PID}/root{FILE}').read()

# == the working directory of another process
open(f'/proc/{PID}/cwd/../../../../../../../..{FILE}').read()
