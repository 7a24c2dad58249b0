// Users whose agents ask other agents: trees of tasks, three levels deep, in both modes.
import { hash } from 'node:crypto'
import { homeOf } from '../../runtime/log/home.ts'
import type { AgentDefinition } from '../../runtime/config/fleet.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import type { ModelReply, ModelRequest } from '../../services/planner/call.ts'
import { emptyTask } from '../../schemas/task-fields.ts'
import type { Deeds } from './deeds.ts'
import type { Users } from './users.ts'

/** Text of a task of a tree begins with it; it has no space, so that a script can pass it on. */
export const TREE_TASK = 'tree/'

/** root → branch (Python) → twig → leaf, and root → twig → leaf. */
export const treeAgents = {
  root: { mode: 'tools', tools: ['lookup'], delegates: ['branch', { agent: 'twig', maxCost: 0.5 }] },
  branch: { mode: 'code', tools: ['lookup'], delegates: ['twig'] },
  twig: { mode: 'tools', tools: ['lookup'], delegates: ['leaf', 'branch'] },
  leaf: { mode: 'tools', tools: ['lookup', 'signed'] },
} as const satisfies Readonly<Record<string, AgentDefinition>>

const ACT_FOR_MS = 15_000

export function plantTrees(world: World, deeds: Deeds, users: Users, seed: number): void {
  const { fate, broker, codec } = world
  const log = broker.connect()
  const count = fate.chance('trees', 0.5) ? fate.between(1, 2, 'number of trees') : 0
  for (let index = 0; index < count; index++) {
    const name = `tree-${index}`
    const taskId = `tree${seed}-${index}`
    const sometimes = (share: number, what: string) => fate.chance(`${name} ${what}`, share)
    const atMs = fate.between(0, ACT_FOR_MS, `${name} at`)
    const task = {
      ...emptyTask,
      taskId,
      text: TREE_TASK + taskId,
      userId: 'gardener',
      agent: 'root',
      timeoutMs: sometimes(0.4, 'short') ? fate.between(2_000, 30_000, `${name} timeout`) : 120_000,
      maxCost: sometimes(0.6, 'cheap') ? fate.between(40, 200, `${name} cost`) / 1_000 : null,
    }
    const publish = (topic: 'tasks.submitted' | 'tasks.control', value: Uint8Array) =>
      void log.publish([
        { topic, partition: homeOf(taskId, broker.partitions), key: taskId, value, headers: {} },
      ])
    deeds.later(name, atMs, () => {
      users.submissions.push({ taskId, isWrong: false })
      publish('tasks.submitted', codec.encode('TaskSubmitted', task, 'tasks.submitted'))
    })
    if (!sometimes(0.25, 'cancelled')) continue
    const data = { taskId, reason: null, requestedBy: null }
    deeds.later(`${name} cancelled`, atMs + fate.between(500, 12_000, `${name} cancelled at`), () =>
      publish('tasks.control', codec.encode('TaskCancelled', data, 'tasks.control')),
    )
  }
}

type Answer = Pick<ModelReply, 'text' | 'toolCalls' | 'finishReason'>

const draw = (most: number, ...parts: (string | number)[]): number =>
  Number.parseInt(hash('sha256', parts.join('|'), 'hex').slice(0, 8), 16) % most

/** One answer asks other agents, or a tool; now and then a second one does. Then the task is done. */
export function answerInTree(text: string, turn: number, tools: ModelRequest['tools']): Answer {
  const part = (index: number) => `${text}.${turn}${index}`
  if (tools === undefined) {
    const calls = draw(2, text, 'both')
      ? `a=ask_twig(${part(0)}) b=ask_twig(${part(1)})`
      : `a=ask_twig(${part(0)})`
    const code =
      turn === 0 ? `try ${calls}\nvalue a${draw(3, text, 'ends') ? '\nfinal a' : ''}` : 'value a\nfinal a'
    return { text: `\`\`\`python\n${code}\n\`\`\``, toolCalls: [], finishReason: 'stop' }
  }
  const asks = tools.map(({ function: { name } }) => name).filter((name) => name.startsWith('ask_'))
  const isDone = turn > 1 || (turn === 1 && draw(3, text, 'again') > 0)
  if (isDone) return { text: `done ${text}`, toolCalls: [], finishReason: 'stop' }
  const own = draw(2, text, 'waits') ? 'signed' : 'lookup'
  const names = asks.length === 0 ? [own] : turn === 0 ? [...asks, 'lookup'] : asks.slice(0, 1)
  const toolCalls = names.map((name, index) => ({
    id: `call_${turn}_${index}`,
    name,
    argumentsText: JSON.stringify(name.startsWith('ask_') ? { task: part(index) } : { mark: part(index) }),
  }))
  return { text: '', toolCalls, finishReason: 'tool_calls' }
}
