// Reads the text of a message or a piece of one, in the forms that servers give it.
import { firstText, listOf, shapeOf, textOf, type Shape } from './shapes.ts'

export const isMessage = (value: unknown): boolean =>
  typeof value === 'string' || (typeof value === 'object' && value !== null)

/** A message, or the text alone that some servers send in its place. */
export const messageOf = (value: unknown): Shape =>
  typeof value === 'string' ? { content: value } : shapeOf(value)

/** A string, or what some servers send instead: parts, one part, a number. */
export function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  if (typeof content === 'number') return String(content)
  return Array.isArray(content) ? content.map(partText).join('') : partText(content)
}

function partText(part: unknown): string {
  const text = shapeOf(part)['text']
  return firstText(part, text, shapeOf(text)['value'])
}

/** The words of a refusal, beside the content or as a part of it. */
export function refusalText(message: Shape): string {
  const parts = listOf(message['content']).map((part) => textOf(shapeOf(part)['refusal']))
  return textOf(message['refusal']) + parts.join('')
}

/** The model's thoughts, if the server shows them: billed, but no part of the answer. */
export function reasoningText(content: Shape): string {
  const shown = firstText(
    content['reasoning_content'],
    content['reasoning'],
    content['reasoning_text'],
    content['thinking'],
    content['thought'],
  )
  // Mistral's parts: { type: 'thinking', thinking: [{ type: 'text', text }] }.
  const parts = listOf(content['content']).map((part) => thinkingOf(shapeOf(part)))
  const details = listOf(content['reasoning_details']).map((part) => firstText(shapeOf(part)['text']))
  return (shown || details.join('')) + parts.join('')
}

function thinkingOf(part: Shape): string {
  const { thinking } = part
  return typeof thinking === 'string' ? thinking : contentText(thinking)
}
