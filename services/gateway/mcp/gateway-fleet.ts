// The fleet of one request of a gateway: by the key of its client.
import { randomUUIDv7 } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { agentTools } from './agent-tools.ts'
import type { LogClient } from '../../../client/log/client.ts'
import type { DirectTasks } from '../../../operator/direct/tasks/tasks.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import type { RequestCounts } from '../request-counts.ts'
import type { Owners } from '../access/owners.ts'
import { verifiedDecision } from '../access/decisions.ts'
import { hasScope, principalOf, requireAgent, requireScope } from '../access/principal.ts'
import { idempotencyKeyOf } from '../idempotency-key.ts'
import type { KnownTasks } from '../known-tasks.ts'
import type { SubmittedIds } from '../submitted-ids.ts'
import type { McpFleet } from './fleet.ts'

export interface GatewayParts {
  readonly client: LogClient
  readonly tasks: DirectTasks
  readonly known: KnownTasks
  readonly ids: SubmittedIds
  readonly owners: Owners
  readonly requestCounts: RequestCounts
  readonly fleet: Fleet
}

export function gatewayFleet(parts: GatewayParts, request: FastifyRequest): McpFleet {
  const { client, tasks, known, ids, owners, requestCounts, fleet } = parts
  const principal = principalOf(request)
  const readable = (taskId: string) => owners.assertReadable(principal, taskId)
  return {
    tools: async () => agentTools(fleet, principal.agents),
    submit: async (asked) => {
      requireAgent(principal, asked.agent)
      const userId = principal.userId ?? asked.userId ?? null
      const chosen = idempotencyKeyOf(request) ?? asked.taskId
      const taskId = chosen ?? randomUUIDv7()
      const task = { ...asked, taskId, ...(userId === null ? {} : { userId }) }
      const publish = () => client.submit(task)
      if (chosen === undefined) {
        await publish()
        owners.keep(taskId, { userId, agent: asked.agent })
      } else {
        await ids.submit(task, publish)
        await owners.assertOwnId(principal, taskId)
      }
      known.keep(taskId)
      return taskId
    },
    hold: (taskId) => requestCounts.join(taskId),
    events: (taskId) => client.events(taskId),
    find: async (taskId) => {
      await readable(taskId)
      return client.find(taskId)
    },
    state: async (taskId) => {
      await readable(taskId)
      return tasks.get(taskId)
    },
    cancel: async (taskId, reason) => {
      await readable(taskId)
      await client.cancel(taskId, reason)
    },
    decide: async (decision) => {
      requireScope(principal, 'approvals:decide', 'a decision about a call')
      await readable(decision.taskId)
      await client.approve(verifiedDecision(request, decision))
    },
    may: (scope) => hasScope(principal, scope),
  }
}
