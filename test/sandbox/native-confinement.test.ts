// The native executor starts confined or not at all, and leaves no process behind.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { killIfThere } from '../support/kill.ts'
import { createNative } from './native.ts'
import { TestSession } from './suite/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'flotilla-native-test-'))
after(() => rmSync(folder, { recursive: true }))

/** A virtual environment whose Python runs `program` when it starts, with a package `tiny`; its python's path. */
function pythonWith(name: string, program: string): string {
  const directory = join(folder, name)
  execFileSync('python3', ['-m', 'venv', '--without-pip', directory])
  const [version = ''] = readdirSync(join(directory, 'lib'))
  const packages = join(directory, 'lib', version, 'site-packages')
  writeFileSync(join(packages, 'first.pth'), 'import first\n')
  writeFileSync(join(packages, 'first.py'), program)
  mkdirSync(join(packages, 'tiny'))
  writeFileSync(join(packages, 'tiny', '__init__.py'), 'answer = 42\n')
  writeFileSync(join(packages, 'tiny', 'below.py'), 'def late(): return "loaded ahead"\n')
  return join(directory, 'bin', 'python')
}

/** The C library, but `prctl` answers as `answer` (a Python expression over its arguments `a`) says. */
const withPrctl = (answer: string) => `
import ctypes
real = ctypes.CDLL(None, use_errno=True)
class Library:
    def __getattr__(self, name):
        return (lambda *a: ${answer}) if name == 'prctl' else getattr(real, name)
ctypes.CDLL = lambda *a, **k: Library()`

const refused: readonly [what: string, program: string, reason: RegExp][] = [
  [
    'an architecture without a table of system calls',
    'import platform\nplatform.machine = lambda: "riscv64"',
    /no table of system calls for linux on riscv64/,
  ],
  [
    'a filter that is not of this architecture',
    `import platform\nother = "aarch64" if platform.machine() == "x86_64" else "x86_64"\nplatform.machine = lambda: other`,
    /SIGSYS/,
  ],
  ['a kernel that takes no filter', withPrctl('-1 if a[0] == 22 else real.prctl(*a)'), /session: .* seccomp/],
  ['a filter that is taken and does nothing', withPrctl('0'), /the process ended \(71\)/],
]
for (const [index, [what, program, reason]] of refused.entries()) {
  test(`not started unconfined: ${what}`, async () => {
    const executor = createNative({ python: pythonWith(`refused-${index}`, program) })
    after(() => executor.close())
    await assert.rejects(executor.check(), { code: 'SANDBOX_UNAVAILABLE', message: reason })
    const remedy = /bubblewrap.*The wasm executor needs none of this/
    await assert.rejects(new TestSession(executor).step('1'), {
      code: 'SANDBOX_UNAVAILABLE',
      message: remedy,
    })
  })
}

test('a Python that is not there, or not one, is told with the setting that names it', async () => {
  for (const python of ['/nowhere/python3', '/bin/false']) {
    const executor = createNative({ python })
    await assert.rejects(executor.check(), { code: 'SANDBOX_UNAVAILABLE', message: /FLOTILLA_PYTHON/ })
    await executor.close()
  }
})

test('configured packages are importable, whole, and no others', async () => {
  const python = pythonWith('packages', '')
  const executor = createNative({ python, packages: ['tiny'] })
  after(() => executor.close())
  const session = new TestSession(executor)
  const outcome = await session.step('import tiny, tiny.below\n(tiny.answer, tiny.below.late())')
  assert.deepEqual([outcome.error, outcome.value], [null, [42, 'loaded ahead']])
  assert.equal((await session.step('import first')).error?.code, 'CODE_PERMISSION')
  const missing = createNative({ python, packages: ['not_installed'] })
  after(() => missing.close())
  await assert.rejects(missing.check(), { code: 'SANDBOX_UNAVAILABLE', message: /'not_installed'/ })
})

const zygotesOf = (mark: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => commandLine(pid).includes(mark))
    .map(Number)

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

for (const namespaces of [true, false]) {
  test(`a host that is killed takes its Python with it, ${namespaces ? 'with' : 'without'} namespaces`, async () => {
    // The memory limit marks the processes of this test.
    const memoryMb = namespaces ? 301 : 302
    const mark = ` socket ${memoryMb} `
    const program = `
      const { createNative } = await import(${JSON.stringify(fileURLToPath(new URL('./native.ts', import.meta.url)))})
      const { TestSession } = await import(${JSON.stringify(fileURLToPath(new URL('./suite/session.ts', import.meta.url)))})
      const executor = createNative({ memoryMb: ${memoryMb}, namespaces: ${namespaces} })
      await new TestSession(executor).step('x = 1')
      void new TestSession(executor).step('while True: pass')
      console.log('computing')`
    const host = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => host.stdout.once('data', resolve))
    assert.ok(zygotesOf(mark).length >= 3, 'the zygote and two sessions')
    host.kill('SIGKILL')
    while (zygotesOf(mark).length > 0) await setImmediate()
  })
}

test('a zygote that dies is started again, and its sessions go on from their logs', async () => {
  const executor = createNative({ memoryMb: 303 })
  after(() => executor.close())
  const session = new TestSession(executor)
  await session.step('x = 1')
  for (const pid of zygotesOf(' socket 303 ')) killIfThere(pid)
  while (executor.children > 0) await setImmediate()
  assert.equal((await session.step('x + 1')).value, 2)
})
