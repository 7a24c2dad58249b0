// How two lock files differ, for those who review it.
import { fieldsOf } from '../effective.ts'
import type { McpLock, PinnedServer, PinnedTool } from './lock.ts'

export interface PinChange {
  readonly server: string
  /** Null: the server as a whole. */
  readonly tool: string | null
  readonly change: 'added' | 'removed' | 'changed'
  /** Each part that differs, as `input.properties.repo.type: "string" → "number"`. */
  readonly parts: readonly string[]
}

const SHOWN_CHARS = 400

export function lockChanges(before: McpLock, after: McpLock): PinChange[] {
  const names = [...new Set([...Object.keys(before.servers), ...Object.keys(after.servers)])].sort()
  return names.flatMap((server) =>
    serverChanges(server, own(before.servers, server), own(after.servers, server)),
  )
}

const own = <T>(record: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined

function serverChanges(
  server: string,
  before: PinnedServer | undefined,
  after: PinnedServer | undefined,
): PinChange[] {
  const whole = (change: PinChange['change'], parts: string[] = []) => ({ server, tool: null, change, parts })
  const tools = toolChanges(server, before?.tools ?? {}, after?.tools ?? {})
  if (!before) return [whole('added', after ? [`${after.server}, MCP ${after.protocol}`] : []), ...tools]
  if (!after) return [whole('removed'), ...tools]
  const { tools: _, ...was } = before
  const { tools: __, ...is } = after
  const parts = differences(was, is)
  return [...(parts.length > 0 ? [whole('changed', parts)] : []), ...tools]
}

type Tools = Readonly<Record<string, PinnedTool>>

function toolChanges(server: string, before: Tools, after: Tools): PinChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap((tool): PinChange[] => {
    const [was, is] = [own(before, tool), own(after, tool)]
    if (!was && is) return [{ server, tool, change: 'added', parts: [shown(is.description)] }]
    if (!is) return [{ server, tool, change: 'removed', parts: [] }]
    if (!was || was.hash === is.hash) return []
    const { hash: _, ...wasWithout } = was
    const { hash: __, ...isWithout } = is
    return [{ server, tool, change: 'changed', parts: differences(wasWithout, isWithout) }]
  })
}

function differences(before: object, after: object): string[] {
  const [was, is] = [new Map(fieldsOf(before)), new Map(fieldsOf(after))]
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((path) => {
    const [one, other] = [text(was.get(path)), text(is.get(path))]
    return one === other ? [] : [`${path}: ${one} → ${other}`]
  })
}

const text = (value: unknown): string => (value === undefined ? '–' : shown(JSON.stringify(value)))

/** In the middle of a long text a change would not be seen: its beginning and its end are shown. */
function shown(value: string): string {
  if (value.length <= SHOWN_CHARS) return value
  const half = SHOWN_CHARS / 2
  return `${value.slice(0, half)} … (${value.length} characters) … ${value.slice(-half)}`
}
