// Streams text to watchers: best effort, in batches, so that a token does not cost a record.
import { randomUUID } from 'node:crypto'
import { decodeKey } from '../../../runtime/keys.ts'
import type { CallContext } from '../../../runtime/stage.ts'

export interface TokenBatcher {
  add(text: string): void
  /** Sends the rest. */
  end(): void
}

const TOKEN_BATCH_MS = 50

export function batchTokens(
  context: CallContext,
  step: number,
  batchMs: number = TOKEN_BATCH_MS,
): TokenBatcher {
  let waiting = ''
  let sequence = 0
  // A process that was taken for dead may go on writing beside its successor: readers must tell them apart.
  let attempt: string | undefined
  let timer: NodeJS.Timeout | undefined
  const send = () => {
    timer = undefined
    if (waiting === '') return
    attempt ??= randomUUID().slice(0, 8)
    const data = { taskId: decodeKey(context.key).root, step, sequence: sequence++, text: waiting, attempt }
    waiting = ''
    context.stream({ topic: 'tasks.streaming', type: 'TokensStreamed', data })
  }
  return {
    add: (text) => {
      waiting += text
      if (text !== '') timer ??= setTimeout(send, batchMs)
    },
    end: () => {
      clearTimeout(timer)
      send()
    },
  }
}
