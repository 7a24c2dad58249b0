# One step: parsed, run in the session's namespace, its outcome as data. Every executor runs this same program; where it runs
# it finds `sandbox_host` (call_tools, print), its way out.
#
# 1. Nothing here is a boundary. The boundary is what is around the interpreter; what these modules forbid is told to the
#    model early and in plain words.
# 2. Same frames in, same bytes out: no clock, no entropy and no address that differs between two instances.
import ast
import inspect
import io
import json
import linecache
import random
import sys
import types

import sandbox_errors
import sandbox_host
import sandbox_imports
from sandbox_loop import LOOP
from sandbox_tools import FINAL, FinalAnswer, NAMES, Tool
from sandbox_values import clean, misfit, to_value, too_large

FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class Output(io.TextIOBase):
    encoding = 'utf-8'

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f'write() argument must be str, not {type(text).__name__}')
        sandbox_host.print(clean(text))
        return len(text)


MAIN = types.ModuleType('__main__')
MAIN.__dict__.update(NAMES, __builtins__=sandbox_imports.restricted_builtins())
sys.modules['__main__'] = MAIN
G = MAIN.__dict__


def run(node, filename, mode):
    code = compile(node, filename, mode, flags=FLAGS, dont_inherit=True)
    result = eval(code, G)
    if code.co_flags & inspect.CO_COROUTINE:
        return LOOP.run_until_complete(result)
    return result


def run_step(tree, filename):
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        run(tree, filename, 'exec')
        return None
    tree.body.pop()
    run(tree, filename, 'exec')
    return run(ast.Expression(last.value), filename, 'eval')


def perform(request):
    code, filename = request['code'], f'<step-{request["n"]}>'
    limit = request['limits']['valueChars']
    linecache.cache[filename] = (len(code), None, code.splitlines(True), filename)
    for spec in request['tools']:
        G[spec['name']] = Tool(spec)
    value, error = None, None
    try:
        tree = ast.parse(code, filename)
        compile(tree, filename, 'exec', flags=FLAGS, dont_inherit=True)
    except BaseException as raised:
        return {'value': None, 'final': False, 'answer': None, 'error': sandbox_errors.describe(raised, syntax=True)}
    try:
        value = run_step(tree, filename)
    except FinalAnswer:
        pass
    except BaseException as raised:
        error = sandbox_errors.describe(raised)
    # The first final_answer counts even where a bare `except:` swallowed it.
    if FINAL.given:
        unfit = misfit(FINAL.answer)
        answer = None if unfit else to_value(FINAL.answer, limit)
        if not unfit and not too_large(answer):
            return {'value': None, 'final': True, 'answer': answer, 'error': None}
        if unfit:
            error = sandbox_errors.misfit(*unfit)
        else:
            error = sandbox_errors.limit(f'final_answer() was given a value of more than {limit:,} characters')
    if error is not None:
        return {'value': None, 'final': False, 'answer': None, 'error': error}
    shown = to_value(value, limit)
    return {'value': str(shown) if too_large(shown) else shown, 'final': False, 'answer': None, 'error': None}


def step(request):
    """{n, code, seed, tools, limits} → {value, final, answer, error}, both as JSON."""
    request = json.loads(request)
    random.seed(request['seed'])
    FINAL.clear()
    sys.stdout = sys.stderr = Output()
    sys.stdin = None
    try:
        return json.dumps(perform(request))
    except BaseException as raised:
        error = sandbox_errors.describe(raised)
        return json.dumps({'value': None, 'final': False, 'answer': None, 'error': error})
