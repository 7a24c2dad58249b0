import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { cached } from '../../infra/cache.ts'

const root = mkdtempSync(join(tmpdir(), 'flotilla-cache-'))
process.env['FLOTILLA_CACHE'] = root
after(() => rmSync(root, { recursive: true, force: true }))

const builder = (content: string) => {
  const build = async (directory: string): Promise<void> => {
    build.runs++
    writeFileSync(join(directory, 'artefact'), content)
  }
  build.runs = 0
  return build
}

test('built once for the same inputs, also by two at the same time, and anew for others', async () => {
  const build = builder('made')
  const [first, second] = await Promise.all([cached('thing', ['v1'], build), cached('thing', ['v1'], build)])
  assert.equal(first, second)
  assert.equal(build.runs, 1)
  assert.equal(readFileSync(join(first, 'artefact'), 'utf8'), 'made')
  assert.notEqual(await cached('thing', ['v2'], build), first)
  assert.equal(build.runs, 2)
})

test('a build that fails leaves nothing, and the next one may try', async () => {
  const broken = cached('fragile', ['v1'], async (directory) => {
    writeFileSync(join(directory, 'half'), '')
    throw new Error('no network')
  })
  await assert.rejects(broken, /no network/)
  assert.deepEqual(
    readdirSync(root).filter((entry) => entry.startsWith('fragile')),
    [],
  )
  assert.ok(existsSync(join(await cached('fragile', ['v1'], builder('made')), 'artefact')))
})

test('the lock of a dead process is taken over', async () => {
  const build = builder('made')
  const target = await cached('orphaned', ['v1'], build)
  rmSync(target, { recursive: true })
  writeFileSync(`${target}.lock`, '4194305')
  assert.equal(await cached('orphaned', ['v1'], build), target)
  assert.equal(build.runs, 2)
})
