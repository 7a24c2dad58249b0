// Answers of MCP servers as results of tools.
//
// 1. Structured content is the result; without it, the text of the answer's parts.
// 2. Nothing is lost in silence: what can't be passed on (images, sound, bytes) is named in the text, and an
//    answer that has nothing else is refused.
import { FlotillaError } from '../../../../runtime/errors.ts'
import { shortened } from '../../../../runtime/text/bounded-text.ts'
import type { CallToolResult, ReadResourceResult } from './link.ts'

type Part = CallToolResult['content'][number]

const SHOWN_CHARS = 2_000

/** Throws TOOL_FAILED for the tool's own error, TOOL_OUTPUT_INVALID for an answer that can't be passed on. */
export function resultOf(tool: string, { content, structuredContent, isError }: CallToolResult): unknown {
  const parts = (content ?? []).map(textOf)
  if (isError === true) {
    const why = shortened(parts.map(({ text }) => text).join('\n') || 'without a reason', SHOWN_CHARS)
    throw new FlotillaError('TOOL_FAILED', `${tool} failed: ${why}`)
  }
  if (structuredContent !== undefined) return structuredContent
  if (parts.length > 0 && parts.every(({ isLeftOut }) => isLeftOut))
    throw nothingLeft(tool, parts[0]?.text ?? '')
  return parts.map(({ text }) => text).join('\n\n')
}

const nothingLeft = (tool: string, what: string) =>
  new FlotillaError(
    'TOOL_OUTPUT_INVALID',
    `${tool} answered with nothing that a model of this fleet can read: ${what}; use a tool that answers with text`,
  )

interface Text {
  readonly text: string
  readonly isLeftOut?: true
}

function textOf(part: Part): Text {
  switch (part.type) {
    case 'text':
      return { text: part.text }
    case 'image':
    case 'audio':
      return leftOut(part.type === 'image' ? 'an image' : 'sound', part.mimeType, part.data)
    case 'resource':
      return contentsOf(part.resource)
    case 'resource_link':
      return { text: `${part.name}: ${part.uri}${part.description ? ` (${part.description})` : ''}` }
    default:
      return { text: `[a part of an unknown kind was left out]`, isLeftOut: true }
  }
}

type Contents = ReadResourceResult['contents'][number]

const contentsOf = (contents: Contents): Text =>
  'text' in contents && typeof contents.text === 'string'
    ? { text: contents.text }
    : leftOut(
        'bytes',
        contents.mimeType ?? 'of unknown type',
        'blob' in contents ? String(contents.blob) : '',
      )

function leftOut(what: string, type: string, base64: string): Text {
  const bytes = Math.floor((base64.length * 3) / 4)
  return {
    text: `[${what} (${type}, ${bytes} bytes) left out: this fleet passes on text only]`,
    isLeftOut: true,
  }
}

/** Text of a resource, or of each of its parts. */
export function resourceOf(tool: string, { contents }: ReadResourceResult): string {
  const parts = contents.map(contentsOf)
  if (parts.length > 0 && parts.every(({ isLeftOut }) => isLeftOut))
    throw nothingLeft(tool, parts[0]?.text ?? '')
  return parts.map(({ text }) => text).join('\n\n')
}
