# The names that the sandbox defines, and what happens where a program defines them too.
#
# 1. A variable may take a tool's name, as in Python (`search = search("x")`), and lasts. A call of the name is still a call of
#    the tool, because the variable can't be called.
# 2. Another function of that name lasts until the end of the step; then the tool is back, and the model is told.
# 3. final_answer(…) ends the task, whatever the program has made of its name.
import ast

from sandbox_tools import NAMES, Tool, final_answer

# In the builtins of a step; a class does not mangle it.
CALLED = '__sandbox_called__'


class Names:
    def __init__(self, space):
        self.space = space
        self.own = dict(NAMES)

    def begin(self, specs):
        """Defines them where no variable of the program is in the way."""
        self.own = {**NAMES, **{spec['name']: Tool(spec) for spec in specs}}
        for name, value in self.own.items():
            if name == 'ToolError' or name not in self.space or self.is_free(name):
                self.space[name] = value

    def is_free(self, name):
        return callable(self.space[name])

    def replaced(self):
        """Names that a function of the program has taken."""
        return [name for name, value in self.own.items() if name in self.space and self.is_free(name) and self.space[name] is not value]

    def called(self, value, name, attribute=None):
        """What a call of this name in the program's text calls."""
        own = self.own.get(name)
        if own is None or value is own:
            return value
        if name == 'final_answer' and self.space.get(name) is value:
            return final_answer
        return value if (callable(value) if attribute is None else hasattr(value, attribute)) else own

    def guard(self, tree):
        """Sends the calls of a name that is a variable too, or is made one here, through `called`."""
        taken = {name for name in self.own if name in self.space and self.space[name] is not self.own[name]}
        taken |= {name for node in ast.walk(tree) for name in defined(node)} & set(self.own)
        if not taken:
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in taken:
                node.func = through(node.func)
            elif isinstance(node, ast.Attribute) and node.attr == 'later' and isinstance(node.value, ast.Name) and node.value.id in taken:
                node.value = through(node.value, 'later')


def defined(node):
    """Names that a node of the tree binds."""
    if isinstance(node, ast.Name):
        return () if isinstance(node.ctx, ast.Load) else (node.id,)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return (node.name,)
    if isinstance(node, ast.arg):
        return (node.arg,)
    if isinstance(node, ast.alias):
        return ((node.asname or node.name).partition('.')[0],)
    return ()


def through(name, *more):
    args = [name, *(ast.Constant(text) for text in (name.id, *more))]
    call = ast.Call(ast.Name(CALLED, ast.Load()), args, [])
    for part in ast.walk(call):
        if part is not name:
            ast.copy_location(part, name)
    return call
