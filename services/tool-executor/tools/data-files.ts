// Files that data tools may read: those under one directory, whatever the path says and wherever links lead.
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { extname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { parse } from 'csv-parse/sync'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Json } from '../../../schemas/json.ts'

const MAX_FILE_BYTES = 50_000_000
/** Files named to a model that asked for one which does not exist. */
const LISTED_FILES = 30

/** `data/` in the working directory, or the bundled examples. */
export function defaultDataDirectory(): string {
  const own = resolve('data')
  return existsSync(own) ? own : resolve('examples/data')
}

/** The text of `file`, a path within `directory`. Rejects with TOOL_DENIED outside it, TOOL_FAILED where it can't be read. */
export async function readDataFile(directory: string, file: string): Promise<string> {
  const root = await realpath(directory).catch(() => {
    throw new FlotillaError('TOOL_FAILED', `there is no data directory ${directory}`)
  })
  const path = resolve(root, file)
  if (!within(root, path)) throw outside(file)
  const real = await realpath(path).catch(async () => {
    throw new FlotillaError('TOOL_FAILED', `there is no file ${file}; the files are: ${await listed(root)}`)
  })
  if (!within(root, real)) throw outside(file)
  const { size } = await stat(real)
  if (size > MAX_FILE_BYTES) {
    throw new FlotillaError(
      'TOOL_FAILED',
      `${file} has ${size} bytes, more than the limit of ${MAX_FILE_BYTES}`,
    )
  }
  return readText(real, file)
}

async function readText(path: string, file: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new FlotillaError('TOOL_FAILED', `${file} can't be read: ${(cause as Error).message}`, { cause })
  }
}

function within(root: string, path: string): boolean {
  const from = relative(root, path)
  return from !== '..' && !from.startsWith(`..${sep}`) && !isAbsolute(from)
}

const outside = (file: string) =>
  new FlotillaError('TOOL_DENIED', `${file} is outside the data directory; name a file within it`)

async function listed(root: string): Promise<string> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const names = files.map((entry) => relative(root, join(entry.parentPath, entry.name))).sort()
  return names.slice(0, LISTED_FILES).join(', ') || 'none'
}

export function parseJson(text: string, file: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new FlotillaError('TOOL_FAILED', `${file} is not JSON: ${(cause as Error).message}`, { cause })
  }
}

export type Row = { [column: string]: Json }

/** Rows of a CSV or TSV file with a header line, or of a JSON file that holds a list of objects. Numbers in CSV become numbers. */
export async function readRows(directory: string, file: string): Promise<Row[]> {
  const text = await readDataFile(directory, file)
  switch (extname(file).toLowerCase()) {
    case '.csv':
      return parseCsv(text, file, ',')
    case '.tsv':
      return parseCsv(text, file, '\t')
    case '.json':
      return rowsOf(parseJson(text, file), file)
    default:
      throw new FlotillaError(
        'TOOL_FAILED',
        `${file} is not a table: its name must end in .csv, .tsv or .json`,
      )
  }
}

function rowsOf(value: Json, file: string): Row[] {
  const isRow = (row: Json): row is Row => typeof row === 'object' && row !== null && !Array.isArray(row)
  if (Array.isArray(value) && value.every(isRow)) return value
  throw new FlotillaError('TOOL_FAILED', `${file} is not a table: it must hold a list of objects`)
}

function parseCsv(text: string, file: string, delimiter: string): Row[] {
  try {
    return parse(text, {
      delimiter,
      columns: true,
      bom: true,
      skip_empty_lines: true,
      trim: true,
      cast: (value, { header }) => (header ? value : cell(value)),
    }) as unknown as Row[]
  } catch (cause) {
    throw new FlotillaError('TOOL_FAILED', `${file} can't be read as CSV: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** A number where it reads back the same, so that 007 and long ids stay text. */
function cell(value: string): string | number {
  const number = Number(value)
  return value !== '' && Number.isFinite(number) && /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(value)
    ? number
    : value
}
