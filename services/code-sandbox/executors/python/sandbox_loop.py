# asyncio and concurrent.futures without sockets, signals or threads: when nothing is ready, the tool calls that are waited
# for are made together, or the clock jumps.
import asyncio
import asyncio.base_events
import concurrent.futures
import functools
import time

pending = []
NO_NETWORK = 'there is no network here: use the tools'


def no_network(*args, **kwargs):
    raise PermissionError(NO_NETWORK)


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
        call = tool_call(func, args, {})
        if call is not None:
            return asyncio.ensure_future(awaited(call), loop=self)
        future = self.create_future()
        settle(future, func, args, {})
        return future

    def close(self):
        """The one loop of the session outlives what a program does to it."""
        if self is not LOOP:
            super().close()

    create_connection = create_server = getaddrinfo = sock_connect = no_network


async def awaited(call):
    return await call


def tool_call(func, args, kwargs):
    """The call not made yet, where a tool itself was handed over; asyncio.to_thread hands it over wrapped."""
    while isinstance(func, functools.partial):
        func, args, kwargs = func.func, (*func.args, *args), {**func.keywords, **kwargs}
        if getattr(func, '__name__', '') == 'run' and type(getattr(func, '__self__', None)).__name__ == 'Context':
            func, *args = args
    return func.later(*args, **kwargs) if hasattr(type(func), 'later') else None


def settle(future, func, args, kwargs):
    try:
        future.set_result(func(*args, **kwargs))
    except Exception as error:
        future.set_exception(error)


submitted = []


def perform_submitted():
    """The tool calls that were handed to executors, together."""
    batch = submitted[:]
    submitted.clear()
    for (_, future), (value, error) in zip(batch, LOOP.perform([call for call, _ in batch])):
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


class SubmittedCall(concurrent.futures.Future):
    """Made when somebody asks for one of the results."""

    def result(self, timeout=None):
        perform_submitted()
        return super().result(timeout)

    def exception(self, timeout=None):
        perform_submitted()
        return super().exception(timeout)

    def done(self):
        perform_submitted()
        return super().done()


class InlineExecutor(concurrent.futures.Executor):
    """There are no threads: what is submitted runs at once, and tools together."""

    def __init__(self, max_workers=None, *args, **kwargs):
        super().__init__()

    def submit(self, fn, /, *args, **kwargs):
        call = tool_call(fn, args, kwargs)
        if call is not None:
            future = SubmittedCall()
            submitted.append((call, future))
            return future
        future = concurrent.futures.Future()
        settle(future, fn, args, kwargs)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        perform_submitted()


def performed_first(function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        perform_submitted()
        return function(*args, **kwargs)

    return wrapped


def as_completed(fs, timeout=None):
    perform_submitted()
    # Everything submitted is complete: in the order in which it was.
    yield from dict.fromkeys(fs)


def begin():
    """Nothing of an earlier step is left to be made."""
    pending.clear()
    submitted.clear()
    asyncio.events._set_running_loop(None)


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
concurrent.futures.as_completed = as_completed
concurrent.futures.wait = performed_first(concurrent.futures.wait)
LOOP = SandboxLoop()
asyncio.set_event_loop(LOOP)
asyncio.new_event_loop = asyncio.events.new_event_loop = SandboxLoop
asyncio.get_event_loop = asyncio.events.get_event_loop = lambda: asyncio.events._get_running_loop() or LOOP
