// What must hold of the tasks of a session: one at a time, and in the order that their policies say.
import type { LoggedCall } from '../../../runtime/scripted-model/call-log.ts'
import { rowsOf, type EvidenceFiles, type TopicRecord } from '../evidence.ts'
import { placeOf, type Place } from '../kinds/conversations.ts'

export interface SessionVerdict {
  /** Messages that had a turn of their own. */
  readonly turns: number
  readonly wrong: string[]
}

interface Turn extends Place {
  admittedMs: number
  completedMs: number
  status: string
  /** When the model was first asked about it. */
  askedMs: number
}

export async function checkSessions({
  topics,
  model,
}: Pick<EvidenceFiles, 'topics' | 'model'>): Promise<SessionVerdict> {
  const turns = new Map<string, Turn>()
  const of = (taskId: string): Turn | null => {
    const place = placeOf(taskId)
    if (place === null) return null
    const never = Number.POSITIVE_INFINITY
    const known = turns.get(taskId) ?? {
      ...place,
      ...{ admittedMs: never, completedMs: never, status: 'open', askedMs: never },
    }
    turns.set(taskId, known)
    return known
  }
  for await (const { type, data, timestampMs } of rowsOf<TopicRecord>(topics)) {
    if (type !== 'TaskAdmitted' && type !== 'TaskCompleted') continue
    const turn = of(data.taskId)
    if (turn === null) continue
    if (type === 'TaskAdmitted') turn.admittedMs = Math.min(turn.admittedMs, timestampMs)
    else Object.assign(turn, { completedMs: timestampMs, status: data.status })
  }
  for await (const { task, receivedMs } of rowsOf<LoggedCall>(model)) {
    const turn = of(task ?? '')
    if (turn !== null) turn.askedMs = Math.min(turn.askedMs, receivedMs)
  }
  const sessions = Map.groupBy(turns.values(), ({ sessionId }) => sessionId)
  return {
    turns: [...turns.values()].filter(hadTurn).length,
    wrong: [...sessions].flatMap(([id, messages]) => {
      const inOrder = messages.filter(hadTurn).toSorted((a, b) => a.admittedMs - b.admittedMs)
      return [...overlaps(id, inOrder), ...disorder(id, inOrder, messages), ...outOfTurn(id, messages)]
    }),
  }
}

const hadTurn = ({ admittedMs }: Turn): boolean => Number.isFinite(admittedMs)

function overlaps(id: string, inOrder: readonly Turn[]): string[] {
  return inOrder.slice(1).flatMap((next, index) => {
    const before = inOrder[index] as Turn
    return next.admittedMs < before.completedMs
      ? [
          `message ${next.number} of ${id} began ${before.completedMs - next.admittedMs} ms before ${before.number} ended`,
        ]
      : []
  })
}

function disorder(id: string, inOrder: readonly Turn[], messages: readonly Turn[]): string[] {
  const found = inOrder.map(({ number }) => number).join()
  const wasCancelled = (number: number) =>
    messages.some((turn) => turn.number === number && turn.status === 'cancelled')
  const numbers = new Set(inOrder.map(({ number }) => number))
  const isRight = ordersOf(messages[0]?.plan ?? 'queue', wasCancelled).some(
    (order) => order.filter((number) => numbers.has(number)).join() === found,
  )
  return isRight || messages.some(({ status }) => status === 'open')
    ? []
    : [`messages of ${id} had their turns in the order ${found}`]
}

const asSubmitted = [0, 1, 2]
const interruptedFirst = [0, 2, 1]

/** One that was cancelled before its turn began, or taken along, has none. */
function ordersOf(
  plan: Place['plan'],
  wasCancelled: (number: number) => boolean,
): readonly (readonly number[])[] {
  if (plan !== 'interrupt' || wasCancelled(1)) return [asSubmitted]
  return wasCancelled(0) ? [interruptedFirst] : [asSubmitted, interruptedFirst]
}

/** By the model server alone: nothing is asked about a message that waits. */
function outOfTurn(id: string, messages: readonly Turn[]): string[] {
  const asked = messages.filter(({ plan, askedMs }) => plan === 'queue' && Number.isFinite(askedMs))
  const found = asked.toSorted((a, b) => a.askedMs - b.askedMs).map(({ number }) => number)
  return found.every((number, index) => number === index)
    ? []
    : [`the model was asked about messages of ${id} in the order ${found.join()}`]
}
