// The scripted model, for those who ask for it by name: recorded conversations for the bundled tasks, and for
// any other task, how to connect a model. It is a server of its own, called like every provider.
import type { Environment } from '../runtime/config/environment.ts'
import type { Fleet } from '../runtime/config/fleet.ts'
import { loadFleet } from '../runtime/config/load.ts'
import { discoverModels } from '../runtime/models/discovery.ts'
import { fullName, parseModel } from '../runtime/models/names.ts'

const conversations = new URL('../examples/conversations/', import.meta.url)
const PROVIDER = 'scripted'

export interface LoadedFleet {
  readonly environment: Environment
  readonly fleet: Fleet
  /** True if the scripted model is the default one. */
  readonly isScripted: boolean
  stop(): Promise<void>
}

/**
 * Loads the configuration, once, and starts the scripted model if it names it, or `model` does. Rejects with
 * CONFIG_INVALID.
 */
export async function loadWithScriptedModel(
  environment: Environment,
  { model = null }: { model?: string | null } = {},
): Promise<LoadedFleet> {
  const fleet = await loadFleet(environment)
  const isScripted = isScriptedModel(fleet.models.default)
  const isNamed = isScriptedModel(model) || modelsOf(fleet).some(isScriptedModel)
  if (!isNamed || PROVIDER in fleet.models.providers)
    return { environment, fleet, isScripted, stop: async () => {} }
  const { startScriptedModel } = await import('../runtime/scripted-model/server.ts')
  const { loadConversations } = await import('../runtime/scripted-model/conversations.ts')
  const server = await startScriptedModel({ conversations: loadConversations(conversations) })
  const raw = { ...environment.raw, FLOTILLA_SCRIPTED_URL: server.url }
  // Only the provider is added: that a profile or a task names it does not make it the default of the others.
  const { providers } = discoverModels({ FLOTILLA_SCRIPTED_URL: server.url })
  const models = { ...fleet.models, providers: { ...providers, ...fleet.models.providers } }
  const stop = () => server.stop()
  return { environment: { ...environment, raw }, fleet: { ...fleet, models }, isScripted, stop }
}

function isScriptedModel(name: string | null): boolean {
  return name !== null && parseModel(fullName(name)).provider === PROVIDER
}

function modelsOf({ models }: Fleet): (string | null)[] {
  const profiles = Object.values(models.profiles).flatMap((profile) => profile.models)
  return [models.default, ...profiles, ...Object.values(models.tiers)]
}
