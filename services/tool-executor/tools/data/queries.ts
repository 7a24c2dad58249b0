// Reads and queries data files, in a thread (../parsing.ts). The last results are cached until the file changes:
// JSON as a whole, other tables by the result of their first reading.
import { extname } from 'node:path'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../../../../runtime/json/depth.ts'
import { plural } from '../../../../runtime/text/quantities.ts'
import type { Json } from '../../../../schemas/json.ts'
import { csvTable, profileCsv, type CsvForm, type CsvProfile } from './csv-table.ts'
import { formOf, jsonIn, LinesProfile, tableOfLines, tableOfList } from './json-table.ts'
import { FileCache } from './file-cache.ts'
import { withFile, type OpenFile } from './open-file.ts'
import type { FileToParse } from '../parsing.ts'
import type { Table } from './table.ts'
import { bounded, query, type Found, type Query } from './table-query.ts'

/** A JSON file is read whole; its values take thirty times as much memory. */
const MAX_JSON_BYTES = 10_000_000
/** Bytes of the JSON files whose contents are cached. */
const KEPT_BYTES = 10_000_000
const KEPT_PROFILES = 20
/** Names shown if a step of a path does not exist. */
const LISTED_NAMES = 30

export interface TableQuery extends Query {
  /** Null: detected. */
  readonly delimiter: string | null
  readonly encoding: string | null
}

/**
 * Rows of a CSV or TSV file with a header line, of a JSON file with a list of objects, or of one with an
 * object per line.
 */
export const queryRows = ({ query: asked, ...file }: FileToParse & { query: TableQuery }): Promise<Found> =>
  withFile(file, async (open) => query(await tableIn(open, file.path, asked), asked, file.file))

export interface ValueQuery extends FileToParse {
  readonly steps: readonly string[]
  readonly encoding: string | null
}

export const jsonValue = ({ steps, encoding, ...file }: ValueQuery): Promise<Json> =>
  withFile(file, (open) => {
    open.assertText()
    const whole = json(open, file.path, encoding)
    const value = steps.reduce((at, step, index) => into(at, step, steps.slice(0, index), file.file), whole)
    return bounded(value, 'name a path to a part of it')
  })

/** A `.txt` file may use any delimiter; other names suggest the likely one. */
const delimiters: Readonly<Record<string, string>> = { '.csv': ',', '.txt': ',', '.tsv': '\t', '.tab': '\t' }

async function tableIn(open: OpenFile, path: string, { delimiter, encoding }: TableQuery): Promise<Table> {
  const extension = extname(open.name).toLowerCase()
  const usual = delimiters[extension]
  open.assertText()
  if (usual !== undefined) return csv(open, path, { usual, delimiter, encoding })
  if (!jsonNames.includes(extension))
    throw notATable(open, 'its name must end in .csv, .tsv, .txt, .json or .jsonl; save other files as CSV')
  const form = formOf(open.beginning(open.encoding(encoding).encoding, INSPECTED_CHARS))
  const isNamedLines = extension !== '.json'
  if (form === 'lines' || (isNamedLines && form === 'other')) return jsonLines(open, path, encoding)
  const table = tableOfList(json(open, path, encoding), open.name)
  if (table) return table
  throw notATable(open, 'it must hold a list of objects, or an object a line; read_json reads other JSON')
}

const jsonNames = ['.json', '.jsonl', '.ndjson']
/** A list and lines of JSON are distinguished by their beginning: either may have the other's name. */
const INSPECTED_CHARS = 256 * 1024

const notATable = ({ name }: OpenFile, why: string) =>
  new FlotillaError('TOOL_FAILED', `${name} is not a table: ${why}`)

const csvProfiles = new FileCache<CsvProfile>(KEPT_PROFILES, () => 1)
const linesProfiles = new FileCache<LinesProfile>(KEPT_PROFILES, () => 1)
const values = new FileCache<Json>(KEPT_BYTES, ({ size }) => size)

async function csv(open: OpenFile, path: string, form: CsvForm): Promise<Table> {
  const key = JSON.stringify([path, form])
  const known = csvProfiles.find(key, open.version)
  return csvTable(open, known ?? csvProfiles.keep(key, open.version, await profileCsv(open, form)))
}

function jsonLines(open: OpenFile, path: string, encoding: string | null): Table {
  const key = JSON.stringify([path, encoding])
  const known = linesProfiles.find(key, open.version)
  return tableOfLines(open, known ?? linesProfiles.keep(key, open.version, new LinesProfile(open, encoding)))
}

function json(open: OpenFile, path: string, encoding: string | null): Json {
  const key = JSON.stringify([path, encoding])
  const known = values.find(key, open.version)
  if (known !== undefined) return known
  const { size } = open.version
  if (size > MAX_JSON_BYTES)
    throw open.unreadable(
      `it has ${size} bytes, and JSON is read up to ${MAX_JSON_BYTES}; larger tables are read as CSV or JSON lines (.jsonl)`,
    )
  return values.keep(key, open.version, parseJson(open, encoding))
}

function parseJson(open: OpenFile, named: string | null): Json {
  const { encoding, undecodable } = open.encoding(named)
  // A table can report it beside its rows; here there is only the value.
  if (undecodable > 0)
    throw open.unreadable(
      `${undecodable} of its characters are not UTF-8; name its encoding, or utf-8 to have them replaced by \ufffd`,
    )
  const text = [...open.text(encoding)].join('')
  const value = jsonIn(text)
  if (value === undefined) throw notJson(open, text)
  if (isDeeperThan(value, MAX_JSON_DEPTH))
    throw new FlotillaError(
      'TOOL_FAILED',
      `${open.name} can't be read as JSON: it is nested more than ${MAX_JSON_DEPTH} deep`,
    )
  return value
}

function notJson({ name }: OpenFile, text: string): FlotillaError {
  const hint = formOf(text) === 'lines' ? '; query_table reads files with an object a line' : ''
  try {
    JSON.parse(text)
  } catch (cause) {
    return new FlotillaError('TOOL_FAILED', `${name} is not JSON: ${(cause as Error).message}${hint}`, {
      cause,
    })
  }
  return new FlotillaError('TOOL_FAILED', `${name} is not JSON`)
}

function into(value: Json, step: string, before: readonly string[], file: string): Json {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, step)) {
    return (value as { [name: string]: Json })[step] ?? null
  }
  const at = before.length === 0 ? file : `${file} at ${before.join('.')}`
  throw new FlotillaError('TOOL_ARGUMENTS_INVALID', `${at} has no ${step}; it has ${partsOf(value)}`)
}

function partsOf(value: Json): string {
  if (Array.isArray(value)) return plural(value.length, 'item')
  if (typeof value !== 'object' || value === null)
    return `no parts (it is ${value === null ? 'null' : `a ${typeof value}`})`
  return Object.keys(value).slice(0, LISTED_NAMES).join(', ') || 'nothing'
}
