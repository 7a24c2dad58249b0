// Entries of a data set as its file has them, before they are checked.
import { strictRecords } from '../../runtime/text/csv-records.ts'
import { messageOf } from '../../runtime/errors.ts'
import { parseExact } from '../../runtime/json/exact.ts'
import { mayRepeatNames, repeatedNames } from '../../runtime/json/names.ts'
import type { Json } from '../../schemas/json.ts'
import type { Mistakes } from './mistakes.ts'

export interface Entry {
  /** `line 3`, `case 3`. */
  readonly place: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** One more is read, to see that there are more. */
export const MAX_CASES = 10_000

export const knownFields = [
  'id',
  'input',
  'expected',
  'scorers',
  'outputSchema',
  'agent',
  'mode',
  'history',
  'outcomes',
  'metadata',
] as const

/** Fields whose cells are JSON. */
const jsonFields: readonly string[] = ['outputSchema', 'history', 'outcomes', 'metadata']

/** One JSON object a line. */
export function entriesOfJsonLines(text: string, mistakes: Mistakes): Entry[] {
  let found = 0
  return text.split(/\r?\n/).flatMap((line, index) => {
    if (found > MAX_CASES) return []
    const place = `line ${index + 1}`
    const content = index === 0 ? line.replace(/^\uFEFF/, '') : line
    if (content.trim() === '') return []
    found += 1
    try {
      const fields = parseExact(content)
      const repeated = mayRepeatNames(content, fields) ? repeatedNames(content) : []
      if (repeated.length > 0)
        mistakes.add(
          place,
          `it gives ${repeated.map((name) => JSON.stringify(name.slice(0, 80))).join(', ')} twice`,
        )
      if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return [{ place, fields }]
      mistakes.add(place, 'it must be a JSON object such as {"input": "…", "expected": "…"}')
    } catch (error) {
      mistakes.add(place, `it is no JSON: ${messageOf(error)}`)
    }
    return []
  })
}

/** A header line, then a case a record; columns that are no field of a case are its metadata. */
export function entriesOfCsv(text: string, mistakes: Mistakes): Entry[] {
  let records: ReturnType<typeof strictRecords>
  try {
    records = strictRecords(text, MAX_CASES + 2)
  } catch (error) {
    mistakes.add('CSV', messageOf(error))
    return []
  }
  const [header, ...rows] = records
  if (header === undefined) return []
  const names = header.cells.map((cell) => cell.trim())
  const place = `line ${header.line}`
  for (const mistake of headerMistakes(names)) mistakes.add(place, mistake)
  return rows.map(({ line, cells }) => {
    const at = `line ${line}`
    if (cells.length !== names.length)
      mistakes.add(
        at,
        `it has ${cells.length} cells, the header has ${names.length}; quote cells with commas`,
      )
    return { place: at, fields: fieldsOfCells(names, cells, at, mistakes) }
  })
}

function headerMistakes(names: readonly string[]): string[] {
  const seen = new Set<string>()
  const doubled = new Set(names.filter((name) => seen.has(name) || !seen.add(name)))
  const mistakes = [...doubled].map((name) => `the column ${JSON.stringify(name)} is there twice`)
  if (names.length === 1 && /[;\t]/.test(names[0] ?? ''))
    return ['there is one column; cells are separated by commas']
  if (!names.includes('input')) mistakes.push(`there is no column input; there are: ${namesShown(names)}`)
  for (const name of names) {
    const meant = nearlyKnown(name)
    if (meant !== null) mistakes.push(`the column ${JSON.stringify(name)} must be called ${meant}`)
  }
  return mistakes
}

const SHOWN_NAMES = 20

const namesShown = (names: readonly string[]): string =>
  names.slice(0, SHOWN_NAMES).join(', ') +
  (names.length > SHOWN_NAMES ? ` and ${names.length - SHOWN_NAMES} more` : '')

const plainForm = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z]/g, '')
    .replace(/s$/, '')

/** The field that a name is a misspelling of; null for other names. */
export function nearlyKnown(name: string): string | null {
  if (knownFields.some((field) => field === name)) return null
  return knownFields.find((field) => plainForm(field) === plainForm(name)) ?? null
}

function fieldsOfCells(
  names: readonly string[],
  cells: readonly string[],
  place: string,
  mistakes: Mistakes,
): Entry['fields'] {
  const fields: Record<string, unknown> = {}
  const labels: [string, Json][] = []
  for (const [index, name] of names.entries()) {
    const cell = cells[index] ?? ''
    if (cell === '' && name !== 'input') continue
    if (!knownFields.some((field) => field === name)) labels.push([name, cell])
    else if (name === 'scorers') fields[name] = scorersOfCell(cell, place, mistakes)
    else if (jsonFields.includes(name)) fields[name] = jsonOfCell(name, cell, place, mistakes)
    else fields[name] = cell
  }
  const given = fields['metadata']
  return labels.length === 0
    ? fields
    : { ...fields, metadata: { ...(typeof given === 'object' ? given : {}), ...Object.fromEntries(labels) } }
}

/** JSON, or names separated by semicolons. */
function scorersOfCell(cell: string, place: string, mistakes: Mistakes): unknown {
  if (/^\s*[[{]/.test(cell)) return jsonOfCell('scorers', cell, place, mistakes)
  return cell
    .split(';')
    .map((name) => name.trim())
    .filter(Boolean)
}

function jsonOfCell(name: string, cell: string, place: string, mistakes: Mistakes): unknown {
  try {
    return parseExact(cell)
  } catch (error) {
    mistakes.add(place, `${name} is no JSON: ${messageOf(error)}`)
    return undefined
  }
}
