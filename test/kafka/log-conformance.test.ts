import { logSuite } from '../conformance/log-suite.ts'
import { kafkaLog, uniquePrefix } from './brokers.ts'

logSuite('kafka', () => {
  const prefix = uniquePrefix('conformance')
  const log = kafkaLog(prefix)
  return Promise.resolve({ log, second: () => Promise.resolve(kafkaLog(prefix)), stop: () => log.close() })
})
