# What a model can do about an error, in a line below it. Only what Python itself does not say.
import builtins
import difflib
import re
import sys

import sandbox_imports
from sandbox_tools import Tool

NETWORK = 'requests httpx aiohttp urllib3 http socket ssl ftplib smtplib websockets websocket selenium playwright select selectors'.split()
THREADS = 'threading multiprocessing subprocess joblib signal sched _thread'.split()
FILES = 'glob shutil tempfile sqlite3 zipfile tarfile gzip pickle shelve fileinput'.split()
ARRAYS = 'numpy pandas scipy sklearn polars statsmodels'.split()
INSTEAD = {
    **dict.fromkeys(NETWORK, 'There is no network: use the tools'),
    **dict.fromkeys(THREADS, 'There are no threads and no processes: parallel(f.later(1), f.later(2)) makes calls at the same time'),
    **dict.fromkeys(FILES, 'There are no files: keep data in variables; json.dumps() makes text of them'),
    **dict.fromkeys(ARRAYS, 'Use lists, dicts, statistics and math'),
    'bs4': 'Use html.parser or re', 'lxml': 'Use xml.etree.ElementTree or html.parser', 'yaml': 'Use json or tomllib',
    'dateutil': 'Use datetime', 'pytz': 'Use zoneinfo', 'matplotlib': 'Images can\'t be given back: answer in words and numbers',
    'PIL': 'Images can\'t be given back: answer in words and numbers',
}  # fmt: skip
MOST_TOOLS = 30
SIMILAR = 3
# Names that an unknown one is compared with, and its characters: it takes the square of them.
MOST_COMPARED, NAME_CHARS = 1_000, 100
AWAITED = re.compile(
    r"can't be awaited|can't be used in 'await'|awaitable is required|required for an awaitable|a coroutine was expected"
    r'|coroutines or awaitables|a coroutine or an awaitable'
)


class Advisor:
    """Knows the names of the session."""

    def __init__(self, names):
        self.names = names

    def of(self, error, code=''):
        """A line, or None."""
        try:
            return self.line(error, code)
        except BaseException:  # It asks the exception, whose class may be the program's own.
            return None

    def line(self, error, code):
        if isinstance(error, sandbox_imports.ImportNotAllowed):
            return self.import_of(error.name)
        if isinstance(error, ModuleNotFoundError) and error.name:
            return self.import_of(error.name.partition('.')[0])
        if isinstance(error, SyntaxError):
            return syntax(error, code)
        if isinstance(error, NameError) and error.name:
            return self.name(error)
        if isinstance(error, TypeError):
            return self.type(error)
        if isinstance(error, AttributeError):
            return self.attribute(error)
        return None

    @property
    def tools(self):
        return [tool for tool in self.names.own.values() if isinstance(tool, Tool)]

    def listed(self):
        shown = [f'{tool.__name__}{tool.__signature__}' for tool in self.tools[:MOST_TOOLS]]
        shown += ['…'] * (len(self.tools) > MOST_TOOLS)
        return f'Tools: {", ".join(shown) or "none"}; also final_answer(value), parallel(*calls)'

    def import_of(self, name):
        if name in ('tools', 'functions', 'tool', 'default_api', *self.names.own):
            return f'Import nothing for the tools: they are already defined. {self.listed()}.'
        first = INSTEAD.get(name)
        offered = f'What can be imported: {", ".join(sorted(sandbox_imports.AVAILABLE))}.'
        return f'{first}. {offered}' if first else offered

    def name(self, error):
        name = error.name
        if name in sandbox_imports.AVAILABLE:
            return f'Import it first: import {name}'
        # From 3.12 on Python suggests one itself.
        near = self.near(name) if sys.version_info < (3, 12) else []
        guess = f'Did you mean {" or ".join(near)}? ' if near else ''
        return f'{guess}{self.listed()}.'

    def near(self, name):
        known = [one for one in (*dir(builtins), *self.names.space) if not one.startswith('__')]
        return difflib.get_close_matches(name[:NAME_CHARS], known[:MOST_COMPARED], SIMILAR)

    def type(self, error):
        text = str(error)
        if AWAITED.search(text) or ('unhashable type' in text and is_in(error, 'gather')):
            return f'A tool is called without await, or made a call to wait for: {self.later()}.'
        return self.shadowed() if text.endswith('object is not callable') else None

    def later(self):
        name = self.tools[0].__name__ if self.tools else 'f'
        return f'await {name}.later(…), await asyncio.gather({name}.later(…), {name}.later(…)), or parallel({name}.later(…), {name}.later(…))'

    def shadowed(self):
        """Builtins and tools that a variable of the program hides."""
        space = self.names.space
        hidden = [name for name in space if name in dir(builtins) and not name.startswith('__') and not callable(space[name])]
        if not hidden:
            return None
        return f'Variables of yours hide these functions of Python: {", ".join(hidden[:10])}. `del {hidden[0]}` brings it back.'

    def attribute(self, error):
        if isinstance(error.obj, Tool):
            return f'{error.obj.__name__} is a tool, called as {error.obj.__name__}{error.obj.__signature__}.'
        if type(error.obj).__name__ == 'ToolCall':
            return 'The call is not made yet: await it, or give it to parallel().'
        return None


def is_in(error, function):
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_name == function:
            return True
        trace = trace.tb_next
    return False


def syntax(error, code):
    lines = code.splitlines()
    line = lines[error.lineno - 1].strip() if error.lineno and error.lineno <= len(lines) else ''
    if re.match(r'[!%]', line) or re.fullmatch(r'[\w.]+\?{1,2}|\?{1,2}[\w.]+', line):
        return 'There is no shell and no notebook here, and nothing can be installed: write Python, and use the tools.'
    if "'return' outside function" in error.msg:
        return 'To end the task: final_answer(value)'
    if 'unterminated triple-quoted' in error.msg and '```' not in code:
        return 'If the text holds a line of ```, put it together without one: "`" * 3'
    if '```' in line:
        return 'A line of ``` is not Python: write the code once, in one block.'
    return None


def source_line(error, code):
    """Errors that Python finds behind the parser come without their line."""
    lines = code.splitlines()
    if error.text is None and error.lineno and error.lineno <= len(lines):
        error.text = lines[error.lineno - 1] + '\n'
