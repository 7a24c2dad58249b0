# Reading, finding and changing files of the host.

# == open
open(FILE).read()

# == io.open
import io
io.open(FILE).read()

# == _io.FileIO
import _io
_io.FileIO(FILE).read()

# == os.open
import os
os.read(os.open(FILE, os.O_RDONLY), 1000)

# == os.pread at an inherited directory
import os
here = os.open('/', os.O_RDONLY)
os.pread(os.open(FILE[1:], os.O_RDONLY, dir_fd=here), 1000, 0)

# == pathlib
import pathlib
pathlib.Path(FILE).read_text()

# == the real builtins
import sys
sys.modules['builtins'].open(FILE).read()

# == upwards from the working directory
open('../' * 40 + FILE.lstrip('/')).read()

# == a file URL
import urllib.request
urllib.request.urlopen('file://' + FILE).read()

# == linecache
import linecache
linecache.getlines(FILE)

# == the traceback of code that claims to be the file
exec(compile('1 / 0', FILE, 'exec'))

# == the source of a function that claims to be from the file
import inspect
def f(): pass
f.__code__ = f.__code__.replace(co_filename=FILE, co_firstlineno=1)
inspect.findsource(f)

# == a warning that shows its line
import warnings
warnings.formatwarning('x', UserWarning, FILE, 1)

# == a loader's data
import importlib.machinery
importlib.machinery.SourceFileLoader('x', FILE).get_data(FILE)

# == a loader taken from a module
type(__import__('json').__loader__)('x', FILE).get_data(FILE)

# == run as a script
import runpy
runpy.run_path(FILE)

# == imported from its directory
import sys
sys.path.insert(0, DIR)
import canary_module
canary_module.SECRET

# == a spec made from its path
import importlib.util
spec = importlib.util.spec_from_file_location('stolen', DIR + '/canary_module.py')
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.SECRET

# == a path hook of the import system
import sys
finder = [hook for hook in sys.path_hooks if 'path_hook_for' in repr(hook)][0](DIR)
finder.find_spec('canary_module').loader.load_module('canary_module').SECRET

# == a parser's error message
import configparser
configparser.ConfigParser().read(FILE)

# == tokenize
import tokenize
tokenize.open(FILE).read()

# == codecs
import codecs
codecs.open(FILE).read()

# == fileinput
import fileinput
''.join(fileinput.input([FILE]))

# == mmap
import mmap, os
fd = os.open(FILE, os.O_RDONLY)
mmap.mmap(fd, 0, prot=mmap.PROT_READ)[:]

# == an external entity of XML
import xml.sax, xml.sax.handler, io
class Text(xml.sax.handler.ContentHandler):
    said = ''
    def characters(self, content): Text.said += content
parser = xml.sax.make_parser()
parser.setFeature(xml.sax.handler.feature_external_ges, True)
parser.setContentHandler(Text())
parser.parse(io.StringIO(f'<!DOCTYPE d [<!ENTITY e SYSTEM "file://{FILE}">]><d>&e;</d>'))
Text.said

# == the licence printer
import _sitebuiltins
printer = _sitebuiltins._Printer('x', '')
printer._Printer__filenames = [FILE]
repr(printer)

# == doctest of the file
import doctest
doctest._load_testfile(FILE, None, False, 'utf-8')

# == netrc
import netrc
netrc.netrc(FILE)

# == the names in a directory
import os
os.listdir(DIR)

# == scandir
import os
[entry.name for entry in os.scandir(DIR)]

# == glob
import glob
glob.glob(DIR + '/*')

# == walk
import os
list(os.walk(DIR))

# == the target of a link
import os
os.readlink(DIR + '/link')

# == shared memory
open(SHARED).read()

# == a file written
open(DIR + '/written', 'w').write('x')

# == a file appended to
open(FILE, 'a').write('x')

# == os.write
import os
os.write(os.open(DIR + '/written', os.O_CREAT | os.O_WRONLY), b'x')

# == write_text
import pathlib
pathlib.Path(DIR, 'written').write_text('x')

# == a log file
import logging
handler = logging.FileHandler(DIR + '/written')
handler.emit(logging.LogRecord('x', 50, 'x', 1, 'x', (), None))

# == a temporary file
import tempfile
tempfile.mkstemp(dir=DIR)

# == a zip file
import zipfile
with zipfile.ZipFile(DIR + '/written', 'w') as archive: archive.writestr('x', 'x')

# == a database
import sqlite3
sqlite3.connect(DIR + '/written').execute('create table x (x)')

# == a dbm
import dbm.dumb
dbm.dumb.open(DIR + '/written', 'c').close()

# == a copy
import shutil
shutil.copy(FILE, DIR + '/written')

# == a directory made
import os
os.mkdir(DIR + '/written')

# == a link made
import os
os.symlink('x', DIR + '/written')

# == a hard link made
import os
os.link(FILE, DIR + '/written')

# == a pipe made
import os
os.mkfifo(DIR + '/written')

# == a file renamed
import os
os.rename(FILE, DIR + '/written')

# == a file removed
import os
os.unlink(FILE)

# == a tree removed
import shutil
shutil.rmtree(DIR)

# == a file emptied
import os
os.truncate(FILE, 0)

# == a mode changed
import os
os.chmod(FILE, 0o777)

# == a time changed
import os
os.utime(FILE, (1, 1))

# == a compiled file
import py_compile
py_compile.compile(DIR + '/canary_module.py', cfile=DIR + '/written')
