// Reads a data set: JSON lines, CSV, or a module whose default export is one. Every mistake is found before
// anything runs.
import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import { createSchemaChecks, type SchemaChecks } from '../../runtime/foreign-schema/checks.ts'
import type { Case, Dataset } from '../cases.ts'
import { UserCode } from '../user-code/user-code.ts'
import { casesOf, type DefaultScorers } from './checked-cases.ts'
import { entriesOfCsv, entriesOfJsonLines, type Entry } from './entries.ts'
import { Mistakes, refusal } from './mistakes.ts'
import { entriesOfModule } from './module.ts'

const MAX_BYTES = 100_000_000
const moduleTypes = ['.ts', '.mts', '.js', '.mjs']

/** `scorers`: of cases that name none. Rejects with REQUEST_INVALID and every mistake, or NOT_FOUND. */
export async function readDataset(file: string, scorers: DefaultScorers = []): Promise<Dataset> {
  const path = resolve(file)
  const bytes = bytesOf(path)
  const mistakes = new Mistakes()
  const schemas = createSchemaChecks()
  const code = new UserCode()
  try {
    const { entries, scorers: own } = await entriesOf(path, bytes, mistakes, code)
    const cases = await casesOf(entries, { path, scorers: [...own, ...scorers], mistakes, schemas, code })
    mistakes.throwIfAny(file)
    if (cases.length === 0) throw refusal(file, ['it has no cases'])
    const isNeeded = cases.some((each) => each.scorers.some(({ rule }) => rule.type === 'function'))
    if (!isNeeded) await code.close()
    const close = () => code.close()
    return { name: basename(path, extname(path)), path, hash: hashOf(bytes, cases), cases, close }
  } catch (error) {
    await code.close()
    throw error
  } finally {
    await schemas.close()
  }
}

export type { SchemaChecks }

/** Of the file, and of its cases: those of a module may come from elsewhere. */
const hashOf = (bytes: Buffer, cases: readonly Case[]): string =>
  hash('sha256', JSON.stringify([hash('sha256', bytes), cases.map((each) => [each.id, each.hash])])).slice(
    0,
    16,
  )

/** Bytes of another encoding would become other characters in silence. */
function textIn(bytes: Buffer, path: string): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  throw refusal(path, ['it is not in UTF-8: save it in that encoding'])
}

function bytesOf(path: string): Buffer {
  try {
    const { size } = statSync(path)
    if (size > MAX_BYTES) throw refusal(path, [`it has ${size} bytes, at most ${MAX_BYTES} are read`])
    return readFileSync(path)
  } catch (error) {
    if (error instanceof FlotillaError) throw error
    throw new FlotillaError('NOT_FOUND', `the data set ${path} can't be read: ${messageOf(error)}`)
  }
}

interface Found {
  readonly entries: readonly Entry[]
  readonly scorers: readonly unknown[]
}

async function entriesOf(path: string, bytes: Buffer, mistakes: Mistakes, code: UserCode): Promise<Found> {
  const type = extname(path).toLowerCase()
  if (moduleTypes.includes(type)) return entriesOfModule(path, mistakes, code)
  const text = textIn(bytes, path)
  if (type === '.jsonl' || type === '.ndjson')
    return { entries: entriesOfJsonLines(text, mistakes), scorers: [] }
  if (type === '.csv') return { entries: entriesOfCsv(text, mistakes), scorers: [] }
  throw refusal(path, ['its name must end in .jsonl, .csv, .ts or .js'])
}
