// Recorded conversations: a model's answers, turn by turn, for one task.
import { readdirSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { FlotillaError } from '../errors.ts'

const turn = z.strictObject({
  /** The model's text. In code mode with its ```python block. */
  text: z.string().optional(),
  toolCalls: z
    .array(z.strictObject({ name: z.string(), arguments: z.record(z.string(), z.json()) }))
    .optional(),
  /**
   * Texts that the results of tools so far must contain. If one is missing, the recording does not fit this
   * run, and the server says so instead of playing on.
   */
  needs: z.array(z.string()).optional(),
})

const conversation = z.strictObject({
  title: z.string(),
  /** The task, word for word. */
  task: z.string().min(1),
  mode: z.enum(['code', 'tools']),
  turns: z.array(turn).min(1),
})

/** One answer of the model. */
export type Turn = z.infer<typeof turn>
export type Conversation = z.infer<typeof conversation>

/** Those of `npm run demo`. */
const bundled = new URL('../../examples/conversations/', import.meta.url)

/** Every *.json of a directory; default: the bundled ones. Throws CONFIG_INVALID naming file and mistake. */
export function loadConversations(directory: URL = bundled): Conversation[] {
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'))
  return files
    .toSorted()
    .map((file) => parseConversation(readFileSync(new URL(file, directory), 'utf8'), file))
}

function parseConversation(text: string, file: string): Conversation {
  try {
    return conversation.parse(JSON.parse(text))
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause)
    throw new FlotillaError('CONFIG_INVALID', `conversation ${file}: ${why}`, { cause })
  }
}
