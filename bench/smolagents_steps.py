# The steps of bench/sandbox.ts in smolagents' LocalPythonExecutor. It runs in the agent's own process, confines nothing for sure and can't
# pause, so what it shows is the cost of its interpreter. Standard input: {"startedMs", "programs": {name: code}}; output: JSON.
import contextlib
import json
import sys
import time

with contextlib.redirect_stdout(sys.stderr):
    import smolagents
    from smolagents.local_python_executor import LocalPythonExecutor


def session(tools={}):
    executor = LocalPythonExecutor(additional_authorized_imports=['json'])
    executor.send_tools(tools)
    return executor


def wall_ms(work):
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def cpu_ms(code):
    """Of one program, in a session of its own; its refusal where it is refused."""
    executor = session()
    begun = time.process_time()
    try:
        executor(code)
    except Exception as error:
        return str(error).strip().splitlines()[-1][:100]
    return (time.process_time() - begun) * 1000


def main():
    given = json.load(sys.stdin)
    session()('1')
    cold = time.time() * 1000 - given['startedMs']
    used = session()
    calling = session({'search': lambda query: None})
    found = {
        'version': smolagents.__version__,
        'coldMs': cold,
        'warmMs': [wall_ms(lambda: used('x = 1\nx + 1')) for _ in range(200)],
        'freshMs': [wall_ms(lambda: session()('1')) for _ in range(20)],
        'callsMs': wall_ms(lambda: calling('for i in range(1000): search(str(i))')),
        'programs': {name: cpu_ms(code) for name, code in given['programs'].items()},
    }
    print(json.dumps(found))


main()
