// What pages tell readers to type: each command of `flotilla` is parsed as the program would, each script and route exists,
// and a program that stands in a page is a file of examples/, which the type checker sees and a test runs.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Command } from 'commander'
import { openApi } from '../../../api/openapi.ts'
import { createProgram } from '../../../cli/program/program.ts'
import { isPage } from '../house/rules-docs.ts'
import { root, textFiles } from '../house/tree.ts'
import { fencedBlocks, flotillaCommands, shellLines, type Line } from './snippets.ts'

/** What was, not what is. */
const history = (path: string): boolean => path === 'CHANGELOG.md' || path.startsWith('docs/adr/')
const pages = textFiles().filter((file) => isPage(file) && !history(file.path))
const lines = pages.flatMap(({ path, text }) => shellLines(path, text))

/** Parses and does nothing. */
function disarm(command: Command): void {
  command.action(() => {}).exitOverride()
  command.configureOutput({ writeErr: () => {}, writeOut: () => {} })
  command.commands.forEach(disarm)
}

const program = await createProgram('all')
program.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
program.commands.forEach(disarm)

/** A variable of the shell, and what the reader puts in: a value that any argument takes. */
const filledIn = (arg: string): string => arg.replace(/^(?:\$[A-Z]+|<[^<>]*>)$/, '1')

/** Why the program would refuse it; null if it would not. That a reader's file is not here is no reason. */
async function refusal(args: readonly string[], isProse = false): Promise<string | null> {
  try {
    await program.parseAsync(args.map(filledIn), { from: 'user' })
    return null
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string }
    if (/^commander\.help/.test(code) || message.includes('ENOENT')) return null
    const isLacking = /^commander\.missing(Argument|MandatoryOptionValue)$/.test(code)
    return isProse && isLacking ? null : message
  }
}

test('every command of flotilla in a page is one that the program takes', async () => {
  const found = lines.flatMap((line) => flotillaCommands(line).map((args) => ({ ...line, args })))
  assert.ok(found.length > 100, `only ${found.length} commands found`)
  const wrong: string[] = []
  for (const { place, isProse, args } of found) {
    const why = await refusal(args, isProse)
    if (why !== null) wrong.push(`${place}: flotilla ${args.join(' ')}: ${why}`)
  }
  assert.deepEqual(wrong, [])
  assert.match((await refusal(['result', '--wiat', 'x'])) ?? '', /unknown option '--wiat'/)
  assert.match((await refusal(['result'])) ?? '', /missing required argument/)
  assert.match((await refusal(['tsaks'])) ?? '', /unknown command/)
})

test('a block to type calls the command as a reader has it: npx flotilla', () => {
  const bare = ({ text }: Pick<Line, 'text'>): boolean => /(?:^|[|&;(] ?|\$\()(?:[A-Z_]+=(?!\$\()\S+ )*flotilla [a-z-]/.test(text)
  const typed = lines.filter(({ isProse }) => !isProse)
  assert.deepEqual(typed.filter(bare).map(({ place }) => place), [])
  assert.ok(['flotilla ps', 'X=1 flotilla ps', 'echo | flotilla chat'].every((text) => bare({ text })))
})

test('every script that a page names is in package.json', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }
  const named = lines.flatMap(({ place, text }) =>
    [...text.matchAll(/npm run ([a-z][\w:-]*)/g)].map(([, name = '']) => ({ place, name })),
  )
  assert.ok(named.length > 20)
  // What `flotilla init` writes has scripts of its own.
  const starters = Object.keys(
    (JSON.parse(readFileSync(join(root, 'examples/starter/package.json'), 'utf8')) as { scripts: object }).scripts,
  )
  const wrong = named.filter(({ name }) => !(name in scripts) && !starters.includes(name))
  assert.deepEqual(wrong, [])
})

test('TypeScript is run by `npx node`, the Node of this project: that of the machine may be an older one', () => {
  const wrong = (list: readonly Line[]): string[] =>
    list.flatMap(({ place, text }) =>
      [...text.matchAll(/(?<!npx |exec gateway |-- )\bnode (?:-\S+ )*[\w./-]+\.ts\b/g)].map(([found]) => `${place}: ${found}`),
    )
  assert.deepEqual(wrong(lines), [])
  assert.equal(wrong([{ place: 'docs/a.md:1', text: 'cd x && node --test test/a.test.ts', isProse: false }]).length, 1)
})

/** Paths that curl asks for, with the method that its options mean. */
function requests({ place, text }: Line): { place: string; method: string; path: string }[] {
  if (!/(^|[\s(])curl\s/.test(text)) return []
  const method = /-X ([A-Z]+)/.exec(text)?.[1] ?? (/\s(-d|--data\S*)\s/.test(text) ? 'POST' : 'GET')
  return [...text.matchAll(/(\/v1\/[^\s"'?#]*)/g)].map(([, path = '']) => ({ place, method, path }))
}

test('every route that a page asks curl for is one of the API', () => {
  const routes = Object.entries(openApi().paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => {
      const pattern = path.replaceAll(/\{[^}]+\}/g, '[^/]+')
      return { method: method.toUpperCase(), pattern: new RegExp(`^${pattern}$`) }
    }),
  )
  const asked = lines.flatMap(requests)
  assert.ok(asked.length > 5)
  const wrong = asked.filter(
    ({ method, path }) => !routes.some((route) => route.method === method && route.pattern.test(path)),
  )
  assert.deepEqual(wrong, [])
})

const blocks = pages.flatMap(({ path, text }) => fencedBlocks(path, text))

test('a whole program in a page is a file, word for word', () => {
  const programs = blocks.filter(
    ({ language, text }) => language === 'ts' && /^import .* from 'flotilla/m.test(text),
  )
  assert.ok(programs.length >= 2)
  assert.deepEqual(
    programs.filter(({ file }) => file === null).map(({ place }) => `${place}: name its file in a comment before it`),
    [],
  )
})

test('JSON in a page is JSON, unless it leaves something out', () => {
  const wrong = blocks
    .filter(({ language, text }) => language === 'json' && !text.includes('…'))
    .flatMap(({ place, text }) => {
      const texts = text.trim().startsWith('{') && text.includes('\n{') ? text.trim().split('\n') : [text]
      return texts.flatMap((each) => {
        try {
          JSON.parse(each)
          return []
        } catch (error) {
          return [`${place}: ${(error as Error).message}`]
        }
      })
    })
  assert.deepEqual(wrong, [])
})

test('Python behind a link to its file is part of that file, word for word', () => {
  const shown = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([\w./-]+\.py)\)[^\[`]*```python\n([^]*?)```/g)].map(([, file = '', code = '']) => ({
      file: join(root, path, '..', file),
      code,
    })),
  )
  assert.ok(shown.length >= 4, `only ${shown.length} programs found`)
  for (const { file, code } of shown) assert.ok(readFileSync(file, 'utf8').includes(code), `${file} has not:\n${code}`)
})
