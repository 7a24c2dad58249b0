# What a step may import: AUTHORISED is the one list, the prompt's is generated from it. Everything is loaded while the
# artefact is built: at run time there is no file to load from.
import importlib
import builtins
import inspect
import io
import os
import sys
import types

import sandbox_loop

AUTHORISED = (
    'abc array ast asyncio base64 binascii bisect calendar cmath collections colorsys concurrent configparser contextlib copy csv '
    'dataclasses datetime decimal difflib email enum fnmatch fractions functools gettext graphlib hashlib heapq hmac html inspect io '
    'ipaddress itertools json keyword locale logging math numbers operator os pathlib pprint queue random re reprlib secrets shlex '
    'statistics string struct sys textwrap time timeit tomllib traceback types typing unicodedata urllib uuid warnings weakref xml '
    'zlib zoneinfo'
).split()
SUBMODULES = (
    'collections.abc concurrent.futures email.message email.utils email.mime.text html.entities html.parser importlib.resources logging.handlers os.path urllib.parse '
    'xml.dom.minidom xml.etree.ElementTree xml.sax.saxutils encodings.idna encodings.latin_1 encodings.ascii encodings.cp1252 '
    'encodings.cp437 encodings.iso8859_15 encodings.punycode encodings.utf_16 encodings.utf_32 encodings.utf_8_sig encodings.unicode_escape '
    '_strptime _pydecimal encodings.raw_unicode_escape encodings.utf_16_le encodings.utf_16_be tracemalloc stringprep '
    # What functions of these modules import when they are called.
    '_ast_unparse _pylong email.generator email.mime.multipart xml.dom.expatbuilder xml.dom.pulldom xml.sax.expatreader '
    'encodings.utf_7 encodings.hex_codec encodings.base64_codec encodings.zlib_codec encodings.quopri_codec encodings.rot_13 '
    'encodings.big5 encodings.euc_jp encodings.euc_kr encodings.gb18030 encodings.gb2312 encodings.gbk encodings.iso2022_jp '
    'encodings.shift_jis encodings.cp932 encodings.cp949 encodings.cp950 encodings.koi8_r encodings.koi8_u encodings.mac_roman '
    'encodings.cp850 encodings.cp852 encodings.cp866 encodings.cp1250 encodings.cp1251 encodings.cp1253 encodings.cp1254 '
    'encodings.cp1255 encodings.cp1256 encodings.cp1257 encodings.cp1258 encodings.iso8859_1 encodings.iso8859_2 '
    'encodings.iso8859_3 encodings.iso8859_4 encodings.iso8859_5 encodings.iso8859_6 encodings.iso8859_7 encodings.iso8859_8 '
    'encodings.iso8859_9 encodings.iso8859_10 encodings.iso8859_13 encodings.iso8859_14 encodings.iso8859_16'
).split()


def load(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


AVAILABLE = {name for name in AUTHORISED if load(name)}
for module in SUBMODULES:
    load(module)


def load_zones():
    """Time zones of the tzdata package, kept in memory: zoneinfo would look for files."""
    try:
        import tzdata
    except ImportError:
        return {}
    top = os.path.join(os.path.dirname(tzdata.__file__), 'zoneinfo')
    zones = {}
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, 'rb') as file:
                data = file.read()
            if data[:4] == b'TZif':
                zones[os.path.relpath(path, top)] = data
    return zones


ZONES = load_zones()


def load_tzdata(key):
    import zoneinfo
    if key not in ZONES:
        raise zoneinfo.ZoneInfoNotFoundError(f'No time zone found with key {key}')
    return io.BytesIO(ZONES[key])


import zoneinfo._common

zoneinfo._common.load_tzdata = load_tzdata
zoneinfo.available_timezones = lambda: set(ZONES)

def without_network():
    """What would open a connection says so, instead of how its last layer fails here."""
    import urllib.request

    urllib.request.urlopen = urllib.request.urlretrieve = sandbox_loop.no_network
    urllib.request.OpenerDirector.open = sandbox_loop.no_network


without_network()
real_import = builtins.__import__


class ImportNotAllowed(ImportError):
    """An ImportError, so that `except ImportError:` takes the program's other way."""

    __module__ = 'builtins'


def restricted_import(name, globals=None, locals=None, fromlist=(), level=0):
    top = name.partition('.')[0]
    # C code imports internals (`_strptime`) in the name of the frame that called it.
    if level == 0 and globals is not None and globals.get('__name__') == '__main__' and top not in AVAILABLE and top[:1] != '_':
        raise ImportNotAllowed(f"'{top}' can't be imported here", name=top)
    return real_import(name, globals, locals, fromlist, level)


def refuse(what, remedy):
    def refused(*args, **kwargs):
        raise PermissionError(f'{what} is not available in the sandbox; {remedy}')
    refused.__name__ = refused.__qualname__ = what
    return refused


def show_help(*args):
    if len(args) != 1:
        print('help(f) shows the signature and the description of f. The tools are called as functions.')
        return
    try:
        head = f'{args[0].__name__}{inspect.signature(args[0])}'
    except (AttributeError, TypeError, ValueError):
        head = repr(args[0])
    print(f'{head}\n    {inspect.getdoc(args[0]) or "(no description)"}')


def leave(code=None):
    raise SystemExit(code)


show_help.__name__ = show_help.__qualname__ = 'help'
leave.__name__ = leave.__qualname__ = 'exit'


def restricted_builtins():
    names = dict(builtins.__dict__)
    names['__import__'] = restricted_import
    names['open'] = refuse('open()', 'there are no files: keep it in a variable, or use the given tools')
    names['input'] = refuse('input()', 'nobody is there to answer: use the given tools')
    names['breakpoint'] = refuse('breakpoint()', 'print what you want to see')
    names.update(help=show_help, exit=leave, quit=leave)
    module = types.ModuleType('builtins')
    module.__dict__.update(names)
    return module
