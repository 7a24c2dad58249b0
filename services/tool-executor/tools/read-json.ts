import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { Tool } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Json } from '../../../schemas/json.ts'
import { defaultDataDirectory, parseJson, readDataFile } from './data-files.ts'

/** Names shown where a step of the path leads nowhere. */
const LISTED_NAMES = 30

/** `read_json(file, path)`: a value within a JSON file under the data directory. */
export function readJson(options: { directory?: string } = {}): Tool {
  return defineTool({
    name: 'read_json',
    description:
      'Returns the value at a path such as items[0].price in a JSON file; without a path, the whole file.',
    input: z.object({
      file: z.string().describe('path within the data directory, e.g. settings.json'),
      path: z.string().default('').describe('names joined by dots, list positions in brackets'),
    }),
    idempotent: true,
    cacheScope: 'shared',
    reads: 'private',
    run: async ({ file, path }) => {
      const value = parseJson(await readDataFile(options.directory ?? defaultDataDirectory(), file), file)
      return stepsOf(path).reduce(
        (at, step, index, steps) => into(at, step, steps.slice(0, index), file),
        value,
      )
    },
  })
}

/** `$.items[0]["unit price"]` → items, 0, unit price */
function stepsOf(path: string): string[] {
  const steps: string[] = []
  const step = /\.?(?:\[(\d+)\]|\["([^"]*)"\]|\['([^']*)'\]|([^.[\]]+))/y
  const text = path.trim().replace(/^\$/, '')
  while (step.lastIndex < text.length) {
    const from = step.lastIndex
    const match = step.exec(text)
    if (!match)
      throw new FlotillaError(
        'TOOL_ARGUMENTS_INVALID',
        `path ${path} can't be read from ${text.slice(from)} on`,
      )
    steps.push(match.slice(1).find((part) => part !== undefined) ?? '')
  }
  return steps
}

function into(value: Json, step: string, before: readonly string[], file: string): Json {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, step)) {
    return (value as { [name: string]: Json })[step] ?? null
  }
  const at = before.length === 0 ? file : `${file} at ${before.join('.')}`
  throw new FlotillaError('TOOL_ARGUMENTS_INVALID', `${at} has no ${step}; it has ${contents(value)}`)
}

function contents(value: Json): string {
  if (Array.isArray(value)) return `${value.length} items`
  if (typeof value !== 'object' || value === null)
    return `no parts (it is ${value === null ? 'null' : `a ${typeof value}`})`
  return Object.keys(value).slice(0, LISTED_NAMES).join(', ') || 'nothing'
}
