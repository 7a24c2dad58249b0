# Tools as Python functions: `search("x")` calls at once; `search.later("x")` is for `await`, asyncio.gather and parallel().
import asyncio
import inspect
import keyword
from json import dumps, loads

import sandbox_host
import sandbox_output
from sandbox_loop import LOOP, pending
from sandbox_values import Misfit, TooLarge, as_argument, clean, with_frames

ARGUMENT_CHARS = 900_000


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


class ResetSession(BaseException):
    __module__ = 'builtins'


class Final:
    given = False
    answer = None

    def clear(self):
        self.given, self.answer = False, None


class Frame:
    """Characters of the calls made together."""

    chars = 1_000_000


FINAL, FRAME = Final(), Frame()
# Integers that went out as text: JSON's numbers can't hold them. Where a result says that text, it is the integer again.
DIGITS = set()
MOST_DIGITS = 10_000
# Names that models give to what they answer with.
ANSWER_NAMES = {'value', 'answer', 'final_answer', 'result', 'output', 'response'}


def final_answer(*args, **kwargs):
    """Ends the task with this value as its result. The first one counts."""
    if len(args) + len(kwargs) != 1 or not ANSWER_NAMES.issuperset(kwargs):
        raise TypeError(misuse(len(args), kwargs))
    if not FINAL.given:
        FINAL.given, FINAL.answer = True, [*args, *kwargs.values()][0]
    raise FinalAnswer


final_answer.__signature__ = inspect.Signature([inspect.Parameter('value', inspect.Parameter.POSITIONAL_OR_KEYWORD)])


def misuse(count, kwargs):
    if count + len(kwargs) == 0:
        return 'final_answer() needs the answer: final_answer(value)'
    given = ', '.join([*['…'] * count, *(f'{name}=…' for name in kwargs)])
    return f'final_answer({given}): it takes one value, final_answer(value); put several into a dict, final_answer({{"a": …, "b": …}})'


def reset_session():
    """Forgets every variable, import and patch, and ends the step. The tools stay."""
    raise ResetSession


def remember(digits):
    if len(DIGITS) < MOST_DIGITS:
        DIGITS.add(digits)


def restored(value):
    """A result with the integers that JSON could not hold."""
    if isinstance(value, str):
        return int(value) if value in DIGITS else value
    if isinstance(value, list):
        return [restored(item) for item in value]
    if isinstance(value, dict):
        return {name: restored(item) for name, item in value.items()}
    return value


def takes_none(schema):
    """Whether None is a value for it. Where the schema does not say, it is."""
    if schema is True or not isinstance(schema, dict):
        return schema is not False
    if 'const' in schema:
        return schema['const'] is None
    if isinstance(schema.get('enum'), list):
        return None in schema['enum']
    for several in ('anyOf', 'oneOf'):
        if isinstance(schema.get(several), list):
            return any(takes_none(one) for one in schema[several])
    kinds = schema.get('type')
    if kinds is None:
        return '$ref' not in schema and 'properties' not in schema and 'items' not in schema
    return schema.get('nullable') is True or 'null' in (kinds if isinstance(kinds, list) else [kinds])


def bind(name, schema, args, kwargs):
    """Positional and keyword arguments → an object by the schema's property order; TypeError as Python words it."""
    properties = schema.get('properties') or {}
    required = schema.get('required') or ()
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
    # The signature that the model reads says `= None` where it means "left out".
    for key in [key for key, value in bound.items() if value is None]:
        if key in properties and key not in required and not takes_none(properties[key]):
            del bound[key]
    missing = [key for key in required if key not in bound and not has_default(properties.get(key))]
    if missing:
        raise TypeError(f"{name}() missing required argument{'s' * (len(missing) > 1)}: {', '.join(map(repr, missing))}")
    for key, value in properties.items():
        if key not in bound and has_default(value):
            bound[key] = value['default']
    return {key: argument(name, key, value) for key, value in bound.items()}


def has_default(schema):
    return isinstance(schema, dict) and 'default' in schema


@with_frames
def argument(name, key, value):
    try:
        return as_argument(value, ARGUMENT_CHARS, remember)
    except TooLarge:
        raise LimitExceeded(f"{name}() argument '{key}' has more than {ARGUMENT_CHARS:,} characters") from None
    except Misfit as misfit:
        raise TypeError(f"{name}() argument '{key}' can't be {misfit.what}: {misfit.remedy}") from None


@with_frames
def perform(calls):
    """Makes calls together. Returns (value, None) or (None, error) for each."""
    if not calls:
        return []
    sandbox_output.OUTPUT.drain()
    # Text as it is: escaped, a letter beyond ASCII would count as six characters, and one beyond 2**16 as twelve.
    request = clean(dumps([{'name': c.name, 'arguments': c.arguments} for c in calls], ensure_ascii=False))
    if len(request) > FRAME.chars:
        return [(None, LimitExceeded(f'arguments of more than {FRAME.chars:,} characters'))] * len(calls)
    answer = loads(sandbox_host.call_tools(request))
    return [outcome(call, result) for call, result in zip(calls, answer['results'], strict=True)]


def outcome(call, result):
    if result['ok']:
        return restored(result['value']) if DIGITS else result['value'], None
    message = result['message']
    if result['code'] == 'CODE_LIMIT':
        return None, LimitExceeded(message)
    text = message if call.name in message[: len(call.name) + 20] else f'{call.name}: {message}'
    return None, ToolError(text, result['code'], call.name)


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
        return f'<tool {self.__name__}{self.__signature__}: {self.__doc__}>'


def signature(schema):
    """As the prompt shows it: a required parameter behind an optional one is given by keyword."""
    required = schema.get('required') or ()
    parameters = []
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for name, value in (schema.get('properties') or {}).items():
        if not name.isidentifier() or keyword.iskeyword(name):
            continue
        default = inspect.Parameter.empty
        if name not in required:
            default = value['default'] if has_default(value) else None
        elif any(parameter.default is not inspect.Parameter.empty for parameter in parameters):
            kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default))
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


LOOP.make_pending, LOOP.perform = make_pending, perform
NAMES = {'final_answer': final_answer, 'parallel': parallel, 'ToolError': ToolError, 'reset_session': reset_session}
