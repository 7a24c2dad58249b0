// What must hold of trees of delegated tasks.
//
// 1. A call of another agent is one task, however often a process dies: one for each call, and one for each mark.
// 2. That task has one result, whatever became of the one that asked.
// 3. What a tree costs, by the tokens that the model server counted, is at most its ceiling; and so for each part of it. A
//    call that was made again because its caller was killed counts once: nobody can know what the dead one paid.
import type { LoggedCall } from '../../../runtime/scripted-model/call-log.ts'
import { rowsOf, type EvidenceFiles, type TopicRecord } from '../evidence.ts'
import { isTree, TREE_PRICE } from '../kinds/trees.ts'
import type { Delegations } from './marks.ts'

export interface TreeVerdict {
  readonly delegated: number
  readonly wrong: string[]
}

const MILLION = 1_000_000
const ROUNDING = 1e-9

export async function checkTrees(
  { topics, model }: Pick<EvidenceFiles, 'topics' | 'model'>,
  { tasks, markOf }: Delegations,
): Promise<TreeVerdict> {
  const ceilings = new Map<string, number>()
  const results = new Map<string, number>()
  for await (const { type, data } of rowsOf<TopicRecord>(topics)) {
    if (type === 'TaskCompleted') results.set(data.taskId, (results.get(data.taskId) ?? 0) + 1)
    if (type === 'TaskSubmitted' && data.maxCost !== null) ceilings.set(data.taskId ?? '', data.maxCost)
  }
  for (const { taskId, maxCost } of tasks.values())
    if (maxCost !== null) ceilings.set(markOf(taskId), maxCost)
  const children = [...tasks.values()]
  return {
    delegated: tasks.size,
    wrong: [
      ...several(children, ({ askedBy }) => `call ${askedBy.callId} of ${markOf(askedBy.taskId)}`),
      ...several(children, ({ taskId }) => `what ${markOf(taskId)} is asked`),
      ...children.flatMap(({ taskId }) => endsOf(markOf(taskId), results.get(taskId) ?? 0)),
      ...tooDear(ceilings, await costs(model)),
    ],
  }
}

function several<T>(of: readonly T[], name: (one: T) => string): string[] {
  return [...Map.groupBy(of, name)].flatMap(([what, same]) =>
    same.length > 1 ? [`${what} became ${same.length} tasks`] : [],
  )
}

const endsOf = (mark: string, ends: number): string[] =>
  ends === 1 ? [] : [`delegated task ${mark} has ${ends} results`]

/** By mark, what its model calls cost, each call id once. */
async function costs(file: string): Promise<Map<string, number>> {
  const calls = new Map<string, { mark: string; cost: number }>()
  for await (const { task, callId, status, outcome, inputTokens, outputTokens } of rowsOf<LoggedCall>(file)) {
    if (task === null || !isTree(task) || status !== 200 || outcome !== 'answered') continue
    calls.set(callId ?? '', { mark: task, cost: ((inputTokens + outputTokens) * TREE_PRICE) / MILLION })
  }
  const found = new Map<string, number>()
  for (const { mark, cost } of calls.values()) found.set(mark, (found.get(mark) ?? 0) + cost)
  return found
}

function tooDear(ceilings: ReadonlyMap<string, number>, spent: ReadonlyMap<string, number>): string[] {
  return [...ceilings].flatMap(([root, ceiling]) => {
    const below = [...spent].filter(([mark]) => mark === root || mark.startsWith(`${root}.`))
    const cost = below.reduce((sum, [, each]) => sum + each, 0)
    return cost > ceiling + ROUNDING
      ? [`${root} cost $${cost.toFixed(6)} of at most $${ceiling.toFixed(6)}`]
      : []
  })
}
