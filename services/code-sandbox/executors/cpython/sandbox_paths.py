# Hides where Python and this program are installed: tracebacks, `__file__` and the interpreter's settings would
# show a user's name and directories to the model. What is shown instead is as in WebAssembly.
import _imp
import gc
import importlib.machinery
import os
import site
import sys
import types

# They say nothing of a machine.
STANDARD = {'/', '/usr', '/usr/local', '/usr/bin', '/usr/lib', '/usr/local/lib'}
PYTHON, SANDBOX = '/python', '/sandbox'
LOADED_BY = (importlib.machinery.ModuleSpec, importlib.machinery.SourceFileLoader, importlib.machinery.ExtensionFileLoader)


def places():
    """[(directory, what is shown)], the longest first."""
    sources = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    library = os.path.dirname(os.path.abspath(os.__file__))
    python = {library, sys.prefix, sys.base_prefix, sys.exec_prefix, site.getuserbase(), *sys.path}
    found = {sources: SANDBOX, **dict.fromkeys(filter(os.path.isabs, python), PYTHON)}
    shown = {form: name for path, name in found.items() for form in (path, os.path.realpath(path)) if form not in STANDARD}
    return sorted(shown.items(), key=lambda place: -len(place[0]))


class Hider:
    def __init__(self):
        self.places = places()

    def shown(self, text):
        if '/' not in text:
            return text
        for path, name in self.places:
            if path in text:
                text = text.replace(path, name)
        return text

    def hide_in_code(self, code):
        shown = self.shown(code.co_filename)
        if shown != code.co_filename:
            _imp._fix_co_filename(code, shown)

    def hide_in_dict(self, found):
        for key, value in list(found.items()):
            if type(value) is str and (shown := self.shown(value)) is not value:
                found[key] = shown

    def hide_in_list(self, found):
        for at, value in enumerate(found):
            if type(value) is str and (shown := self.shown(value)) is not value:
                found[at] = shown

    def hide_in_attributes(self, found):
        for name, value in list(vars(found).items()):
            if type(value) is str and (shown := self.shown(value)) is not value:
                setattr(found, name, shown)

    def hide_in(self, found):
        kind = type(found)
        if kind is types.FunctionType:
            self.hide_in_code(found.__code__)
        elif kind is dict:
            self.hide_in_dict(found)
        elif kind is list:
            self.hide_in_list(found)
        elif issubclass(kind, LOADED_BY):
            self.hide_in_attributes(found)


def reachable(own):
    """Every object that the collector knows, and what these refer to: it does not know a dict that holds text only."""
    seen = {id(one) for one in own}
    todo = gc.get_objects()
    while todo:
        found = todo.pop()
        if id(found) in seen or type(found) in (str, bytes, int):
            continue
        seen.add(id(found))
        yield found
        todo += gc.get_referents(found)


def hide():
    """Called when everything is loaded. Text within tuples and most objects stays."""
    hider = Hider()
    sys.argv[:] = sys.orig_argv[:] = []
    sys.executable = sys._base_executable = ''
    frame = sys._getframe()
    while frame:
        hider.hide_in_code(frame.f_code)
        frame = frame.f_back
    for found in reachable([vars(hider), hider.places]):
        hider.hide_in(found)
