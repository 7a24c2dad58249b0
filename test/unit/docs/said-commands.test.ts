// What the program itself tells people to type, in remedies, notices and the console: the command exists, and has the
// options that are named with it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { createProgram } from '../../../cli/program/program.ts'
import { isProduct, isTypeScript, textFiles } from '../house/tree.ts'

const program = await createProgram('all')

const named = (command: Command, name: string | undefined): Command | undefined =>
  command.commands.find((each) => each.name() === name)

/** A word with nothing but the end of the phrase after it: it stands where a subcommand would. */
const isLast = (rest: string): boolean => /^ [a-z][a-z-]*\s*(?:$|--)/.test(rest)

/** Why nobody can type the phrase that begins here; null if one can. */
function refusal(phrase: string): string | null {
  const [said = '', name = '', rest = ''] = /^flotilla ([a-z][a-z-]*)(.*)$/.exec(phrase) ?? []
  const command = named(program, name)
  if (command === undefined) return `${said}: there is no ${name}`
  const [, second] = /^ ([a-z][a-z-]*)/.exec(rest) ?? []
  const subcommand = named(command, second)
  if (subcommand === undefined && command.commands.length > 0 && isLast(rest)) return `${said}: there is no ${second}`
  const options = [command, ...(subcommand ? [subcommand] : command.commands)].flatMap((each) => each.options)
  const [wrong] = [...rest.matchAll(/(?<= )--[a-z-]+/g)].filter(
    ([flag]) => !options.some(({ long }) => long === flag),
  )
  return wrong ? `${said}: there is no ${wrong[0]}` : null
}

/** Each phrase of the program up to the end of its clause; values put into it are one word. */
function* phrases(text: string): Generator<string> {
  const said = text.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '').replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, 'X')
  for (const [phrase] of said.matchAll(/(?<![\w/.-])flotilla [a-z][^\n.,;:()'"`<|]*/g)) yield phrase.trim()
}

test('every command of flotilla that the program names is one, with the options that it names', () => {
  const files = textFiles().filter((file) => isTypeScript(file) && (isProduct(file.path) || /^console\/src/.test(file.path)))
  const found = files.flatMap(({ path, text }) => [...phrases(text)].map((phrase) => ({ path, phrase })))
  assert.ok(found.length > 120, `only ${found.length} phrases found`)
  const wrong = found.flatMap(({ path, phrase }) => {
    const why = refusal(phrase)
    return why === null ? [] : [`${path}: ${why}`]
  })
  assert.deepEqual(wrong, [])
})

const refused: [said: string, why: RegExp][] = [
  ["say('see flotilla tsaks')", /no tsaks/],
  ["say(`wait: flotilla result --wiat ${id}`)", /no --wiat/],
  ["say('run flotilla keys remove')", /no remove/],
  ["say('run flotilla mcp sync --chekc first')", /no --chekc/],
]
for (const [text, why] of refused)
  test(`${text} would be found`, () => assert.match([...phrases(text)].map(refusal).join(), why))
