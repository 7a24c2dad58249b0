import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadWithScriptedModel } from '../../../cli/scripted.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { loadFleet } from '../../../runtime/config/load.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-scripted-'))
const path = join(directory, 'flotilla.config.mjs')
// A getter shows how often the definition is read.
writeFileSync(
  path,
  `globalThis.reads = 0
export default {
  models: { default: 'local/big', tiers: { economical: 'scripted' } },
  get limits() { globalThis.reads += 1; return {} },
}`,
)
after(() => rmSync(directory, { recursive: true, force: true }))

test('the configuration is completed once, and gets the scripted model as one more provider', async () => {
  const raw = { FLOTILLA_CONFIG: path, LOCAL_BASE_URL: 'http://127.0.0.1:9/v1' }
  await loadFleet(readEnvironment(raw))
  const once = (globalThis as { reads?: number }).reads
  Object.assign(globalThis, { reads: 0 })
  const loaded = await loadWithScriptedModel(readEnvironment(raw))
  try {
    assert.equal((globalThis as { reads?: number }).reads, once)
    const { models } = loaded.fleet
    assert.equal(models.default, 'local/big')
    assert.equal(loaded.isScripted, false)
    const address = loaded.environment.raw['FLOTILLA_SCRIPTED_URL']
    assert.equal(models.providers['scripted']?.baseUrl, address)
    assert.ok(models.providers['local'])
  } finally {
    await loaded.stop()
  }
})
