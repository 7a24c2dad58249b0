# The system calls that a CPython process may make: memory, its two descriptors, the time, its end. Linux.
#
# 1. An allow-list. Opening, connecting, starting, signalling and tracing are not on it, under any name.
# 2. Numbers differ by architecture. One without a table here is refused, and so is a kernel without seccomp.
# 3. The settings are verified: a process that can still open a file ends itself.
import ctypes
import os
import platform
import resource
import signal
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)

NAMES = (
    'read readv write close fstat lseek munmap brk mremap madvise rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack '
    'sched_yield futex getpid gettid getuid geteuid getgid getegid gettimeofday clock_gettime clock_getres '
    'clock_nanosleep nanosleep restart_syscall getrandom rseq exit exit_group'
).split()
# Allowed unless they ask for executable memory.
MAPPING = ('mmap', 'mprotect')
TABLES = {
    'x86_64': (0xC000003E, {
        'read': 0, 'write': 1, 'close': 3, 'fstat': 5, 'lseek': 8, 'mmap': 9, 'mprotect': 10, 'munmap': 11, 'brk': 12,
        'rt_sigaction': 13, 'rt_sigprocmask': 14, 'rt_sigreturn': 15, 'readv': 19, 'sched_yield': 24, 'mremap': 25,
        'madvise': 28, 'nanosleep': 35, 'getpid': 39, 'exit': 60, 'gettimeofday': 96, 'getuid': 102, 'getgid': 104,
        'geteuid': 107, 'getegid': 108, 'sigaltstack': 131, 'gettid': 186, 'futex': 202, 'restart_syscall': 219,
        'clock_gettime': 228, 'clock_getres': 229, 'clock_nanosleep': 230, 'exit_group': 231, 'getrandom': 318,
        'rseq': 334,
    }),
    'aarch64': (0xC00000B7, {
        'close': 57, 'lseek': 62, 'read': 63, 'write': 64, 'readv': 65, 'fstat': 80, 'exit': 93, 'exit_group': 94,
        'futex': 98, 'nanosleep': 101, 'clock_gettime': 113, 'clock_getres': 114, 'clock_nanosleep': 115,
        'sched_yield': 124, 'restart_syscall': 128, 'sigaltstack': 132, 'rt_sigaction': 134, 'rt_sigprocmask': 135,
        'rt_sigreturn': 139, 'gettimeofday': 169, 'getpid': 172, 'getuid': 174, 'geteuid': 175, 'getgid': 176,
        'getegid': 177, 'gettid': 178, 'brk': 214, 'munmap': 215, 'mremap': 216, 'mmap': 222, 'mprotect': 226,
        'madvise': 233, 'getrandom': 278, 'rseq': 293,
    }),
}  # fmt: skip

# Calls of the x32 variant of x86_64 carry this bit: the same kernel functions under other numbers.
X32_BIT = 0x40000000
PROT_EXEC = 4
RET_ALLOW, RET_EPERM, RET_KILL = 0x7FFF0000, 0x00050001, 0x80000000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AT_NUMBER, AT_ARCHITECTURE, AT_THIRD_ARGUMENT = 0, 4, 32

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
SECCOMP_MODE_FILTER = 2
CAPABILITIES = 64
NOBODY = 65534

# The part of the memory limit that is kept for reporting that it was reached.
SLACK = 16 << 20
LEAST = 32 << 20


def checked(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f'{what}: {os.strerror(number)}')
    return result


def filter_program():
    """The seccomp filter as BPF instructions: (code, jump if true, jump if false, operand)."""
    machine = platform.machine()
    if sys.platform != 'linux' or machine not in TABLES:
        sys.exit(f'there is no table of system calls for {sys.platform} on {machine}')
    architecture, numbers = TABLES[machine]
    head = [
        (LOAD, 0, 0, AT_ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, RET_KILL),
        (LOAD, 0, 0, AT_NUMBER), (AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, RET_KILL),
    ]  # fmt: skip
    tail = [
        (RETURN, 0, 0, RET_EPERM), (RETURN, 0, 0, RET_ALLOW),
        (LOAD, 0, 0, AT_THIRD_ARGUMENT), (ANY_BIT, 0, 1, PROT_EXEC), (RETURN, 0, 0, RET_EPERM), (RETURN, 0, 0, RET_ALLOW),
    ]  # fmt: skip
    rows = [(numbers[name], 1) for name in NAMES] + [(numbers[name], 2) for name in MAPPING]
    body = [(EQUAL, len(rows) - 1 - i + target, 0, number) for i, (number, target) in enumerate(rows)]
    return head + body + tail


class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('instructions', ctypes.c_void_p)]


def packed(instructions):
    data = b''.join(struct.pack('HBBI', *instruction) for instruction in instructions)
    return ctypes.create_string_buffer(data, len(data))


INSTRUCTIONS = filter_program()
BUFFER = packed(INSTRUCTIONS)
FILTER = Program(len(INSTRUCTIONS), ctypes.cast(BUFFER, ctypes.c_void_p))


def close_all_but(*kept):
    low = 0
    for fd in sorted(kept):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 65536)


def memory_in_use():
    """Bytes: (address space, resident)."""
    with open('/proc/self/statm') as file:
        size, resident = file.read().split()[:2]
    page = resource.getpagesize()
    return int(size) * page, int(resident) * page


def confine(memory, in_use=None):
    """No way back. `memory`: bytes that the process may hold, the interpreter's own included."""
    size, resident = in_use or memory_in_use()
    room = max(memory - resident - SLACK, LEAST)
    limits = {
        resource.RLIMIT_AS: size + room,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    drop_privileges()
    # Dies with its parent; losing root would have cleared this.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'no_new_privs')
    checked(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), 'not dumpable')
    checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(FILTER), 0, 0), 'seccomp')
    if libc.open(b'/', 0) >= 0 or libc.socket(1, 1, 0) >= 0 or libc.dup(0) >= 0:
        os._exit(71)


def drop_privileges():
    """Drops every capability, and root, except in the zygote's user namespace, which maps no other user."""
    for capability in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    header = struct.pack('Ii', 0x20080522, 0)
    checked(libc.capset(header, bytes(24)), 'dropping capabilities')
