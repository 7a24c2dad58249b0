// schemas/generated/schemas.ts: what the codec loads. Docs are left out of released versions, which are only read.
import type { RecordSchema } from '../record.ts'
import type { Sources } from './sources.ts'

export function bundleSource({ events }: Sources, released: readonly RecordSchema[]): string {
  const current = events.map((event) => `  ${event.name}: ${JSON.stringify(event)},`).join('\n')
  return [
    '// Generated from schemas/*.avsc by `npm run generate`. Do not edit.',
    `import type { RecordSchema } from '../record.ts'`,
    `import type { EventType } from './events.ts'`,
    `/** Every event's schema, shared records written out: what is registered. */\nexport const schemas: Readonly<Record<EventType, RecordSchema>> = {\n${current}\n}`,
    `/** Every version that was released, oldest first, from schemas/released/. */\nexport const releasedSchemas: readonly RecordSchema[] = ${JSON.stringify(released.map(withoutDocs))}\n`,
  ].join('\n\n')
}

function withoutDocs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDocs)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, child]) => [key, key === 'doc' ? '' : withoutDocs(child)])
  return Object.fromEntries(entries)
}
