// A move to Kafka that kills itself after its third transaction of records: what a machine that goes down leaves behind.
import { readEnvironment } from '../../runtime/config/environment.ts'
import { moveToKafka } from '../../runtime/migration/to-kafka.ts'
import { stageNames } from '../../services/index.ts'

let transactions = 0
await moveToKafka({
  environment: readEnvironment(process.env),
  stages: stageNames,
  isDryRun: false,
  batchRecords: 15,
  onProgress: (text) => {
    if (text.startsWith('copied') && ++transactions === 3) process.kill(process.pid, 'SIGKILL')
  },
})
