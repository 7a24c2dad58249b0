// What must hold of calls that wait for people.
//
// 1. A call that was approved arrives at the tool server once, with the arguments that were approved; one that was not
//    never does. That holds whatever was killed: where the outcome is not known, the tool looks it up.
// 2. Each wait ends once, as it was decided; a decision that came twice or late changes nothing.
import type { ToolEvent } from '../../support/tool-server.ts'
import { allRows, rowsOf, type EvidenceFiles, type TopicRecord } from '../evidence.ts'
import { expectedOf, isApproval } from '../kinds/approvals.ts'

export interface ApprovalVerdict {
  /** Waits that ended. */
  readonly decided: number
  readonly wrong: string[]
}

export async function checkApprovals({
  topics,
  tools,
}: Pick<EvidenceFiles, 'topics' | 'tools'>): Promise<ApprovalVerdict> {
  const completed = new Set<string>()
  const ends = new Map<string, Map<string, string[]>>()
  for await (const { type, data } of rowsOf<TopicRecord>(topics)) {
    if (type === 'TaskCompleted' && isApproval(data.taskId)) completed.add(data.taskId)
    if (type !== 'CallReleased' || !isApproval(data.taskId)) continue
    const ofTask = ends.get(data.taskId) ?? new Map<string, string[]>()
    const wait = `${data.heldAtMs} ${data.callId}`
    ends.set(data.taskId, ofTask.set(wait, [...(ofTask.get(wait) ?? []), data.outcome]))
  }
  const arrived = Map.groupBy(
    (await allRows<ToolEvent>(tools)).filter(({ event, task }) => event === 'arrived' && isApproval(task)),
    ({ task }) => task,
  )
  return {
    decided: [...ends.values()].reduce((sum, ofTask) => sum + ofTask.size, 0),
    wrong: [...completed].flatMap((task) => [
      ...wrongCalls(task, arrived.get(task) ?? []),
      ...wrongEnds(task, ends.get(task) ?? new Map()),
    ]),
  }
}

function wrongCalls(task: string, events: readonly ToolEvent[]): string[] {
  const { items } = expectedOf(task)
  const came = events.map(({ item }) => item).toSorted((a, b) => a - b)
  return JSON.stringify(came) === JSON.stringify(items)
    ? []
    : [`calls of ${task} arrived with items [${came.join()}], and [${items.join()}] were approved`]
}

function wrongEnds(task: string, waits: ReadonlyMap<string, readonly string[]>): string[] {
  const { outcomes } = expectedOf(task)
  const inOrder = [...waits].toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
  const found = inOrder.flatMap(([, of]) => of)
  return JSON.stringify(found) === JSON.stringify(outcomes)
    ? []
    : [`waits of ${task} ended as [${found.join()}], not as [${outcomes.join()}]`]
}
