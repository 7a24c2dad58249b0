// Why a configuration file could not be imported, with its place and the lines around it.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { placeIn, shownPath, thrownPlace, type Place } from './source-place.ts'

const CHECK_MS = 10_000

/** A message for CONFIG_INVALID: `flotilla.config.ts:7:25: Unexpected token …`, then the line and a caret. */
export function importMistake(file: string, error: unknown): string {
  const message = withRemedy(error instanceof Error ? error.message : String(error))
  const path = fileURLToPath(file)
  const place =
    error instanceof SyntaxError ? syntaxPlace(path, error) : (importPlace(message) ?? thrownPlace(error))
  if (place === null) return `${shownPath(path)}: ${message}`
  return `${shownPath(place.path)}:${place.line}:${place.column}: ${message}${frameOf(place)}`
}

/** A package that is not installed is no mistake in the file. */
function withRemedy(message: string): string {
  const [, name] = /^Cannot find package '((?:@[^/']+\/)?[^/']+)[^']*' imported from /.exec(message) ?? []
  return name === undefined ? message : `${message}; if it is missing: npm install ${name}`
}

/** Node puts path, line and a caret in front of the stack of TypeScript; for JavaScript only `--check` shows them. */
function syntaxPlace(path: string, error: SyntaxError): Place | null {
  return placeOfCaret(error.stack ?? '') ?? placeOfCaret(checked(path))
}

function placeOfCaret(text: string): Place | null {
  const [, name = '', line, shown = ''] = /^(\S.*):(\d+)\n((?:.*\n)*?)\s*\^/.exec(text) ?? []
  if (line === undefined) return null
  const caret = text.split('\n').find((each) => /^\s*\^+\s*$/.test(each)) ?? ''
  if (shown === '') return null
  return { path: pathOf(name), line: Number(line), column: caret.indexOf('^') + 1 }
}

function checked(path: string): string {
  try {
    execFileSync(process.execPath, ['--check', path], { stdio: 'pipe', timeout: CHECK_MS, encoding: 'utf8' })
    return ''
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr ?? '')
  }
}

/** The import that found nothing. */
function importPlace(message: string): Place | null {
  const [, wanted = '', from] =
    /^Cannot find (?:package|module) '([^']+)' imported from (.+?)(?:; if it is missing.*)?$/.exec(message) ??
    []
  if (from === undefined) return null
  const text = textOf(pathOf(from))
  const name = wanted.replace(/^.*\//, '')
  const at = text.search(new RegExp(`(from|import)\\s*\\(?\\s*['"][^'"]*${name.replaceAll(/\W/g, '\\$&')}`))
  if (at === -1) return null
  const [line = '1', column = '1'] = placeIn('', text, at).split(':').slice(-2)
  return { path: pathOf(from), line: Number(line), column: Number(column) }
}

const pathOf = (name: string): string => (name.startsWith('file:') ? fileURLToPath(name) : name)

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function frameOf({ path, line, column }: Place): string {
  const shown = textOf(path).split('\n')[line - 1]
  if (shown === undefined || shown.length > 200) return ''
  const gutter = `  ${line} | `
  return `\n${gutter}${shown}\n${' '.repeat(gutter.length - 2)}| ${' '.repeat(column - 1)}^`
}
