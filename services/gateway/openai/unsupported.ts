// What messages may hold in the originals and not here, each with a reason that says more than a schema can.
import { refuse } from './errors.ts'

type Fields = Record<string, unknown>

const onlyText = 'only text is supported; an agent reads files and pages by its tools'
const ownTools =
  'calls of a client’s tools are not supported: the tools of an agent are configured in flotilla.config.ts'

const parts: Readonly<Record<string, string>> = {
  image_url: onlyText,
  input_image: onlyText,
  input_audio: onlyText,
  file: onlyText,
  input_file: onlyText,
  input_video: onlyText,
}

const items: Readonly<Record<string, string>> = {
  item_reference: 'references to items are not supported; use previous_response_id',
  function_call: ownTools,
  function_call_output: ownTools,
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Throws the refusal of the first part, message or item that can't be taken. */
export function refuseUnsupported(param: string, messages: unknown): void {
  if (!Array.isArray(messages)) return
  for (const [index, message] of (messages as unknown[]).entries())
    if (isFields(message)) refuseMessage(`${param}[${index}]`, message)
}

function refuseMessage(at: string, message: Fields): void {
  const { role, type, content, tool_calls: calls, name } = message
  if (role === 'tool' || role === 'function') throw refuse(`${at}.role`, ownTools, 'unsupported_value')
  if (typeof type === 'string' && Object.hasOwn(items, type))
    throw refuse(at, items[type] ?? '', 'unsupported_value')
  if (Array.isArray(calls) && calls.length > 0)
    throw refuse(`${at}.tool_calls`, ownTools, 'unsupported_parameter')
  if (name !== undefined && name !== null)
    throw refuse(
      `${at}.name`,
      'names of participants are not supported; write them into the text',
      'unsupported_parameter',
    )
  if (!Array.isArray(content)) return
  for (const [index, part] of (content as unknown[]).entries()) {
    const kind = isFields(part) ? part['type'] : undefined
    if (typeof kind === 'string' && Object.hasOwn(parts, kind))
      throw refuse(`${at}.content[${index}]`, `${kind}: ${parts[kind]}`, 'unsupported_value')
  }
}

/** Throws if a name in it is one of JavaScript's own, which a schema of records leaves out without a word. */
export function refuseLostNames(param: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    if (name === '__proto__') throw refuse(param, `${param} has the name __proto__, which can't be taken`)
    refuseLostNames(param, inner)
  }
}
