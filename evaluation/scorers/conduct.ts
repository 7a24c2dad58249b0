// Scorers of how an agent worked: tools, steps, cost, time.
import type { TaskResult } from '../../client/types.ts'
import { plural } from '../../runtime/text/quantities.ts'
import { costOf, type Score } from '../cases.ts'
import type { SpecOf } from './specs.ts'
import { right, scoreIf, wrong } from './text.ts'

/** Tools in the order of the calls. */
export const toolsCalled = ({ steps }: Pick<TaskResult, 'steps'>): string[] =>
  steps.flatMap(({ toolCalls }) => (toolCalls ?? []).map(({ tool }) => tool))

export function tools(result: TaskResult, { called = [], never = [], order = [] }: SpecOf<'tools'>): Score {
  const names = toolsCalled(result)
  const missing = called.filter((name) => !names.includes(name))
  const forbidden = never.filter((name) => names.includes(name))
  const shown = names.length === 0 ? 'none' : names.join(', ')
  if (missing.length > 0) return wrong(`it did not call ${missing.join(', ')}; it called ${shown}`)
  if (forbidden.length > 0) return wrong(`it called ${forbidden.join(', ')}`)
  if (!isInOrder(names, order)) return wrong(`it called ${shown}, not in the order ${order.join(', ')}`)
  return right
}

/** Others may be called between them. */
function isInOrder(names: readonly string[], order: readonly string[]): boolean {
  let at = 0
  for (const name of names) if (name === order[at]) at += 1
  return at === order.length
}

export function maxCost(result: TaskResult, { dollars }: SpecOf<'max-cost'>): Score {
  const cost = costOf(result)
  return scoreIf(cost <= dollars, () => `it cost $${cost}, more than $${dollars}`)
}

export const maxSteps = ({ steps: taken }: TaskResult, { steps }: SpecOf<'max-steps'>): Score =>
  scoreIf(taken.length <= steps, () => `it took ${plural(taken.length, 'step')}, more than ${steps}`)

export const maxLatency = ({ executionTime }: TaskResult, { ms }: SpecOf<'max-latency'>): Score =>
  scoreIf(executionTime <= ms, () => `it took ${executionTime} ms, more than ${ms}`)
