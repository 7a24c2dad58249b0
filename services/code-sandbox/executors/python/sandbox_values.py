# Python values → JSON. What JSON can't hold becomes the nearest thing a reader expects, or its repr.
import dataclasses
import datetime
import decimal
import enum
import io
import json
import math
import pathlib


class Truncated(str):
    pass


def too_large(value):
    return isinstance(value, Truncated)


def shorten(text, limit):
    if len(text) <= limit:
        return text
    return Truncated(f'{text[:limit]} … [truncated: {len(text):,} characters]')


def clean(text):
    """Without lone surrogates, which UTF-8 has no place for."""
    return text.encode('utf-8', 'replace').decode('utf-8')


def describe(value, limit):
    try:
        return shorten(clean(str.__str__(repr(value))), limit)
    except BaseException as error:
        return f'<{type(value).__name__}: its repr failed with {type(error).__name__}>'


def plain(value):
    """Numbers and arrays of numpy and its like, for json."""
    if hasattr(value, 'tolist') and not isinstance(value, type):
        return value.tolist()
    raise TypeError(f'Object of type {type(value).__name__} is not JSON serializable')


def convert(value):
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value) if value.is_finite() else str(value)
    if isinstance(value, (set, frozenset)):
        return ordered(value)
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if hasattr(value, 'tolist') and not isinstance(value, type):
        return value.tolist()
    if hasattr(value, 'keys') and hasattr(value, '__getitem__'):
        return dict(value)
    return describe(value, 1000)


def ordered(items):
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


def misfit(value):
    """What of it can't be given back to people, and what to do about it; None where all of it can. Looks into lists and dicts."""
    todo, seen = [value], set()
    while todo:
        one = todo.pop()
        if isinstance(one, (bytes, bytearray, memoryview)):
            return 'bytes', 'make text of them: data.decode(), or base64.b64encode(data).decode()'
        if isinstance(one, io.IOBase):
            return 'a file', 'give its content back as text'
        if any(hasattr(type(one), name) for name in ('_repr_png_', '_repr_jpeg_', 'savefig')):
            return 'an image', 'say in words or numbers what it shows'
        if isinstance(one, (dict, list, tuple, set, frozenset)) and id(one) not in seen:
            seen.add(id(one))
            todo += one.values() if isinstance(one, dict) else one
    return None


def to_value(value, limit):
    """The value as JSON data; its repr where JSON has no place for it; Truncated beyond the limit."""
    if isinstance(value, str):
        return shorten(clean(str.__str__(value)), limit)
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    chunks, size = [], 0
    try:
        for chunk in json.JSONEncoder(default=convert, allow_nan=False, ensure_ascii=False).iterencode(value):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                return Truncated(f'{"".join(chunks)[:limit]} … [truncated]')
        return json.loads(clean(''.join(chunks)))
    except (TypeError, ValueError, RecursionError, AttributeError):
        return describe(value, limit)
