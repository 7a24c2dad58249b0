// Model names: `provider/model`. A bare name means OpenAI, as it does in most tools.

export interface ModelName {
  readonly provider: string
  /** As the provider knows it; may contain slashes (`openrouter/meta-llama/llama-3`). */
  readonly model: string
}

/** Stands for whichever model the server has: `local/default` on a server that holds a single model. */
export const SERVED_MODEL = 'default'

/** Total: never throws. Whether the provider exists is checked by `missingSetting`. */
export function parseModel(name: string): ModelName {
  const slash = name.indexOf('/')
  if (slash <= 0) return { provider: 'openai', model: slash === 0 ? name.slice(1) : name }
  return { provider: name.slice(0, slash), model: name.slice(slash + 1) }
}

/** Plays recorded conversations, and says so. Used only if it is named: it never stands in for a lost key. */
export const SCRIPTED_MODEL = 'scripted/conversations'

/** The name in full: `scripted` alone is short for the one scripted model. */
export const fullName = (name: string): string => (name === 'scripted' ? SCRIPTED_MODEL : name)
