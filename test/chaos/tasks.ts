// The tasks of a chaos run, and what the scripted model answers to them. A task's kind is in its id (`chaos.code.17`), so
// that whoever reads a topic or a log knows what to expect of it.
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { final, python } from '../../runtime/scripted-model/script.ts'
import type { Turn } from '../../runtime/scripted-model/conversations.ts'
import { approvalPlans, approvalScript, isApproval } from './kinds/approvals.ts'
import {
  fitsSession,
  messageId,
  placeOf,
  policiesOf,
  sessionPlans,
  sessionScript,
  type SessionPlan,
} from './kinds/conversations.ts'
import { ceilingOf, fitsTree, isTree, treePlans, treeScript } from './kinds/trees.ts'

/**
 * tools: a tool that may run again and one that must not, at once. steps: the same, one after the other. code: Python that
 * calls the first in a loop, then the second. failing: a tool that never works, then another. cancelled: stopped by its
 * user while the model (even index) or a tool (odd index) takes its time.
 */
export const kinds = ['tools', 'steps', 'code', 'failing', 'cancelled'] as const
export type Kind = (typeof kinds)[number]
/** Tasks of several, or with people in them; each has plans of its own (kinds/). */
type PeopleKind = 'approval' | 'tree' | 'session'

export interface ChaosTask {
  readonly taskId: string
  readonly text: string
  readonly mode: 'code' | 'tools'
  readonly agent?: string
  readonly maxCost?: number
  readonly sessionId?: string
  readonly whenBusy?: string
  /** When its user cancels it, from its submission. */
  readonly cancelAfterMs?: number
}

export const LOOP = 4

const mix: readonly Kind[] = [
  'tools',
  'steps',
  'code',
  'tools',
  'failing',
  'tools',
  'steps',
  'cancelled',
  'tools',
  'steps',
]

export const mixedKind = (index: number): Kind => mix[index % mix.length] as Kind

/** For hundreds of tasks in flight: interpreters take the processor from everything else. */
export const rarelyCode = (index: number): Kind => {
  const kind = mixedKind(index)
  return kind === 'code' && index % 100 > mix.length ? 'tools' : kind
}

/** With people, trees and sessions: more than half of what is submitted. */
const peopleMix: readonly (Kind | PeopleKind)[] = [
  'approval',
  'tools',
  'tree',
  'approval',
  'session',
  'steps',
  'approval',
  'code',
  'session',
  'cancelled',
  'failing',
]

/** What is submitted together, one behind the other: the messages of a session, or one task. */
export function peopleTasks(run: string, index: number, random: () => number): readonly ChaosTask[] {
  const kind = peopleMix[index % peopleMix.length] as Kind | PeopleKind
  const before = peopleMix.slice(0, index % peopleMix.length)
  const count = (of: readonly string[]) => of.filter((each) => each === kind).length
  const nth = Math.floor(index / peopleMix.length) * count(peopleMix) + count(before)
  const pick = <T>(plans: readonly T[]): T => plans[nth % plans.length] as T
  const id = `${run}.${kind}.${index}`
  const text = (taskId: string) => `do task=${taskId} latency=${200 + Math.floor(random() * 800)}`
  if (kind === 'session') return conversation(`${id}.${pick(sessionPlans)}`, pick(sessionPlans), text)
  if (kind === 'approval') {
    const plan = pick(approvalPlans)
    const taskId = `${id}.${plan}`
    return [{ taskId, text: text(taskId), mode: plan === 'python' ? 'code' : 'tools' }]
  }
  if (kind !== 'tree') return [taskOf(run, kind, index, random)]
  const plan = pick(treePlans)
  const taskId = `${id}.${plan}`
  const root = { taskId, text: text(taskId), agent: 'lead', mode: 'tools' } as const
  const maxCost = ceilingOf(plan, random)
  return [{ ...root, maxCost, ...(plan === 'cancelled' && { cancelAfterMs: 1_000 + random() * 6_000 }) }]
}

