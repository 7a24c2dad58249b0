import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { runTier, type TierOutcome } from '../../infra/tier.ts'

const repository = join(import.meta.dirname, '../../..')

/** Runs these sources as the test files of a tier. */
async function outcomeOf(
  sources: Readonly<Record<string, string>>,
  limitS = 30,
  fileLimitS = 30,
): Promise<TierOutcome> {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-tier-'))
  try {
    const files = Object.entries(sources).map(([name, source]) => {
      const file = join(directory, `${name}.test.mjs`)
      writeFileSync(file, `import { test, describe } from 'node:test'\n${source}`)
      return relative(repository, file)
    })
    const tier = { name: 'tried', needs: [], concurrency: 1, aimS: 30, limitS, fileLimitS }
    const environment = { PATH: process.env['PATH'] ?? '' }
    return await runTier(tier, files, { environment, abort: new AbortController().signal, quiet: true })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

test('tests are counted once each; suites are not tests; skipped and todo are neither', async () => {
  const outcome = await outcomeOf({
    one: `
      describe('suite', () => { test('a', () => {}); test('b', () => {}) })
      test('skipped', { skip: true }, () => {})
      test('todo', { todo: true }, () => { throw new Error('later') })`,
    two: `test('c', () => {}); test('d', () => { throw new Error('broken') })`,
  })
  const { passed, failed, skipped, complaints } = outcome
  assert.deepEqual(
    { passed, failed, skipped, complaints },
    { passed: 3, failed: 1, skipped: 2, complaints: [] },
  )
})

test('a file that can not be loaded has failed', async () => {
  const outcome = await outcomeOf({ broken: `import './is-not-there.mjs'` })
  assert.equal(outcome.failed, 1)
})

test('a tier past its limit is killed, keeps its count, and names the file that did not end', async () => {
  const outcome = await outcomeOf(
    {
      fine: `test('a', () => {})`,
      hung: `test('b', () => {}); test('never', () => new Promise(() => setInterval(() => {}, 1000)))`,
    },
    1.5,
  )
  assert.equal(outcome.complaints.length, 1)
  assert.match(outcome.complaints[0] ?? '', /killed; its limit is 1.5 s; not finished: .*hung\.test\.mjs$/)
  assert.equal(outcome.failed, 0)
})

const waits = `import { eventually } from ${JSON.stringify(join(repository, 'test/conformance/waiting.ts'))}
  import { existsSync, writeFileSync } from 'node:fs'\n`

test('a file whose waits were too long runs once more, alone, and its tests are named', async () => {
  const late = `${waits}
    const before = import.meta.filename + '.before'
    test('fine', () => {})
    test('slow', async (t) => {
      await t.test('part', async () => {
        const again = existsSync(before)
        writeFileSync(before, '')
        await eventually('it is there', () => again, 10)
      })
    })`
  const { passed, failed, late: named, complaints } = await outcomeOf({ late, other: `test('a', () => {})` })
  assert.deepEqual({ passed, failed, complaints }, { passed: 4, failed: 0, complaints: [] })
  assert.equal(named.length, 2)
  assert.match(named[0] ?? '', /late\.test\.mjs: part$/)
})

test('a wait that is too long alone too has failed, and so has a wrong value beside one', async () => {
  const never = `${waits} test('never', () => eventually('it is there', () => false, 10))`
  assert.equal((await outcomeOf({ never })).failed, 1)
  const wrong = `${never}; test('wrong', () => { throw new Error('2 is not 1') })`
  const outcome = await outcomeOf({ wrong })
  assert.deepEqual([outcome.failed, outcome.late], [2, []])
})

test('a file that does not end is ended alone, and the others run', async () => {
  const hung = `test('broken', () => { setInterval(() => {}, 10); throw new Error('broken') })`
  const { passed, failed, complaints } = await outcomeOf({ hung, other: `test('a', () => {})` }, 30, 1)
  assert.deepEqual({ passed, failed, complaints }, { passed: 1, failed: 1, complaints: [] })
})

test('a file that has no tests, only skipped ones, or exits before their end, has failed', async () => {
  const sources = {
    empty: '',
    suite: `describe('suite', () => {})`,
    skipped: `test('a', { skip: true }, () => {}); test('b', (t) => t.skip()); test.todo('c')`,
    early: `test('broken', () => { throw new Error('broken') }); process.exit(0)`,
    midway: `
      test('a', () => {})
      test('b', async () => { await new Promise((settle) => setTimeout(settle, 200)); process.exit(0) })`,
  }
  for (const [name, source] of Object.entries(sources)) {
    const { failed, complaints } = await outcomeOf({ [name]: source, other: `test('a', () => {})` })
    assert.equal(failed, 0, name)
    assert.deepEqual(
      complaints.map((text) => text.replace(/^.*\//, '')),
      [`${name}.test.mjs has no tests that ran, or ended before them`],
    )
  }
})

test('a second run proves nothing for a test that it lost, nor for files that the first did not reach', async () => {
  const once = (again: string): string => `${waits}
    const before = import.meta.filename + '.before'
    const again = existsSync(before)
    writeFileSync(before, '')
    if (again) { ${again} } else { test('slow', () => eventually('it is there', () => again, 10)); test('b', () => {}) }`
  const lost = await outcomeOf({ lost: once(`test('b', () => {})`) })
  assert.deepEqual([lost.failed, lost.late], [1, []])
  const fine = once(`test('slow', () => {}); test('b', () => {})`)
  const unreached = await outcomeOf({ a: fine, b: `test('c', () => process.kill(process.ppid, 'SIGKILL'))` })
  assert.equal(unreached.complaints.length, 1)
  assert.match(unreached.complaints[0] ?? '', /ended with null in tried; not finished: .*b\.test\.mjs$/)
})

test('a tier without a test file has failed', async () => {
  const { failed, complaints } = await outcomeOf({})
  assert.deepEqual({ failed, complaints }, { failed: 1, complaints: ['tried has no test file'] })
})
