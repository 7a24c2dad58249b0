// The thread of checkpoints.ts.
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { states, type ThreadData } from './checkpoints.ts'

const { path, state } = workerData as ThreadData

function closed(): void {
  Atomics.store(state, 0, states.closed)
  Atomics.notify(state, 0)
}

function serve(db: DatabaseSync): void {
  const close = (): void => {
    db.close()
    closed()
    parentPort?.close()
  }
  parentPort?.on('message', (wish: 'checkpoint' | 'close') => {
    if (wish === 'close') return close()
    try {
      parentPort?.postMessage(Number(db.prepare('PRAGMA wal_checkpoint(PASSIVE)').get()?.['log']))
    } catch (error) {
      close()
      throw error
    }
  })
}

if (Atomics.compareExchange(state, 0, states.started, states.open) === states.started) {
  try {
    serve(new DatabaseSync(path))
  } catch (error) {
    closed()
    throw error
  }
}