const conversation = (sessionId: string, plan: SessionPlan, text: (taskId: string) => string): ChaosTask[] =>
  policiesOf[plan].map((whenBusy, number) => {
    const taskId = messageId(sessionId, number)
    return { taskId, text: text(taskId), mode: 'tools', sessionId, whenBusy }
  })

/** `random` gives 0 to 1: the model takes 200 to 1,000 ms a turn. */
export function taskOf(run: string, kind: Kind, index: number, random: () => number): ChaosTask {
  const taskId = `${run}.${kind}.${index}`
  const stuck = kind === 'cancelled' && index % 2 === 0
  const latencyMs = stuck ? 100_000 : 200 + Math.floor(random() * 800)
  const text = `look up and charge task=${taskId} latency=${latencyMs}`
  const mode = kind === 'code' ? 'code' : 'tools'
  return { taskId, text, mode, ...(kind === 'cancelled' && { cancelAfterMs: 500 + random() * 2_500 }) }
}

export const kindOf = (taskId: string): string => taskId.split('.')[1] ?? ''

/** Whether it takes as long as the fleet does: nobody cancels it, and it waits for no person and no other task. */
export const isPlain = (taskId: string): boolean => (kinds as readonly string[]).includes(kindOf(taskId))
export const isTimed = (taskId: string): boolean => isPlain(taskId) && kindOf(taskId) !== 'cancelled'

/** A task that a client of these runs submitted; those that agents delegate have ids that say nothing. */
export const isSubmitted = (taskId: string): boolean =>
  isPlain(taskId) || isApproval(taskId) || isTree(taskId) || placeOf(taskId) !== null

export const expectedOutput = (taskId: string): string => `done ${taskId}`

/** Whether the task of this mark may end so. A cancel that came too late is one of those that nobody can exclude. */
export function isExpected(mark: string, status: string, output: unknown): boolean {
  if (isTree(mark)) return fitsTree(mark, status, output)
  const place = placeOf(mark)
  if (place !== null) return fitsSession(place, status, output)
  if (status === 'cancelled') return kindOf(mark) === 'cancelled'
  return status === 'succeeded' && output === expectedOutput(mark)
}

export function script(exchange: Exchange): Turn | undefined {
  const { taskMark } = exchange
  if (taskMark === null) return undefined
  if (isTree(taskMark)) return treeScript(exchange, taskMark)
  if (isApproval(taskMark)) return approvalScript(exchange, taskMark)
  const place = placeOf(taskMark)
  if (place !== null) return sessionScript(exchange, taskMark, place)
  const turn = exchange.turn + 1
  const call = (name: string) => ({ name, arguments: { task: taskMark, turn } })
  const calls = callsOf(kindOf(taskMark), turn, taskMark)
  if (typeof calls === 'string') return { text: python(calls) }
  if (calls.length > 0) return { toolCalls: calls.map(call) }
  return final(exchange, sawAll(exchange) ? expectedOutput(taskMark) : `incomplete ${taskMark}`)
}

function callsOf(kind: string, turn: number, task: string): readonly string[] | string {
  switch (kind) {
    case 'steps':
      return turn <= 2 ? [['lookup', 'charge'][turn - 1] as string] : []
    case 'failing':
      return turn <= 2 ? [['broken', 'lookup'][turn - 1] as string] : []
    case 'cancelled':
      return turn === 1 ? ['linger'] : []
    case 'code':
      return turn === 1 ? loop(task) : []
    default:
      return turn === 1 ? ['lookup', 'charge'] : []
  }
}

function loop(task: string): string {
  return [
    `for item in range(${LOOP}):`,
    `    print(lookup(task="${task}", turn=1, item=item))`,
    'try:',
    `    print(charge(task="${task}", turn=1, item=${LOOP}))`,
    'except ToolError as error:',
    '    print(error)',
  ].join('\n')
}

/** Every lookup has come back to the model. */
function sawAll({ taskMark, observations }: Exchange): boolean {
  const items = kindOf(taskMark ?? '') === 'code' ? Array.from({ length: LOOP }, (_, item) => item) : [0]
  return items.every((item) => new RegExp(`lookup.*item\\W+${item}\\b`).test(observations))
}
