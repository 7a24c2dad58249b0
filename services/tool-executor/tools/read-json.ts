import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { Tool } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { findDataFile, type DataOptions } from './data/files.ts'
import { valueInFile } from './parsing.ts'

/** `read_json(file, path)`: a value within a JSON file under the data directory. */
export function readJson(options: DataOptions = {}): Tool {
  return defineTool({
    name: 'read_json',
    description:
      'Returns the value at a path such as items[0].price in a JSON file; without a path, the whole file.',
    input: z.object({
      file: z.string().describe('path within the data directory, e.g. settings.json'),
      path: z.string().default('').describe('names joined by dots, list positions in brackets'),
      encoding: z.string().nullable().default(null).describe('e.g. utf-16le; default: found out'),
    }),
    idempotent: true,
    cacheScope: 'shared',
    reads: 'private',
    run: async ({ file, path, encoding }, context) =>
      valueInFile({ ...(await findDataFile(file, options)), steps: stepsOf(path), encoding }, context),
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
