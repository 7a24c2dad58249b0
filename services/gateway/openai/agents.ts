// The agents of a fleet as models, as one client sees them.
import type { FastifyRequest } from 'fastify'
import { defaultAgentOf, defaultTask } from '../../../runtime/config/defaults.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { shown } from '../../../schemas/identity.ts'
import { principalOf, requireAgent, type Principal } from '../access/principal.ts'
import { Refusal } from './errors.ts'

const PREFIX = 'flotilla/'

export interface Agent {
  readonly name: string
  readonly showActivity: boolean
  /** Unless the task has its own. */
  readonly temperature: number
}

export class Agents {
  readonly #fleet: Pick<Fleet, 'agents' | 'defaultAgent' | 'models'>
  readonly #principal: Principal

  constructor(fleet: Pick<Fleet, 'agents' | 'defaultAgent' | 'models'>, request: FastifyRequest) {
    this.#fleet = fleet
    this.#principal = principalOf(request)
  }

  list(): string[] {
    const { agents: allowed } = this.#principal
    const names = Object.keys(this.#fleet.agents)
    return allowed === null ? names : names.filter((name) => allowed.includes(name))
  }

  /** Throws the 404 that OpenAI answers for a model that does not exist. */
  named(model: string): Agent {
    const name = nameIn(model)
    if (!this.list().includes(name)) throw this.#unknown(model)
    return this.described(name)
  }

  /** The agent of a new task. Throws that 404; FORBIDDEN if the client may not use it. */
  forTask(model: string): Agent {
    const name = nameIn(model)
    if (!Object.hasOwn(this.#fleet.agents, name)) throw this.#unknown(model)
    requireAgent(this.#principal, name)
    return this.described(name)
  }

  /** The agent of a task, which may no longer be configured; null: that of tasks that name none. */
  described(agent: string | null): Agent {
    const name = agent ?? defaultAgentOf(this.#fleet) ?? ''
    const definition = this.#fleet.agents[name] ?? {}
    const profile = this.#fleet.models.profiles[definition.profile ?? '']
    const { temperature } = profile ?? defaultTask
    return { name, showActivity: definition.showActivity === true, temperature }
  }

  /** The key's user; else the one that the request names. */
  userOf({ user, safety_identifier: other }: UserFields): { userId?: string } {
    const userId = this.#principal.userId ?? user ?? other
    return userId == null ? {} : { userId }
  }

  #unknown(model: string): Refusal {
    const known =
      this.list()
        .map((name) => PREFIX + name)
        .join(', ') || 'none'
    const message = `there is no model "${shown(model)}"; the agents of this fleet are: ${known}`
    return new Refusal({ param: 'model', message, code: 'model_not_found' }, 404)
  }
}

const nameIn = (model: string): string => (model.startsWith(PREFIX) ? model.slice(PREFIX.length) : model)

interface UserFields {
  readonly user?: string | null | undefined
  readonly safety_identifier?: string | null | undefined
}

/** An agent as the list of models has it. An agent has no date. */
export const modelOf = (name: string) => ({
  id: PREFIX + name,
  object: 'model' as const,
  created: 0,
  owned_by: 'flotilla',
})

export const modelName = (agent: string): string => PREFIX + agent
