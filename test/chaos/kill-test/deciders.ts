// The people of a kill test: a program that reads what waits and decides as the id of the task says, over gateways that may
// be killed at any moment, and on Kafka.
import { setTimeout as pause } from 'node:timers/promises'
import type { ApprovalInput } from '../../../client/types.ts'
import type { ApprovalView } from '../../../operator/index.ts'
import { ANSWER, DECLINED_BECAUSE, EDITED_ITEM, isApproval, planOf } from '../kinds/approvals.ts'

export interface DecidersOptions {
  /** Base URL of a gateway; asked for at each try. */
  url(): string
  /** Writes the decision to Kafka. */
  onLog(decision: ApprovalInput): Promise<void>
  say(line: string): void
}

export interface Deciders {
  /** Decides about nothing more. */
  stop(): void
  /** How the late decisions were answered, by HTTP status. */
  readonly late: ReadonlyMap<number, number>
}

const EVERY_MS = 300
const RETRY_MS = 100
const LATE_MS = 1_500

type Given = Omit<ApprovalInput, 'taskId' | 'callId' | 'heldAtMs'>

export function startDeciders({ url, onLog, say }: DecidersOptions): Deciders {
  const begun = new Set<string>()
  const late = new Map<number, number>()
  let stopped = false
  const aim = ({ taskId, callId, heldAtMs }: ApprovalView, given: Given): ApprovalInput => ({
    ...{ taskId, callId, heldAtMs },
    ...given,
  })
  /** The status of the first answer that says what became of it. */
  const byHttp = async (call: ApprovalView, given: Given): Promise<number> => {
    const { taskId, callId, ...body } = aim(call, given)
    for (;;) {
      const status = await post(`${url()}/v1/tasks/${taskId}/approvals/${callId}`, body)
      if (status < 500 || stopped) return status
      await pause(RETRY_MS)
    }
  }
  const decide = async (call: ApprovalView): Promise<void> => {
    const plan = planOf(call.taskId)
    const asked = call.arguments as { readonly item?: number }
    const edited = { approved: true, arguments: { ...asked, item: EDITED_ITEM } }
    const yes: Given = { approved: true, decidedBy: 'ann' }
    switch (plan) {
      case 'expired':
        return
      case 'kafka':
        return onLog(aim(call, yes))
      case 'two':
        return void (await Promise.all([byHttp(call, yes), onLog(aim(call, { ...yes, decidedBy: 'bo' }))]))
      case 'twice':
        return void (await Promise.all([byHttp(call, yes), byHttp(call, yes)]))
      case 'edited':
        return void (await byHttp(call, edited))
      case 'python':
        return void (await byHttp(call, asked.item === 1 ? edited : yes))
      case 'declined':
        return void (await byHttp(call, { approved: false, reason: DECLINED_BECAUSE }))
      case 'question':
        return void (await byHttp(call, { approved: true, answer: ANSWER }))
      case 'late': {
        await byHttp(call, yes)
        await pause(LATE_MS)
        const status = await byHttp(call, { approved: false, reason: 'too late' })
        late.set(status, (late.get(status) ?? 0) + 1)
        return
      }
      default:
        await byHttp(call, yes)
    }
  }
  const watch = async (): Promise<void> => {
    while (!stopped) {
      for (const call of await waiting(url())) {
        const name = `${call.callId} ${call.heldAtMs}`
        if (!isApproval(call.taskId) || begun.has(name)) continue
        begun.add(name)
        decide(call).catch((error: Error) => {
          begun.delete(name)
          if (!stopped) say(`deciding about ${call.taskId}: ${error.message}; once more`)
        })
      }
      await pause(EVERY_MS)
    }
  }
  void watch()
  return { stop: () => void (stopped = true), late }
}

async function waiting(url: string): Promise<readonly ApprovalView[]> {
  try {
    const response = await fetch(`${url}/v1/approvals?limit=1000`, { signal: AbortSignal.timeout(15_000) })
    return response.ok ? ((await response.json()) as ApprovalView[]) : []
  } catch {
    return []
  }
}

/** 503: nobody knows; ask again. */
async function post(url: string, body: object): Promise<number> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(15_000) })
    await response.arrayBuffer()
    return response.status
  } catch {
    return 503
  }
}
