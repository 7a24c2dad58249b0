// Sessions of three messages, which are submitted one right after the other. Plan and place of a message are in its id
// (`chaos.session.7.queue.0-3`), behind which a number puts it into the lane of its session, as ids of the gateway are.
import { mark, type Exchange } from '../../../runtime/scripted-model/exchange.ts'
import { final } from '../../../runtime/scripted-model/script.ts'
import type { Turn } from '../../../runtime/scripted-model/conversations.ts'
import { homeOf } from '../../../runtime/log/home.ts'

/**
 * queue: each message waits for the one before. steer: the second is taken along by the first, or is the next turn.
 * interrupt: the third cancels what runs, and comes before what waits.
 */
export const sessionPlans = ['queue', 'steer', 'interrupt'] as const
export type SessionPlan = (typeof sessionPlans)[number]

export const policiesOf: Readonly<Record<SessionPlan, readonly SessionPlan[]>> = {
  queue: ['queue', 'queue', 'queue'],
  steer: ['queue', 'steer', 'queue'],
  interrupt: ['queue', 'queue', 'interrupt'],
}

/** The fleet of a kill test has as many; a message in another lane may overtake one that was submitted before it. */
export const PARTITIONS = 4

export interface Place {
  readonly sessionId: string
  readonly plan: SessionPlan
  /** From 0. */
  readonly number: number
}

/** Null: it is no message. */
export function placeOf(task: string): Place | null {
  const [run, kind, index, plan, place = ''] = task.split('.')
  if (kind !== 'session') return null
  const number = Number(place.split('-')[0])
  return { sessionId: `${run}.session.${index}.${plan}`, plan: plan as SessionPlan, number }
}

export function messageId(sessionId: string, number: number): string {
  const home = homeOf(sessionId, PARTITIONS)
  for (let tries = 0; ; tries++) {
    const id = `${sessionId}.${number}-${tries}`
    if (homeOf(id, PARTITIONS) === home) return id
  }
}

export function fitsSession({ sessionId, plan, number }: Place, status: string, output: unknown): boolean {
  if (status === 'cancelled') return plan === 'interrupt' && number < 2
  const done = (which: number) => `done ${messageId(sessionId, which)}`
  // What a message that was taken along is answered with is the answer of both.
  const outputs = plan === 'steer' && number === 0 ? [done(0), done(1)] : [done(number)]
  return status === 'succeeded' && outputs.includes(output as string)
}

export function sessionScript(exchange: Exchange, task: string, { sessionId, plan, number }: Place): Turn {
  if (exchange.turn === 0) return { toolCalls: [{ name: 'lookup', arguments: { task, turn: 1 } }] }
  // A message that was taken along stands behind the results of tools.
  const steered = mark(exchange.observations, 'task')
  if (steered !== null) return final(exchange, `done ${steered}`)
  const before = plan === 'queue' && number > 0 ? `done ${messageId(sessionId, number - 1)}` : ''
  return final(exchange, `${exchange.earlier.includes(before) ? 'done' : 'forgot'} ${task}`)
}
