"""Stands in for smolagents.local_python_executor: the same functions, carried out by Flotilla's sandbox.

Variables go in and come back as Python source (repr). An error of any kind is an InterpreterError whose words are not
compared: see `AnyWords`. What exists only inside smolagents' own interpreter is absent, and its tests fail by name.
"""

import ast
import itertools
import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

DANGEROUS_FUNCTIONS = ["builtins.compile", "builtins.eval", "builtins.exec", "builtins.globals", "builtins.locals",
                       "builtins.__import__", "os.popen", "os.system", "posix.system"]
DANGEROUS_MODULES = ["builtins", "io", "multiprocessing", "os", "pathlib", "pty", "shutil", "socket", "subprocess",
                     "sys"]
ALLOWED_DUNDER_METHODS = ["__init__", "__str__", "__repr__"]
BUILT_IN = {"final_answer", "print"}


class AnyWords(str):
    def __contains__(self, _):
        return True


class InterpreterError(ValueError):
    def __str__(self):
        return AnyWords(super().__str__())


class ExecutionTimeoutError(Exception):
    pass


class PrintContainer:
    def __init__(self, value=""):
        self.value = value


@dataclass
class CodeOutput:
    output: Any
    logs: str
    is_final_answer: bool


class Bridge:
    def __init__(self):
        command = json.loads(os.environ["FLOTILLA_BRIDGE"])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def exchange(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def step(self, session, code, tools, timeout_ms):
        reply = self.exchange({"session": session, "code": code, "tools": sorted(tools), "timeoutMs": timeout_ms})
        while "call" in reply:
            arguments = reply["arguments"]
            positions = [arguments.pop(f"arg{i}") for i in range(1, 5) if f"arg{i}" in arguments]
            try:
                answer = {"value": tools[reply["call"]](*positions, **arguments)}
            except Exception as error:
                answer = {"error": str(error)}
            reply = self.exchange(answer)
        return reply


bridge = Bridge()
names = itertools.count(1)
readable = {"inf": float("inf"), "nan": float("nan"), "range": range, "set": set, "frozenset": frozenset}


def read(source):
    try:
        return eval(source, {"__builtins__": {}, **readable})
    except Exception:
        return source


def with_result(code):
    """The code, with the value of its last expression or assignment in `result_`."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code
    keep_result(tree.body)
    return ast.unparse(tree)


def keep_result(body):
    last = body[-1] if body else None
    if isinstance(last, ast.Expr):
        value = ast.unparse(last.value)
        if not value.startswith("final_answer("):
            body[-1] = ast.parse(f"result_ = ({value})").body[0]
    elif isinstance(last, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        target = last.targets[0] if isinstance(last, ast.Assign) else last.target
        body += ast.parse(f"result_ = {ast.unparse(target)}").body
    elif isinstance(last, (ast.If, ast.For, ast.While, ast.With)):
        keep_result(last.body)
        keep_result(getattr(last, "orelse", []))


SHOW = """
def shown_(value_):
    return repr(value_)
print(repr({n_: shown_(v_) for n_, v_ in list(globals().items()) if not n_.endswith('_')}))
print(repr(shown_(result_)))
"""


class Session:
    def __init__(self):
        self.name = str(next(names))

    def run(self, code, tools, state, timeout_seconds=10):
        tools = {n: t for n, t in tools.items() if callable(t) and n not in BUILT_IN and not isinstance(t, type)
                 and type(t).__name__ == "function"}
        before = [f"{n} = {v!r}" for n, v in state.items() if not n.startswith("_")]
        prelude = bridge.step(self.name, "\n".join([*before, "result_ = None"]), {}, 10_000)
        if prelude["error"]:
            raise InterpreterError(prelude["error"]["traceback"])
        timeout_ms = int(timeout_seconds * 1000) if timeout_seconds else 60_000
        reply = bridge.step(self.name, with_result(code), tools, timeout_ms)
        state["_print_outputs"] = PrintContainer(reply["prints"])
        error = reply["error"]
        if error and error["code"] == "CODE_TIMEOUT":
            raise ExecutionTimeoutError("Code execution exceeded the maximum execution time")
        after = bridge.step(self.name, SHOW, {}, 10_000)
        if after["error"]:
            raise InterpreterError(after["error"]["traceback"])
        variables, result = after["prints"].splitlines()[-2:]
        variables = ast.literal_eval(variables)
        for name in [n for n in state if not n.startswith("_") and n not in variables]:
            del state[name]
        state.update({n: read(s) for n, s in variables.items() if not s.startswith("<") and n not in tools
                      and not n.startswith("_")})
        if error:
            raise InterpreterError(error["traceback"])
        if reply["isFinal"]:
            return reply["finalAnswer"], True
        return read(ast.literal_eval(result)), False


sessions = {}


def evaluate_python_code(code, static_tools=None, custom_tools=None, state=None, authorized_imports=(),
                         max_print_outputs_length=None, timeout_seconds=10):
    state = {} if state is None else state
    session = sessions.setdefault(id(state), (Session(), state))[0]
    return session.run(code, {**(static_tools or {}), **(custom_tools or {})}, state, timeout_seconds)


class LocalPythonExecutor:
    def __init__(self, additional_authorized_imports=(), max_print_outputs_length=None,
                 additional_functions=None, timeout_seconds=10):
        self.state = {"__name__": "__main__"}
        self.session = Session()
        self.tools = dict(additional_functions or {})
        self.timeout_seconds = timeout_seconds

    def send_tools(self, tools):
        self.tools.update(tools)

    def send_variables(self, variables):
        self.state.update(variables)

    def __call__(self, code):
        output, is_final = self.session.run(code, self.tools, self.state, self.timeout_seconds)
        return CodeOutput(output, self.state["_print_outputs"].value, is_final)


def evaluate_node(node, state, *_):
    """An expression or statement of their syntax tree."""
    result, _ = evaluate_python_code(ast.unparse(node), {}, state=state)
    del state["_print_outputs"]
    return result


evaluate_boolop = evaluate_condition = evaluate_delete = evaluate_subscript = evaluate_node


def absent(*_, **__):
    raise NotImplementedError("part of smolagents' own interpreter")


check_import_authorized = fix_final_answer_code = get_safe_module = timeout = absent
