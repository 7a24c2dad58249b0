# Exceptions as data, with the model's own line numbers: frames of these modules are left out.
import traceback

import sandbox_imports
import sandbox_tools
from sandbox_values import clean

MESSAGE_CHARS = 4000
TRACEBACK_CHARS = 8000
NAME_CHARS = 200
FRAMES = 12
# A MemoryError of Python's parser, whatever memory there is.
TOO_COMPLEX = 'Parser stack overflowed'


def own(frame):
    return frame.filename.startswith('<step-')


def code_of(error, syntax):
    if isinstance(error, MemoryError) and not text_of(error).startswith(TOO_COMPLEX):
        return 'CODE_MEMORY'
    if syntax and isinstance(error, (SyntaxError, ValueError, RecursionError, MemoryError)):
        return 'CODE_SYNTAX'
    if isinstance(error, (PermissionError, sandbox_imports.ImportNotAllowed)):
        return 'CODE_PERMISSION'
    if isinstance(error, sandbox_tools.LimitExceeded):
        return 'CODE_LIMIT'
    return 'CODE_FAILED'


def text_of(error):
    try:
        # str() may give an instance of a subclass.
        return str.__str__(str(error))[:MESSAGE_CHARS]
    except BaseException as raised:
        return f'<str() of the exception failed with {name_of(type(raised))}>'


def lines_of(error):
    report = traceback.TracebackException.from_exception(error, limit=-200, compact=True)
    todo = [report]
    while todo:
        part = todo.pop()
        frames = list(part.stack)
        # What happens inside the standard library stays; what these modules add at either end goes.
        first = next((i for i, frame in enumerate(frames) if own(frame)), len(frames))
        kept = [frame for frame in frames[first:] if 'sandbox_' not in frame.filename]
        part.stack = traceback.StackSummary.from_list(kept[-FRAMES:])
        todo += [p for p in (part.__cause__, part.__context__) if p is not None]
        todo += part.exceptions or []
    return ''.join(report.format())


def describe(error, advice=None, syntax=False):
    try:
        return described(error, advice, syntax)
    except BaseException as raised:
        # Of the program's own: a property of its exception, or of that one's class.
        code = 'CODE_MEMORY' if issubclass(type(error), MemoryError) else 'CODE_FAILED'
        return told(code, name_of(type(error)), f'<it can\'t be shown: that failed with {name_of(type(raised))}>')


def name_of(kind):
    """As the class has it, whatever its metaclass says."""
    return type.__dict__['__name__'].__get__(kind)[:NAME_CHARS]


def described(error, advice, syntax):
    try:
        lines = lines_of(error)
    except BaseException:
        lines = f'{name_of(type(error))}: {text_of(error)}\n'
    if len(lines) > TRACEBACK_CHARS:
        lines = f'{lines[:TRACEBACK_CHARS // 2]}\n  …\n{lines[-TRACEBACK_CHARS // 2:]}'
    message = text_of(error)
    if advice:
        lines, message = f'{lines.rstrip()}\n{advice}\n', f'{message}\n{advice}'
    return {'code': code_of(error, syntax), 'class': name_of(type(error)), 'message': clean(message), 'traceback': clean(lines)}


def told(code, name, message):
    return {'code': code, 'class': name, 'message': message, 'traceback': f'{name}: {message}\n'}


def limit(message):
    return told('CODE_LIMIT', 'LimitExceeded', message)


def misfit(error):
    message = f'final_answer() takes plain data (text, numbers, lists, dicts), not {error.what}: {error.remedy}'
    return told('CODE_FAILED', 'TypeError', message)
