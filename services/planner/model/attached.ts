// Fields that a provider attaches to its calls and wants back, unchanged, with the next request: signatures
// of its thoughts, and for some the thoughts. They are not read here.
//
// Gemini: `extra_content` of a call. OpenRouter: `reasoning_details`. LiteLLM before Claude or Gemini:
// `thinking_blocks` of a message, `provider_specific_fields` of a call. DeepSeek and Kimi:
// `reasoning_content`.
import type { Json } from '../../../runtime/stage.ts'
import type { Attached } from '../call.ts'
import { hasFields, listOf, shapeOf, textOf, type Shape } from './shapes.ts'

export const MESSAGE_FIELDS = [
  'extra_content',
  'reasoning_content',
  'reasoning_details',
  'thinking_blocks',
] as const
export const CALL_FIELDS = ['extra_content', 'provider_specific_fields', 'thought_signature'] as const

/** Larger fields are dropped; the provider then says what is missing. Characters. */
const MAX_CHARS = 400_000

/** The attached fields of a piece of a message or a call. */
export function attachedTo(shape: Shape, fields: readonly string[] = CALL_FIELDS): Attached {
  const found: Attached = {}
  for (const name of fields) if (saysSomething(shape[name])) found[name] = shape[name] as Json
  return found
}

const saysSomething = (value: unknown): boolean => value !== undefined && value !== null && value !== ''

/** Whether the fields of a message, or of a call, are small enough to be sent back. */
export const isKept = (attached: Attached): boolean => JSON.stringify(attached).length <= MAX_CHARS

export class AttachedReader {
  #text = ''
  #extra: Attached = {}
  readonly #details: Entry[] = []
  readonly #blocks: Entry[] = []

  /** Reads a message or a piece of one. */
  read(content: Shape): void {
    this.#text += textOf(content['reasoning_content'])
    Object.assign(this.#extra, attachedTo(content, ['extra_content']))
    for (const detail of listOf(content['reasoning_details'])) append(this.#details, shapeOf(detail), 'text')
    for (const block of listOf(content['thinking_blocks'])) append(this.#blocks, shapeOf(block), 'thinking')
  }

  get value(): Attached {
    const all = {
      ...this.#extra,
      ...(this.#text === '' ? {} : { reasoning_content: this.#text }),
      ...(this.#details.length === 0 ? {} : { reasoning_details: this.#details }),
      ...(this.#blocks.length === 0 ? {} : { thinking_blocks: this.#blocks }),
    }
    return hasFields(all) && !isKept(all as Attached) ? {} : (all as Attached)
  }
}

type Entry = Record<string, unknown>

/**
 * Pieces of one entry follow each other: the same type and index, its text in parts, its signature with the
 * last one. Work for a piece does not grow with its entry, which a server may send in any number of pieces.
 */
function append(list: Entry[], piece: Shape, field: string): void {
  const last = list.at(-1)
  const goesOn =
    last !== undefined &&
    typeof last[field] === 'string' &&
    last['type'] === piece['type'] &&
    last['index'] === piece['index'] &&
    !last['signature']
  if (!goesOn) return void list.push({ ...piece })
  const text = textOf(last[field]) + textOf(piece[field])
  for (const [name, value] of Object.entries(piece))
    if (saysSomething(value) && name !== '__proto__') last[name] = value
  last[field] = text
}
