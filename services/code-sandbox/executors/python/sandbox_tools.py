# Tools as Python functions: `search("x")` calls at once; `search.later("x")` is for `await`, asyncio.gather and parallel().
import asyncio
import inspect
import json
import keyword

import sandbox_host
from sandbox_loop import LOOP, pending
from sandbox_values import plain


class ToolError(RuntimeError):
    """A tool failed. `code` is its code in the error table."""

    __module__ = 'builtins'

    def __init__(self, message, code='TOOL_FAILED', tool=None):
        super().__init__(message)
        self.code = code
        self.tool = tool


class LimitExceeded(BaseException):
    """The step made too many tool calls. Not an Exception, so that a loop that retries for ever ends."""

    __module__ = 'builtins'


class FinalAnswer(BaseException):
    __module__ = 'builtins'


class Final:
    given = False
    answer = None

    def clear(self):
        self.given, self.answer = False, None


FINAL = Final()


def final_answer(answer=None):
    """Ends the task with this answer. The first one counts."""
    if not FINAL.given:
        FINAL.given, FINAL.answer = True, answer
    raise FinalAnswer(answer)


def bind(name, schema, args, kwargs):
    """Positional and keyword arguments → an object by the schema's property order; TypeError as Python words it."""
    properties = schema.get('properties') or {}
    names = list(properties)
    if len(args) > len(names):
        raise TypeError(f'{name}() takes at most {len(names)} arguments ({len(args)} given): {", ".join(names) or "none"}')
    bound = dict(zip(names, args))
    for key, value in kwargs.items():
        if key in bound:
            raise TypeError(f"{name}() got multiple values for argument '{key}'")
        if key not in properties and not schema.get('additionalProperties', False):
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'; it takes: {', '.join(names) or 'none'}")
        bound[key] = value
    missing = [key for key in schema.get('required') or () if key not in bound and 'default' not in properties.get(key, {})]
    if missing:
        raise TypeError(f"{name}() missing required argument{'s' * (len(missing) > 1)}: {', '.join(map(repr, missing))}")
    for key, value in properties.items():
        if key not in bound and isinstance(value, dict) and 'default' in value:
            bound[key] = value['default']
    for key, value in bound.items():
        try:
            json.dumps(value, allow_nan=False, default=plain)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name}() argument '{key}' can't be sent as JSON: {error}") from None
    return bound


def perform(calls):
    """Makes calls together. Returns (value, None) or (None, error) for each."""
    if not calls:
        return []
    answer = json.loads(sandbox_host.call_tools(json.dumps([{'name': c.name, 'arguments': c.arguments} for c in calls], default=plain)))
    return [outcome(call, result) for call, result in zip(calls, answer['results'], strict=True)]


def outcome(call, result):
    if result['ok']:
        return result['value'], None
    if result['code'] == 'CODE_LIMIT':
        return None, LimitExceeded(result['message'])
    return None, ToolError(f'{call.name}: {result["message"]}', result['code'], call.name)


class ToolCall:
    """A call not made yet: await it, or pass it to parallel() or asyncio.gather()."""

    def __init__(self, name, arguments):
        self.name = name
        self.arguments = arguments

    def __await__(self):
        future = asyncio.get_running_loop().create_future()
        pending.append((self, future))
        return (yield from future)

    def __repr__(self):
        return f'<call of {self.name} not made yet>'


class Tool:
    def __init__(self, spec):
        self._schema = spec['input']
        self.__name__ = self.__qualname__ = spec['name']
        self.__doc__ = spec['description']
        self.__module__ = '__main__'
        self.__signature__ = signature(spec['input'])

    def __call__(self, *args, **kwargs):
        [(value, error)] = perform([self.later(*args, **kwargs)])
        if error is not None:
            raise error
        return value

    def later(self, *args, **kwargs):
        return ToolCall(self.__name__, bind(self.__name__, self._schema, args, kwargs))

    def __repr__(self):
        return f'<tool {self.__name__}>'


def signature(schema):
    required = schema.get('required') or ()
    parameters = []
    for name, value in (schema.get('properties') or {}).items():
        if not name.isidentifier() or keyword.iskeyword(name):
            continue
        given = value.get('default', inspect.Parameter.empty) if isinstance(value, dict) else inspect.Parameter.empty
        default = inspect.Parameter.empty if name in required else (None if given is inspect.Parameter.empty else given)
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
    try:
        return inspect.Signature(parameters)
    except ValueError:
        return inspect.Signature()


def parallel(*calls, return_exceptions=False):
    """parallel(search.later('a'), search.later('b')) makes the calls together and returns their results in order."""
    if len(calls) == 1 and not isinstance(calls[0], ToolCall):
        calls = tuple(calls[0])
    if not all(isinstance(call, ToolCall) for call in calls):
        raise TypeError('parallel() takes calls made with .later(), for example parallel(search.later("a"), search.later("b"))')
    results = perform(calls)
    errors = [error for _, error in results if error is not None]
    for error in errors:
        if not return_exceptions or isinstance(error, LimitExceeded):
            raise error
    return [value if error is None else error for value, error in results]


def make_pending():
    """Called by the event loop when only tool calls are left to wait for."""
    batch = pending[:]
    pending.clear()
    for (_, future), (value, error) in zip(batch, perform([call for call, _ in batch])):
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


LOOP.make_pending = make_pending
NAMES = {'final_answer': final_answer, 'parallel': parallel, 'ToolError': ToolError}
