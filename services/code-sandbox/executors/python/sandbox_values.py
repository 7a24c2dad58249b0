# Python values → JSON data: answers, tool arguments, and the value of a step as the model is shown it.
#
# 1. Nothing is lost in silence. What JSON has no place for becomes what its reader expects (a set a list, a date its ISO
#    text, an integer beyond 2**53 its digits as text), or is refused in words that say what to give instead (Misfit).
# 2. An answer and an argument consume iterators: a list was meant. What is only shown stays as it is.
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import io
import ipaddress
import math
import pathlib
import sys
import types
import uuid

ANSWER, ARGUMENT, SHOWN = 'answer', 'argument', 'shown'
# What a number of JSON holds exactly, wherever it is read.
EXACT = 2**53 - 1
# Levels that the host takes of a value.
DEPTH = 1_000
# Frames for walking as many. A program's own limit may be lower.
RECURSION_LIMIT = 5_000
REPR_CHARS = 1000
# Python refuses to write longer integers out unless told otherwise.
SHORT_BITS = 13_000
BITS_PER_DIGIT = 3.33
SEQUENCES = (list, tuple, range, collections.abc.Set, collections.abc.Sequence, collections.abc.MappingView)
TEXTS = (pathlib.PurePath, uuid.UUID, ipaddress.IPv4Address, ipaddress.IPv6Address, datetime.timedelta, datetime.tzinfo,
         fractions.Fraction, complex)  # fmt: skip
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType)


def with_frames(function):
    """Runs under a recursion limit that suffices for the deepest value, whatever the program has set."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
        try:
            return function(*args, **kwargs)
        finally:
            try:
                sys.setrecursionlimit(limit)
            except RecursionError:
                pass  # The program is at its limit: its next call fails.

    return wrapped


class Misfit(TypeError):
    """Can't be given as JSON. `what` it is, and what to give instead."""

    def __init__(self, what, remedy):
        super().__init__(f'{what}: {remedy}')
        self.what, self.remedy = what, remedy


class TooLarge(ValueError):
    pass


def clean(text):
    """Without lone surrogates, which UTF-8 has no place for."""
    return text.encode('utf-8', 'replace').decode('utf-8')


def shorten(text, limit):
    return text if len(text) <= limit else f'{text[:limit]} … [truncated: {len(text):,} characters]'


def describe(value, limit=REPR_CHARS):
    try:
        return shorten(clean(str.__str__(repr(value))), limit)
    except BaseException as error:
        return f'<{type(value).__name__}: its repr failed with {type(error).__name__}>'


def has_own_text(value):
    kind = type(value)
    return kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__


def awaitable(value):
    return inspect.isawaitable(value) or hasattr(type(value), '__await__')


def digits(value, limit):
    if value.bit_length() <= SHORT_BITS:
        return int.__repr__(value)
    if value.bit_length() > limit * BITS_PER_DIGIT:
        raise TooLarge
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return int.__repr__(value)
    finally:
        sys.set_int_max_str_digits(most)


