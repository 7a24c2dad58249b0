import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../../runtime/clock.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { Pump, Reader } from '../../../../runtime/log/embedded/reader.ts'
import type { LogStorage } from '../../../../runtime/log/embedded/storage.ts'
import type { LogRecord } from '../../../../runtime/log/port.ts'

const topic = 'tasks.submitted'
const slot = { id: 1, topic, partition: 0, next: 1 } as const
const record: LogRecord = {
  topic,
  partition: 0,
  offset: 0,
  key: null,
  value: null,
  headers: {},
  timestampMs: 0,
}

test('records that can not be read for a moment are read again, and delivered once', async () => {
  let reads = 0
  const read = (): LogRecord[] => {
    if (++reads < 3) throw new FlotillaError('LOG_UNAVAILABLE', 'another program has locked it')
    return [record]
  }
  const { promise: delivered, resolve } = Promise.withResolvers<readonly LogRecord[]>()
  const storage = { read } as unknown as LogStorage
  const onDamage = (): void => assert.fail('nothing is damaged')
  const pump = new Pump({ storage, clock: systemClock, soon: setImmediate, onDamage })
  const reader = new Reader(pump, (records) => resolve(records))
  reader.add(slot, 0)
  assert.deepEqual(await delivered, [record])
  assert.equal(reads, 3)
  reader.close()
})
