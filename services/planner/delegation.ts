// Calls of other agents, as the planner sees them: what they may cost, and a task that is handed over.
//
// 1. While a step's calls run the planner spends nothing, so what the task has left is shared out among those of them
//    that ask an agent. Together they never cost more than that. A task that ends before its calls have ended costs the
//    one that asked for it all that it was given: nobody waits to see what they spend.
// 2. A handoff that succeeded ends the task: its answer is the task's, checked like every other answer.
import { shareOf } from '../../runtime/config/delegates.ts'
import type { Json } from '../../runtime/stage.ts'
import type { Delegation } from '../../schemas/generated/events.ts'
import { totalCost } from './step.ts'
import type { Run, Situation, Step, StepToolCall } from './rows.ts'
import type { ToolBook } from './tools/catalogue.ts'

/** What `count` calls of other agents go by, each with its share. */
export function delegationOf({ task, run }: Situation, count: number): Delegation {
  return {
    // Rows of tasks that an older version began lack it.
    agents: [...(task.askedBy?.agents ?? []), task.agent],
    maxCost: task.maxCost === null ? null : shareOf(task.maxCost - totalCost(run), count),
    priority: task.priority,
  }
}

/** Requested calls of other agents. */
export const delegatedCalls = (calls: readonly StepToolCall[], book: ToolBook): StepToolCall[] =>
  calls.filter(({ tool, status }) => status === 'requested' && book.delegate(tool) !== null)

/** The answer of the agent that has taken the task over; null if none has. */
export function handedOver(step: Step, book: ToolBook): { readonly output: Json } | null {
  const taken = step.toolCalls.find(
    ({ tool, status }) => status === 'succeeded' && book.delegate(tool)?.handoff === true,
  )
  return taken ? { output: taken.output ?? null } : null
}

/** The progress after a delegated task has ended. */
export const withChild = (run: Run, cost: number): Run => ({
  ...run,
  childrenCost: (run.childrenCost ?? 0) + cost,
})
