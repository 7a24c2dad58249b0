// An author's scorers: one that loops, crashes or takes all memory is named, and holds nothing else up.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TaskResult } from '../../../client/types.ts'
import type { Case } from '../../../evaluation/cases.ts'
import { entriesOfModule } from '../../../evaluation/dataset/module.ts'
import { casesOf } from '../../../evaluation/dataset/checked-cases.ts'
import { Mistakes } from '../../../evaluation/dataset/mistakes.ts'
import { scoreCase } from '../../../evaluation/score.ts'
import { UserCode } from '../../../evaluation/user-code/user-code.ts'
import { directSchemaChecks } from '../../../runtime/testing/schema-checks.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-user-code-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const schemas = directSchemaChecks()
const result = { status: 'succeeded', output: 'x', steps: [], taskId: 't' } as unknown as TaskResult

/** Cases of a module whose scorers are these, by name. */
async function read(scorers: Record<string, string>, code: UserCode): Promise<Case[]> {
  const path = join(directory, `${Object.keys(scorers).join('-')}.mjs`)
  const functions = Object.entries(scorers).map(([name, source]) => `${JSON.stringify(name)}: ${source}`)
  writeFileSync(
    path,
    `const scorers = { ${functions.join(', ')} }
     export default Object.keys(scorers).map((id) => ({ id, input: 'a', scorers: [scorers[id]] }))`,
  )
  const mistakes = new Mistakes()
  const { entries } = await entriesOfModule(path, mistakes, code)
  const cases = await casesOf(entries, { path, scorers: [], mistakes, schemas, code })
  mistakes.throwIfAny(path)
  return cases
}

/** Score or problem by case, all scored at once. */
async function scored(scorers: Record<string, string>, limits = {}): Promise<Record<string, unknown>> {
  const code = new UserCode({ scoreMs: 700, memoryMb: 64, ...limits })
  const cases = await read(scorers, code)
  const judge = () => Promise.reject(new Error('there is no judge'))
  const found = await Promise.all(
    cases.map(async (each) => {
      const { score, problem } = await scoreCase(each, result, { schemas, judge })
      return [each.id, score ?? problem]
    }),
  )
  await code.close()
  return Object.fromEntries(found) as Record<string, unknown>
}

const good = '({ text }) => text.length'
const slow = '() => new Promise((resolve) => setTimeout(() => resolve(0.25), 100))'

test('one that loops is named with its case; those beside it are scored', async () => {
  const found = await scored({ good, loops: '() => { for (;;); }', slow })
  assert.deepEqual([found['good'], found['slow']], [1, 0.25])
  assert.match(String(found['loops']), /^loops took more than 0\.7 s without a pause \(case loops\)$/)
})

test('one that awaits forever is given up, and its thread goes on', async () => {
  const found = await scored({ never: '() => new Promise(() => {})', good })
  assert.equal(found['good'], 1)
  assert.match(String(found['never']), /^never took more than 0\.7 s.*never ends \(case never\)/)
})

test('memory outside of the heap is bounded, too', async () => {
  const buffers = '() => { const all = []; for (;;) all.push(Buffer.alloc(1e7, 1)) }'
  const found = await scored({ buffers, good }, { scoreMs: 120_000 })
  assert.equal(found['good'], 1)
  assert.match(String(found['buffers']), /^buffers took more than 64 MB of memory/)
})

test('ends of the process, errors that nothing catches and all memory are problems of that one', async () => {
  const found = await scored({
    exits: '() => process.exit(1)',
    throws: '() => { throw new Error("no") }',
    later: '() => new Promise(() => setImmediate(() => { throw new Error("later") }))',
    memory: '() => { const all = []; for (;;) all.push(new Array(1e5).fill(1)) }',
    good,
  })
  assert.equal(found['good'], 1)
  assert.match(String(found['exits']), /^exits ended its process/)
  assert.match(String(found['throws']), /^throws failed: no/)
  assert.match(String(found['later']), /^later ended with an error that nothing caught: later/)
  assert.match(String(found['memory']), /^memory took more than 64 MB/)
})