class Converter:
    """Converts one value. `on_digits` is given each integer that became text."""

    def __init__(self, limit, use, on_digits=None):
        self.left = self.limit = limit
        self.use = use
        # The arguments of a call are a level above each of them.
        self.depth = DEPTH - 1 if use is ARGUMENT else DEPTH
        self.shown = use is SHOWN
        self.on_digits = on_digits
        self.path = set()

    def convert(self, value, depth=0):
        self.spend(1)
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self.text(value)
        if kind is int:
            return self.whole(value)
        if kind is float:
            return self.real(value)
        if kind is dict or kind is list or kind is tuple:
            return self.nested(value, depth)
        return self.other(value, depth)

    def spend(self, size):
        self.left -= size
        if self.left < 0 and not self.shown:
            raise TooLarge

    def text(self, value):
        value = str.__str__(value)
        if self.shown:
            value = shorten(value, max(self.left + 1, REPR_CHARS))
        self.spend(len(value))
        return clean(value)

    def whole(self, value):
        if -EXACT <= value <= EXACT:
            return value
        try:
            text = digits(value, self.limit)
        except TooLarge:
            if not self.shown:
                raise
            return f'<an integer of {value.bit_length():,} bits>'
        if self.on_digits:
            self.on_digits(text)
        return self.text(text)

    def real(self, value):
        if math.isfinite(value):
            self.spend(8)
            return float(value)
        if self.use is ARGUMENT:
            raise Misfit(repr(float(value)), 'JSON has no such number; pass None, or leave it out')
        return repr(float(value))

    def nested(self, value, depth):
        if id(value) in self.path:
            return self.refuse('a value that contains itself', 'give the parts that matter', '[…]')
        if depth >= self.depth:
            return self.refuse(f'a value nested more than {self.depth:,} deep', 'give the parts that matter', '…')
        self.path.add(id(value))
        try:
            return self.mapping(value, depth) if isinstance(value, collections.abc.Mapping) else self.items(value, depth)
        finally:
            self.path.discard(id(value))

    def items(self, value, depth):
        found = []
        for item in value:
            if self.left < 0:
                found.append(f'… [truncated: {len(value):,} items]' if hasattr(value, '__len__') else '… [truncated]')
                break
            found.append(self.convert(item, depth + 1))
        return found

    def mapping(self, value, depth):
        found, names = {}, {}
        for key in value:
            if self.left < 0:
                found['…'] = f'[truncated: {len(value):,} keys]'
                break
            name = self.name(key)
            if name in found:
                what = f'a dict with the keys {describe(names[name], 100)} and {describe(key, 100)}'
                return self.refuse(what, 'they are the same name in JSON; rename one', lambda: describe(value, self.limit))
            names[name] = key
            found[name] = self.convert(value[key], depth + 1)
        return found

    def name(self, key):
        if isinstance(key, str) and not isinstance(key, enum.Enum):
            return self.text(key)
        if key is None or isinstance(key, bool):
            return {None: 'null', True: 'true', False: 'false'}[key]
        if isinstance(key, enum.Enum):
            return self.name(key.value)
        if isinstance(key, int):
            return digits(int(key), self.limit)
        if isinstance(key, (datetime.date, datetime.time)):
            return key.isoformat()
        if isinstance(key, bytes) or not has_own_text(key):
            return self.refuse(f'a dict key of type {type(key).__name__}', 'use text as keys', lambda: describe(key))
        return self.text(str(key))

    def other(self, value, depth):
        if isinstance(value, enum.Enum):
            return self.convert(value.value, depth)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int):
            return self.whole(int(value))
        if isinstance(value, float):
            return self.real(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self.refuse('bytes', 'make text of them: data.decode(), or base64.b64encode(data).decode()', lambda: describe(value, self.limit))
        if isinstance(value, io.IOBase):
            return self.refuse('a file', 'give its content back as text', lambda: describe(value))
        if any(hasattr(type(value), name) for name in ('_repr_png_', '_repr_jpeg_', 'savefig')):
            return self.refuse('an image', 'say in words or numbers what it shows', lambda: describe(value))
        if isinstance(value, (set, frozenset)):
            return self.nested(ordered(value), depth)
        if isinstance(value, (collections.abc.Mapping, *SEQUENCES)):
            return self.nested(value, depth)
        return self.scalar(value, depth)

    def scalar(self, value, depth):
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self.nested({field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, depth)
        if isinstance(value, types.SimpleNamespace):
            return self.nested(vars(value), depth)
        if isinstance(value, (datetime.date, datetime.time)):
            return self.text(value.isoformat())
        if isinstance(value, decimal.Decimal):
            return self.decimal(value)
        if isinstance(value, fractions.Fraction) and value.denominator == 1:
            return self.whole(value.numerator)
        if isinstance(value, TEXTS):
            return self.text(str(value))
        if hasattr(type(value), 'tolist'):
            return self.convert(value.tolist(), depth)
        if not isinstance(value, type) and hasattr(value, 'keys') and hasattr(type(value), '__getitem__'):
            return self.convert(dict(value), depth)
        return self.thing(value, depth)

    def decimal(self, value):
        """A number where a number says the same, else its text."""
        if value.is_finite() and value == value.to_integral_value() and abs(value) <= EXACT:
            return int(value)
        if value.is_finite() and math.isfinite(float(value)) and decimal.Decimal(repr(float(value))) == value:
            return float(value)
        return self.text(str(value))

    def thing(self, value, depth):
        """What has no form of its own in JSON."""
        if awaitable(value):
            return self.refuse(not_awaited(value), 'its result is not there yet; await it', lambda: unawaited(value))
        if isinstance(value, FUNCTIONS) or hasattr(type(value), 'later'):
            kind = 'module' if isinstance(value, types.ModuleType) else 'function'
            return self.refuse(f"the {kind} '{getattr(value, '__name__', '?')}'", 'call it, and give what it returns', lambda: describe(value))
        if isinstance(value, collections.abc.Iterator) and not self.shown:
            return self.nested(value, depth)
        if self.shown:
            self.spend(10)
            return describe(value)
        if isinstance(value, type) and self.use is ANSWER:
            return value.__name__
        if isinstance(value, BaseException) and self.use is ANSWER:
            return self.text(f'{type(value).__name__}: {value}')
        if has_own_text(value) and self.use is ANSWER:
            return self.text(str(value))
        raise Misfit(f'an object of class {type(value).__name__}', 'give its fields as a dict, for example vars(x)')

    def refuse(self, what, remedy, shown):
        if self.shown:
            return shown() if callable(shown) else shown
        raise Misfit(what, remedy)


def ordered(items):
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


def not_awaited(value):
    name = getattr(value, '__name__', None)
    return f"the coroutine '{name}'" if name else 'a call that was not awaited'


def unawaited(value):
    """Shown instead of a coroutine that was made and not run; closed, so that Python does not warn of it."""
    name = getattr(value, '__name__', None)
    if not inspect.iscoroutine(value) or name is None:
        return describe(value)
    value.close()
    return f'<coroutine {name}, not run: write `await {name}(…)`>'


def as_answer(value, limit):
    return Converter(limit, ANSWER).convert(value)


def as_argument(value, limit, on_digits):
    return Converter(limit, ARGUMENT, on_digits).convert(value)


def as_shown(value, limit):
    try:
        return Converter(limit, SHOWN).convert(value)
    except Exception:
        return describe(value, limit)
