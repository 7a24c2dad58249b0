// The thread of data-file-checkpoints.ts.
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { states, type ThreadData } from './data-file-checkpoints.ts'

const { path, state } = workerData as ThreadData

if (Atomics.compareExchange(state, 0, states.started, states.open) === states.started) {
  const db = new DatabaseSync(path)
  parentPort?.on('message', (wish: 'checkpoint' | 'close') => {
    if (wish === 'checkpoint')
      return parentPort?.postMessage(Number(db.prepare('PRAGMA wal_checkpoint(PASSIVE)').get()?.['log']))
    db.close()
    Atomics.store(state, 0, states.closed)
    Atomics.notify(state, 0)
    parentPort?.close()
  })
}
