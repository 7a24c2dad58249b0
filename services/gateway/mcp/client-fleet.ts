// A fleet behind a client: what it may do, the gateway says, if there is one.
import { randomUUIDv7 } from 'node:crypto'
import type { AgentTool } from '../../../api/agents.ts'
import type { Client } from '../../../client/types.ts'
import type { TaskOperator } from '../../../operator/index.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { RequestCounts } from '../request-counts.ts'
import type { McpFleet } from './fleet.ts'

export interface ClientFleetParts {
  readonly client: Client
  readonly tasks: Pick<TaskOperator, 'get'>
  readonly tools: () => Promise<readonly AgentTool[]>
}

/** Somebody else was first: an answer to a question that is no longer open is ignored, as the protocol has it. */
function unlessOver(error: unknown): void {
  if (!(error instanceof FlotillaError) || error.code !== 'CALL_NOT_WAITING') throw error
}

export function clientFleet({ client, tasks, tools }: ClientFleetParts): McpFleet {
  const requestCounts = new RequestCounts()
  return {
    tools,
    submit: async ({ taskId = randomUUIDv7(), ...task }) => (await client.submit({ ...task, taskId })).taskId,
    hold: (taskId) => requestCounts.join(taskId),
    events: (taskId) => client.events(taskId, { early: true }),
    find: (taskId) => client.find(taskId),
    state: (taskId) => tasks.get(taskId),
    cancel: (taskId, reason) => client.cancel(taskId, reason),
    decide: (decision) => client.approve(decision).catch(unlessOver),
    may: () => true,
  }
}
