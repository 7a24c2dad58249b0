# Runs an attempt in a plain Python: {constants, code} on standard input, all that it shows on standard output.
import ast
import io
import json
import sys
import traceback

request = json.load(sys.stdin)
sys.stdin = io.StringIO()
scope = sys.modules['__main__'].__dict__
scope.update(request['constants'])
tree = ast.parse(request['code'])
last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
try:
    exec(compile(tree, '<attempt>', 'exec'), scope)
    if last is not None:
        print(eval(compile(ast.Expression(last.value), '<attempt>', 'eval'), scope))
except BaseException:
    traceback.print_exc(file=sys.stdout)
