# Exceptions as data, with the model's own line numbers: frames of these modules are left out.
import traceback

import sandbox_imports
import sandbox_tools
from sandbox_values import clean

MESSAGE_CHARS = 4000
TRACEBACK_CHARS = 8000
FRAMES = 12


def own(frame):
    return frame.filename.startswith('<step-')


def code_of(error, syntax):
    if isinstance(error, MemoryError):
        return 'CODE_MEMORY'
    if syntax and isinstance(error, (SyntaxError, ValueError, RecursionError)):
        return 'CODE_SYNTAX'
    if isinstance(error, (PermissionError, sandbox_imports.ImportNotAllowed)):
        return 'CODE_PERMISSION'
    if isinstance(error, sandbox_tools.LimitExceeded):
        return 'CODE_LIMIT'
    return 'CODE_FAILED'


def text_of(error):
    try:
        return str(error)[:MESSAGE_CHARS]
    except BaseException as raised:
        return f'<str() of the exception failed with {type(raised).__name__}>'


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
        lines = lines_of(error)
    except BaseException:
        lines = f'{type(error).__name__}: {text_of(error)}\n'
    if len(lines) > TRACEBACK_CHARS:
        lines = f'{lines[:TRACEBACK_CHARS // 2]}\n  …\n{lines[-TRACEBACK_CHARS // 2:]}'
    message = text_of(error)
    if advice:
        lines, message = f'{lines.rstrip()}\n{advice}\n', f'{message}\n{advice}'
    return {'code': code_of(error, syntax), 'class': type(error).__name__, 'message': clean(message), 'traceback': clean(lines)}


def told(code, name, message):
    return {'code': code, 'class': name, 'message': message, 'traceback': f'{name}: {message}\n'}


def limit(message):
    return told('CODE_LIMIT', 'LimitExceeded', message)


def misfit(error):
    message = f'final_answer() takes plain data (text, numbers, lists, dicts), not {error.what}: {error.remedy}'
    return told('CODE_FAILED', 'TypeError', message)
