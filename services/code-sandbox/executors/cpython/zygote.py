# The zygote: loads everything once, then forks a confined process for each connection on its socket.
#
#   zygote.py SOCKET MEMORY_MB namespaces|HOST_PID [PACKAGE…]
#
# 1. A connection's first 4 bytes are its number. The zygote reports how its process ended on standard output,
#    `NUMBER WAITSTATUS`, which that process can't reach.
# 2. When the host hangs up, the process is killed, whatever it does.
# 3. The loop leaves no trace in memory, and addresses are not random: each session finds the same heap as the
#    first, so that a replay, which may print an address, comes out the same.
import ctypes
import os
import signal
import socket
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(os.path.dirname(here), 'python')]
ADDR_NO_RANDOMIZE = 0x0040000


def fix_addresses():
    libc = ctypes.CDLL(None)
    persona = libc.personality(0xFFFFFFFF)
    if persona & ADDR_NO_RANDOMIZE == 0 and libc.personality(persona | ADDR_NO_RANDOMIZE) >= 0:
        os.execv(sys.executable, [sys.executable, '-s', '-P', '-B', __file__, *sys.argv[1:]])


def die_with_the_host():
    """bubblewrap does this if it runs us."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if not NAMESPACES and os.getppid() != int(sys.argv[3]):
        os._exit(0)


NAMESPACES = sys.argv[3] == 'namespaces'
fix_addresses()
die_with_the_host()
import sandbox_jail
import sandbox_process

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 0x20, 0x4000, 0x40000
MNT_DETACH = 2
PIVOT_ROOT = {'x86_64': 155, 'aarch64': 41}
libc, checked = sandbox_jail.libc, sandbox_jail.checked


def leave_the_file_system():
    """An empty root that can't be written."""
    safe = MS_NOSUID | MS_NODEV | MS_NOEXEC
    checked(libc.mount(None, b'/', None, MS_REC | MS_PRIVATE, None), 'private mounts')
    checked(libc.mount(b'tmpfs', b'/tmp', b'tmpfs', safe, b'size=4k,mode=555'), 'an empty root')
    os.chdir('/tmp')
    checked(libc.syscall(PIVOT_ROOT[os.uname().machine], b'.', b'.'), 'pivot_root')
    checked(libc.umount2(b'.', MNT_DETACH), 'leaving the old root')
    os.chdir('/')
    checked(libc.mount(None, b'/', None, MS_REMOUNT | MS_RDONLY | safe, None), 'a read-only root')


def session(connection, memory, in_use):
    libc.prctl(sandbox_jail.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if NAMESPACES:
        leave_the_file_system()
    os.dup2(connection, sandbox_process.CHANNEL_FD)
    sandbox_jail.close_all_but(2, sandbox_process.CHANNEL_FD)
    sandbox_jail.confine(memory, in_use)
    os.close(2)
    sandbox_process.serve(sandbox_process.CHANNEL_FD, sandbox_process.CHANNEL_FD)


def guarded(connection, memory, in_use):
    """In a child of the zygote."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    libc.prctl(sandbox_jail.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    number = int.from_bytes(os.read(connection, 4), 'little')
    if NAMESPACES:
        kinds = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC
        checked(libc.unshare(kinds), 'namespaces')
    pid = os.fork()
    if pid:
        status = sandbox_process.watch(pid, connection)
        os.write(1, f'{number} {status}\n'.encode())
        os._exit(0)
    session(connection, memory, in_use)


def main(path, memory_mb, packages):
    memory = int(memory_mb) << 20
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sandbox_process.prepare(packages)
    in_use = sandbox_jail.memory_in_use()
    os.write(1, b'ready\n')
    accepting = listener.fileno()
    while True:
        connection = libc.accept(accepting, None, None)
        if connection < 0:
            continue
        if os.fork() == 0:
            try:
                guarded(connection, memory, in_use)
            except BaseException as error:
                os.write(2, f'confining a session: {error}\n'.encode())
                os._exit(70)
        os.close(connection)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], sys.argv[4:])
