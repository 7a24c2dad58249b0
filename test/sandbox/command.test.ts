// `flotilla sandbox`: what an agent's Python may do, tried from the command line.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { SnippetOutcome } from '../../services/code-sandbox/try-out.ts'
import { installedProgram } from '../infra/tool.ts'
import { flotilla } from '../support/command.ts'

const folder = mkdtempSync(join(tmpdir(), 'flotilla-snippets-'))
after(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const run = (...args: string[]) => flotilla(['sandbox', 'run', ...args])

test('a snippet runs as a step would: tools answer what is given, in order', async () => {
  const path = file(
    'loop.py',
    'print("looking")\nfinal_answer([lookup(q, deep=True) for q in "abc"] + [other("x")])',
  )
  const given = ['--tool-result', 'lookup=1', '--tool-result', 'lookup=[2]', '--tool-result', 'other=null']
  const { code, out, err } = await run('--json', ...given, path)
  assert.equal(code, 0, err)
  const outcome = JSON.parse(out) as SnippetOutcome & { errorClass: string | null }
  assert.deepEqual(
    [outcome.status, outcome.output, outcome.isFinal, outcome.prints, outcome.errorClass],
    ['finished', [1, [2], [2], null], true, 'looking\n', null],
  )
  assert.deepEqual(
    outcome.calls.map(({ tool, arguments: args }) => [tool, args]),
    [
      ['lookup', { arg1: 'a', deep: true }],
      ['lookup', { arg1: 'b', deep: true }],
      ['lookup', { arg1: 'c', deep: true }],
      ['other', { arg1: 'x' }],
    ],
  )
})

test('a large answer comes whole through a pipe', async () => {
  const { code, out, err } = await flotilla(['sandbox', 'run', '--json', '-'], {
    stdin: 'final_answer("x" * 450_000)',
  })
  assert.equal(code, 0, err)
  assert.equal(String((JSON.parse(out) as SnippetOutcome).output).length, 450_000)
})

test('a failure is told with its class and line, and is the exit code', async () => {
  const failed = await run('--json', file('fails.py', 'x = {}\nx["k"]'))
  const outcome = JSON.parse(failed.out) as { status: string; errorClass: string; error: { code: string } }
  assert.deepEqual(
    [failed.code, outcome.status, outcome.errorClass, outcome.error.code],
    [1, 'failed', 'KeyError', 'CODE_FAILED'],
  )
  const people = await flotilla(['sandbox', 'run', '-'], { stdin: 'open("x")' })
  assert.deepEqual([people.code, people.out], [1, ''])
  assert.match(people.err, /CODE_PERMISSION[^]*line 1[^]*open\(\) is not available in the sandbox/)
})

test("the fleet's own tools are there by their signatures, and fail unless a result is given", async () => {
  const code = 'try:\n    fetch_page("https://example.com")\nexcept ToolError as e:\n    r = str(e)\nr'
  const { out, err } = await flotilla(['sandbox', 'run', '-'], { stdin: code })
  assert.match(out, /no result was given for it; give one: --tool-result/, err)
})

test('an unknown executor, a result that is not JSON and a missing file are refused with a remedy', async () => {
  const path = file('one.py', '1')
  assert.match((await run('--executor', 'moon', path)).err, /'moon' is not configured here; there are: wasm/)
  assert.match((await run('--tool-result', 'f=text', path)).err, /is not JSON; a text needs its quotes/)
  assert.match((await run(join(folder, 'none.py'))).err, /none\.py/)
})

test('probe counts the programs that end without an error', async () => {
  file('good.py', 'x = 1')
  const programs = { fine: '1 + 1', wrong: '1 / 0', slow: 'while True: pass', answers: 'final_answer(1)' }
  const path = file('programs.json', JSON.stringify(programs))
  const { code, out } = await flotilla(['sandbox', 'probe', '--timeout', '1500', path])
  assert.equal(code, 0)
  assert.match(
    out,
    /^wrong CODE_FAILED ZeroDivisionError: division by zero\nslow CODE_TIMEOUT [^\n]*\n2 of 4 ran\n$/,
  )
  const json = await flotilla(['sandbox', 'probe', '--json', folder])
  const counted = JSON.parse(json.out) as { of: number; failed: Record<string, string> }
  assert.deepEqual(Object.keys(counted.failed).toSorted(), ['fails', 'loop'])
  assert.equal(counted.of, 4)
})

test('doctor says where native Python runs without namespaces, and why', async () => {
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {
    encoding: 'utf8',
  }).trim()
  const [without, broken] = [join(folder, 'without'), join(folder, 'broken')]
  for (const path of [without, broken]) mkdirSync(path)
  symlinkSync('/bin/false', join(broken, 'bwrap'))
  const found = async (path: string) => {
    const env = { PATH: path, FLOTILLA_PYTHON: python, FLOTILLA_DATA: join(folder, 'data') }
    const { code, out } = await flotilla(['doctor', '--json'], { env })
    assert.equal(code, 0, out)
    const findings = JSON.parse(out) as { check: string; result: string; reason: string }[]
    return findings.find(({ check }) => check === 'sandbox native')
  }
  await installedProgram('bwrap', 'bubblewrap')
  assert.equal((await found(process.env['PATH'] ?? ''))?.result, 'ok')
  for (const [path, why] of [
    [without, /without namespaces.*bwrap is not on PATH: install bubblewrap/],
    [broken, /without namespaces.*bubblewrap does not work here/],
  ] as const) {
    const finding = await found(path)
    assert.equal(finding?.result, 'warn')
    assert.match(finding?.reason ?? '', why)
  }
})
