import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../runtime/log/embedded/log.ts'
import { createMemoryBroker } from '../../runtime/testing/memory/log/log.ts'
import { logSuite } from '../conformance/log-suite.ts'

logSuite('embedded', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-log-'))
  const options = { dataDir, partitions: 4 }
  const log = openEmbeddedLog(options)
  return {
    log,
    second: async () => openEmbeddedLog(options),
    stop: async () => {
      await log.close()
      await rm(dataDir, { recursive: true })
    },
  }
})

logSuite('memory', async () => {
  const broker = createMemoryBroker({ partitions: 4 })
  const log = broker.connect()
  return { log, second: async () => broker.connect(), stop: () => log.close() }
})
