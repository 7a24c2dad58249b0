# Starting processes, and reaching those of the host by signals.

# == os.system
import os
os.system(COMMAND)

# == os.popen
import os
os.popen(COMMAND).read()

# == subprocess.run
import subprocess
subprocess.run(COMMAND, shell=True, check=True)

# == subprocess.Popen
import subprocess
subprocess.Popen(['sh', '-c', COMMAND]).wait()

# == getoutput
import subprocess
subprocess.getoutput(COMMAND)

# == imported by importlib
import importlib
importlib.import_module('subprocess').check_call(['sh', '-c', COMMAND])

# == _posixsubprocess by multiprocessing
import multiprocessing.util, os
os.waitpid(multiprocessing.util.spawnv_passfds(b'/bin/sh', [b'sh', b'-c', COMMAND.encode()], []), 0)

# == execv
import os
os.execv('/bin/sh', ['sh', '-c', COMMAND])

# == execve through a descriptor
import os
os.execve(os.open('/bin/sh', os.O_RDONLY), ['sh', '-c', COMMAND], {'PATH': '/bin:/usr/bin'})

# == spawnv
import os
os.spawnv(os.P_WAIT, '/bin/sh', ['sh', '-c', COMMAND])

# == posix_spawn
import os
os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', COMMAND], {'PATH': '/bin:/usr/bin'}), 0)

# == fork and exec
import os
pid = os.fork()
if pid == 0: os.execv('/bin/sh', ['sh', '-c', COMMAND])
os.waitpid(pid, 0)

# == a pseudo-terminal
import pty
pty.spawn(['sh', '-c', COMMAND])

# == multiprocessing
import multiprocessing, os
process = multiprocessing.get_context('fork').Process(target=os.system, args=(COMMAND,))
process.start()
process.join()

# == a process pool
import concurrent.futures.process, multiprocessing, os
with concurrent.futures.process.ProcessPoolExecutor(1, multiprocessing.get_context('fork')) as pool: pool.submit(os.system, COMMAND).result()

# == asyncio's shell
import asyncio
async def main(): await (await asyncio.create_subprocess_shell(COMMAND)).wait()
asyncio.run(main())

# == a browser
import webbrowser
webbrowser.BackgroundBrowser(['sh', '-c', COMMAND]).open('x') and __import__('time').sleep(0.3)

# == a pager
import pydoc
pydoc.pipepager('', COMMAND) if hasattr(pydoc, 'pipepager') else pydoc.pipe_pager('', COMMAND)

# == an interpreter of its own
import subprocess, sys
subprocess.run([sys.executable, '-c', f'import os; os.system({COMMAND!r})'], check=True)

# == ctypes.system
import ctypes
ctypes.CDLL(None).system(COMMAND.encode())

# == _ctypes
import _ctypes, ctypes
ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p)(_ctypes.dlsym(_ctypes.dlopen(None, 0), 'system'))(COMMAND.encode())

# == ctypes.pythonapi
import ctypes
ctypes.pythonapi.PyRun_SimpleString(f'import os; os.system({COMMAND!r})'.encode())

# == raw fork and exec
import ctypes, os
libc = ctypes.CDLL(None)
pid = libc.fork()
if pid == 0: libc.execl(b'/bin/sh', b'sh', b'-c', COMMAND.encode(), None)
os.waitpid(pid, 0)

# == at the end of the interpreter
import atexit, os
atexit.register(os.system, COMMAND)
atexit._run_exitfuncs()

# == a process ended
import os, signal
os.kill(PID, signal.SIGKILL)

# == a process asked to end
import os
os.kill(PID, 15)

# == a process group ended
import os
os.killpg(PID, 9)

# == a process ended by its descriptor
import os, signal
signal.pidfd_send_signal(os.pidfd_open(PID), signal.SIGKILL)

# == a process ended by the shell
import subprocess
subprocess.run(['sh', '-c', f'kill -9 {PID}'], check=True)

# == a process ended by a system call
import ctypes
ctypes.CDLL(None).kill(PID, 9)

# == a process ended by tracing (root)
import ctypes, os
libc = ctypes.CDLL(None)
libc.ptrace(16, PID, 0, 0)
os.waitpid(PID, 0)
libc.ptrace(8, PID, 0, 0)

# == a process ended through its memory (root)
import re
maps = open(f'/proc/{PID}/maps').read()
with open(f'/proc/{PID}/mem', 'r+b', buffering=0) as memory:
    for line in maps.splitlines():
        span = re.match(r'([0-9a-f]+)-([0-9a-f]+) r-xp', line)
        if not span: continue
        first, last = (int(part, 16) for part in span.groups())
        memory.seek(first)
        memory.write(b'\xcc' * min(last - first, 4_000_000))

# == the parent signalled
import os, signal
os.kill(os.getppid(), signal.SIGCONT)

# == the parent signalled by its number
import os, signal
os.kill(HOST, signal.SIGCONT)

# == the parent signalled on a child's death
import os, signal
pid = os.fork()
if pid == 0:
    os.kill(HOST, signal.SIGCONT)
    os._exit(0)
os.waitpid(pid, 0)
