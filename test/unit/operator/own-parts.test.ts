import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { OwnParts } from '../../../operator/own-parts.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'

test('on Kafka without DATABASE_URL a list is refused: a new file of this machine would show no task at all', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-parts-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const parts = new OwnParts(readEnvironment({ KAFKA_BROKERS: '127.0.0.1:9', FLOTILLA_DATA: dataDir }))
  await assert.rejects(parts.sql(), { code: 'CONFIG_INVALID', message: /set DATABASE_URL .*FLOTILLA_URL/ })
  assert.equal(existsSync(join(dataDir, 'flotilla.db')), false)
  await parts.close()
})
