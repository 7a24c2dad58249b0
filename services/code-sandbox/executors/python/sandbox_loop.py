# asyncio without sockets, signals or threads: when nothing is ready it makes the awaited tool calls together, or lets the clock jump.
import asyncio
import asyncio.base_events
import concurrent.futures
import time

pending = []


class SandboxLoop(asyncio.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = self

    def select(self, timeout):
        if timeout == 0:
            return []
        if pending:
            LOOP.make_pending()
        elif timeout is not None:
            time.sleep(timeout)
        else:
            raise RuntimeError('this await can never end: nothing is left to wait for')
        return []

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass

    def run_in_executor(self, executor, func, *args):
        future = self.create_future()
        settle(future, func, args, {})
        return future


def settle(future, func, args, kwargs):
    try:
        future.set_result(func(*args, **kwargs))
    except Exception as error:
        future.set_exception(error)


class InlineExecutor(concurrent.futures.Executor):
    """There are no threads: what is submitted runs at once."""

    def __init__(self, max_workers=None, *args, **kwargs):
        super().__init__()

    def submit(self, fn, /, *args, **kwargs):
        future = concurrent.futures.Future()
        settle(future, fn, args, kwargs)
        return future


real_run = asyncio.run


def run(main, **options):
    """asyncio.run, also where a step awaits at its top level and so runs in a loop already."""
    outer = asyncio.events._get_running_loop()
    if outer is None:
        return real_run(main, **options)
    task = asyncio.current_task(outer)
    if task is not None:
        asyncio.tasks._leave_task(outer, task)
    asyncio.events._set_running_loop(None)
    try:
        return real_run(main, **options)
    finally:
        asyncio.events._set_running_loop(outer)
        if task is not None:
            asyncio.tasks._enter_task(outer, task)


asyncio.run = run
concurrent.futures.ThreadPoolExecutor = InlineExecutor
concurrent.futures.ProcessPoolExecutor = InlineExecutor
LOOP = SandboxLoop()
asyncio.set_event_loop(LOOP)
asyncio.new_event_loop = asyncio.events.new_event_loop = SandboxLoop
asyncio.get_event_loop = asyncio.events.get_event_loop = lambda: asyncio.events._get_running_loop() or LOOP
