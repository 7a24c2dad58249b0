// The history and the metadata of a task: JSON from outside, checked on every way in.
import { shown } from './identity.ts'

/** An earlier message of the conversation that a task continues. */
export interface HistoryMessage {
  role: HistoryRole
  content: string
}

/**
 * `system` and `developer`: what the client's application says. Added to the system prompt only if the agent lets its
 * tasks bring instructions; otherwise it is text of the user.
 */
const historyRoles = ['system', 'developer', 'user', 'assistant'] as const
export type HistoryRole = (typeof historyRoles)[number]

/** Bounds of the metadata: those of OpenAI's API, and room for the names that the gateway adds. */
const MAX_LABELS = 24
const MAX_LABEL_NAME_CHARS = 64
const MAX_LABEL_CHARS = 512
/** Mistakes that one message names. */
const MAX_MISTAKES = 5

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Mistakes in the shape of a history; its size is the router's to limit. Null is none. */
export function historyMistakes(history: unknown): string[] {
  if (history === null || history === undefined) return []
  if (!Array.isArray(history))
    return ['history must be a list of messages such as { "role": "user", "content": "…" }']
  return (history as unknown[]).flatMap(messageMistakes).slice(0, MAX_MISTAKES)
}

function messageMistakes(message: unknown, index: number): string[] {
  const at = `history[${index}]`
  if (!isObject(message)) return [`${at} must be an object { role, content }`]
  const { role, content, ...others } = message
  const unknown = Object.keys(others)[0]
  if (unknown !== undefined)
    return [`${at} has an unknown field ${shown(unknown)}; it may have role and content`]
  const mistakes: string[] = []
  if (!historyRoles.some((known) => known === role)) {
    const given = typeof role === 'string' ? `"${shown(role)}"` : 'none'
    const hint = role === 'tool' || role === 'function' ? '; results of tools can’t be brought along' : ''
    mistakes.push(`${at}.role is ${given}, it must be ${historyRoles.join(', ')}${hint}`)
  }
  if (typeof content !== 'string') mistakes.push(`${at}.content must be a text`)
  return mistakes
}

export function metadataMistakes(metadata: unknown): string[] {
  if (metadata === null || metadata === undefined) return []
  if (!isObject(metadata)) return ['metadata must be an object of texts']
  const entries = Object.entries(metadata)
  if (entries.length > MAX_LABELS)
    return [`metadata has ${entries.length} entries, at most ${MAX_LABELS} are allowed`]
  return entries
    .flatMap(([name, value]) => {
      if (name.length > MAX_LABEL_NAME_CHARS)
        return [`metadata: the name "${shown(name)}" is longer than ${MAX_LABEL_NAME_CHARS} characters`]
      if (typeof value !== 'string') return [`metadata["${shown(name)}"] must be a text`]
      if (value.length <= MAX_LABEL_CHARS) return []
      return [
        `metadata["${shown(name)}"] has ${value.length} characters, at most ${MAX_LABEL_CHARS} are allowed`,
      ]
    })
    .slice(0, MAX_MISTAKES)
}
