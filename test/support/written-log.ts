import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createCodec } from '../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../runtime/codec/embedded-registry.ts'
import { openEmbeddedLog } from '../../runtime/log/embedded/log.ts'
import type { TopicName } from '../../schemas/topics.ts'

/** An empty log that the test writes itself, and its codec; both are gone with the test. */
export async function writtenLog(t: TestContext, partitions: number) {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-log-'))
  const log = openEmbeddedLog({ dataDir, partitions })
  t.after(async () => {
    await log.close()
    rmSync(dataDir, { recursive: true })
  })
  await log.ensureTopics([])
  const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
  await codec.prepare()
  const put = (topic: TopicName, partition: number, key: string, value: Uint8Array) =>
    log.publish([{ topic, partition, key, value, headers: {} }])
  return { log, codec, put }
}
