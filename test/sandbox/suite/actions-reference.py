# The same actions in plain CPython: [[step, …], …] on standard input, the answers (or null) as JSON on standard output.
import contextlib
import io
import json
import sys

EXACT = 2**53 - 1


class Answered(BaseException):
    pass


def plain(value):
    """What JSON's numbers can't hold is text, as in the sandbox."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT:
        return str(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def final_answer(value):
    raise Answered(value)


def search(query, limit=5):
    return {'title': f'about {query}'}


def echo(value, note=None):
    return value


def outcome(steps):
    names = {'__name__': '__main__', 'final_answer': final_answer, 'search': search, 'echo': echo}
    for code in steps:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(code.removeprefix('\ufeff'), '<step>', 'exec'), names)
        except Answered as answered:
            return json.loads(json.dumps(plain(answered.args[0])))
        except SystemExit as left:
            if left.code:
                return None
    return None


print(json.dumps([outcome(steps) for steps in json.load(sys.stdin)]))
