# One step: parsed, run in the session's namespace, its outcome as data. Every executor runs this same program; where it runs
# it finds `sandbox_host` (call_tools, print), its way out.
#
# 1. Nothing here is a boundary. The boundary is what is around the interpreter; what these modules forbid is told to the
#    model early and in plain words.
# 2. Same frames in, same bytes out: no clock, no entropy and no address that differs between two instances.
# 3. What a step has changed outside of its variables must not stop the next one: what this program itself needs is put
#    right before each step. A step that fails here, not in its own code, says so (`broken`): the host begins a new session.
import ast
import inspect
import linecache
import sys
import types
import warnings
from json import dumps, loads
from random import seed

import sandbox_errors
import sandbox_imports
import sandbox_loop
from sandbox_advice import Advisor, source_line
from sandbox_names import CALLED, Names
from sandbox_output import OUTPUT
from sandbox_tools import FINAL, FRAME, FinalAnswer, ResetSession
from sandbox_values import RECURSION_LIMIT, Misfit, TooLarge, as_answer, as_shown

FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
NOTHING = {'value': None, 'final': False, 'answer': None, 'error': None}

MAIN = types.ModuleType('__main__')
BUILTINS = sandbox_imports.restricted_builtins()
ORIGINAL_BUILTINS = dict(BUILTINS.__dict__)
MODULES = dict(sys.modules)
MAIN.__dict__['__builtins__'] = BUILTINS
sys.modules['__main__'] = MAIN
G = MAIN.__dict__
NAMES = Names(G)
ORIGINAL_BUILTINS[CALLED] = NAMES.called
ADVISOR = Advisor(NAMES)
recursion_limit = sys.getrecursionlimit()


class Broken(Exception):
    """The session can't run anything: raised where the program of a step is not to blame."""


def show_warning(message, category, filename, lineno, file=None, line=None):
    """As Python does, without the paths of the sandbox, and with what to do."""
    text = str(message)
    where = f'{filename}:{lineno}: ' if filename.startswith('<step-') else ''
    name = text.partition("coroutine '")[2].partition("'")[0]
    remedy = f'; write: await {name}(…)' if 'was never awaited' in text and name else ''
    OUTPUT.write(f'{where}{category.__name__}: {text}{remedy}\n')


def put_right():
    sys.settrace(None)
    sys.setprofile(None)
    sys.setrecursionlimit(RECURSION_LIMIT)
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = OUTPUT
    sys.stdin = None
    for name, module in MODULES.items():
        sys.modules.setdefault(name, module)
    sys.modules['__main__'] = MAIN
    G['__builtins__'] = BUILTINS
    BUILTINS.__dict__.update(ORIGINAL_BUILTINS)
    warnings.showwarning = show_warning
    sandbox_loop.begin()
    FINAL.clear()


def run(node, filename, mode):
    code = compile(node, filename, mode, flags=FLAGS, dont_inherit=True)
    result = eval(code, G)
    if code.co_flags & inspect.CO_COROUTINE:
        return sandbox_loop.LOOP.run_until_complete(result)
    return result


def run_step(tree, filename):
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        run(tree, filename, 'exec')
        return None
    tree.body.pop()
    run(tree, filename, 'exec')
    return run(ast.Expression(last.value), filename, 'eval')


def run_guarded(tree, filename):
    """With the recursion limit that the program has set, until the step ends."""
    global recursion_limit
    try:
        sys.setrecursionlimit(recursion_limit)
    except RecursionError:
        pass
    try:
        return run_step(tree, filename)
    finally:
        recursion_limit = sys.getrecursionlimit()
        sys.setrecursionlimit(RECURSION_LIMIT)
        sys.settrace(None)
        sys.setprofile(None)


def parse(code, filename):
    """The program; raises the errors of its own text, or Broken."""
    try:
        tree = ast.parse(code, filename)
        compile(tree, filename, 'exec', flags=FLAGS, dont_inherit=True)
        NAMES.guard(tree)
        return tree
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError):
        raise
    except BaseException as error:
        raise Broken from error


def perform(request):
    code, filename = request['code'].removeprefix('\ufeff'), f'<step-{request["n"]}>'
    linecache.cache[filename] = (len(code), None, code.splitlines(True), filename)
    NAMES.begin(request['tools'])
    try:
        tree = parse(code, filename)
    except Broken:
        raise
    except BaseException as raised:
        if isinstance(raised, SyntaxError):
            source_line(raised, code)
        return {**NOTHING, 'error': sandbox_errors.describe(raised, ADVISOR.of(raised, code), syntax=True)}
    limit = request['limits']['valueChars']
    value, error = None, None
    try:
        # Showing the value runs code of the program too: its __repr__, its __iter__.
        value = as_shown(run_guarded(tree, filename), limit)
    except FinalAnswer:
        pass
    except ResetSession:
        return {**NOTHING, 'reset': True}
    except BaseException as raised:
        error = None if ended_well(raised) else sandbox_errors.describe(raised, ADVISOR.of(raised, code))
    for name in NAMES.replaced():
        OUTPUT.write(f'[{name} is a name of the sandbox: from the next step on it is that again; give your own function another name]\n')
    # The first final_answer counts even where a bare `except:` swallowed it.
    if FINAL.given:
        return answered(limit)
    if error is not None:
        return {**NOTHING, 'error': error}
    return {**NOTHING, 'value': value}


def ended_well(raised):
    """exit() and exit(0). Asks nothing of the program's own classes."""
    if not issubclass(type(raised), SystemExit):
        return False
    code = SystemExit.code.__get__(raised)
    return type(code) in (type(None), int, bool, str) and not code


def answered(limit):
    try:
        return {**NOTHING, 'final': True, 'answer': as_answer(FINAL.answer, limit)}
    except Misfit as misfit:
        error = sandbox_errors.misfit(misfit)
    except TooLarge:
        error = sandbox_errors.limit(f'final_answer() was given a value of more than {limit:,} characters')
    except BaseException as raised:
        # Of the program's own __str__, __iter__ and the like.
        error = sandbox_errors.describe(raised)
    finally:
        # Here, not in the next step: a deep value overflows the stack where it is deleted.
        FINAL.clear()
    return {**NOTHING, 'error': error}


def step(request):
    """{n, code, seed, tools, limits} → {value, final, answer, error}, and `broken` or `reset`; both as JSON."""
    put_right()
    try:
        request = loads(request)
        seed(request['seed'])
        OUTPUT.begin(request['limits']['printChars'])
        FRAME.chars = request['limits'].get('frameBytes', FRAME.chars)
        outcome = dumps(perform(request))
        OUTPUT.finish()
        return outcome
    except BaseException as raised:
        error = sandbox_errors.describe(raised.__cause__ if isinstance(raised, Broken) else raised)
        return dumps({**NOTHING, 'error': error, 'broken': True})
