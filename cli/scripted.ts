// If no model is configured, a scripted one answers: recorded conversations for the bundled tasks, and for
// any other task, how to connect a model. It is a server of its own, called like every provider.
import type { Environment } from '../runtime/config/environment.ts'
import { discoverModels } from '../runtime/models/discovery.ts'

const conversations = new URL('../examples/conversations/', import.meta.url)

export interface WithScriptedModel {
  readonly environment: Environment
  /** True if the scripted model answers in this process. */
  readonly active: boolean
  stop(): Promise<void>
}

/** `always`: also if a model is configured (the demo). */
export async function withScriptedModel(
  environment: Environment,
  { always = false }: { always?: boolean } = {},
): Promise<WithScriptedModel> {
  const { default: model, providers } = discoverModels(environment.raw)
  const wanted = always || model === null
  if (!wanted || 'scripted' in providers) return { environment, active: false, stop: async () => {} }
  const { startScriptedModel } = await import('../runtime/scripted-model/server.ts')
  const { loadConversations } = await import('../runtime/scripted-model/conversations.ts')
  const server = await startScriptedModel({ conversations: loadConversations(conversations) })
  const raw = { ...environment.raw, FLOTILLA_SCRIPTED_URL: server.url }
  return { environment: { ...environment, raw }, active: true, stop: () => server.stop() }
}
