// Blocks of pages, typed as they stand: every line ends as the page lets a reader expect. A line that is meant to fail (a
// model without a key, an id of the page's own) is named here with its exit code.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startServices, type ServiceProcess } from '../support/service-process.ts'
import { typedLines, typeLines, type TypedLine } from '../support/typed-block.ts'
import { fencedBlocks } from '../unit/docs/snippets.ts'

const root = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'flotilla-typed-'))
let fleet: ServiceProcess
before(async () => {
  const env = {
    FLOTILLA_DATA: join(directory, '.flotilla'),
    FLOTILLA_CONFIG: join(root, 'flotilla.config.ts'),
  }
  fleet = await startServices([], { env })
  await fleet.ready()
})
after(async () => {
  await fleet?.kill9()
  rmSync(directory, { recursive: true, force: true })
})

/** The lines of the page's block that has this text. */
function linesOf(page: string, text: string): string[] {
  const block = fencedBlocks(page, readFileSync(join(root, page), 'utf8')).find((each) =>
    each.text.includes(text),
  )
  assert.ok(block, `${page} has a block with ${text}`)
  return typedLines(block.text)
}

interface Place {
  readonly lines: readonly string[]
  /** Exit codes of lines that do not end with 0, by their beginning. */
  readonly failing?: Readonly<Record<string, number>>
  /** Default: the fleet's directory, and its gateway in place of port 8000. */
  readonly alone?: string
}

async function typeAll({ lines, failing = {}, alone }: Place): Promise<TypedLine[]> {
  const port = new URL(fleet.url).port
  const own: Record<string, string> =
    alone === undefined ? { PORT: port } : { FLOTILLA_PARTITIONS: '3', PORT: '0' }
  const typed = await typeLines(
    lines.map((line) => line.replaceAll(':8000', `:${port}`)),
    alone ?? directory,
    { FLOTILLA_MODEL: 'scripted', ...own },
  )
  const wrong = typed.filter(({ command, code }) => {
    const [, expected = 0] = Object.entries(failing).find(([start]) => command.startsWith(start)) ?? []
    return code !== expected
  })
  assert.deepEqual(wrong, [])
  return typed
}

const shownBy = (typed: readonly TypedLine[], start: string): string =>
  typed.find(({ command }) => command.startsWith(start))?.shown ?? ''

const FIRST = 'ID=$(npx flotilla submit "What is 2 to the power of 100?")'

test('README: tasks are run, listed, replayed, forked and evaluated', { timeout: 300_000 }, async () => {
  const lines = [...linesOf('README.md', FIRST), ...linesOf('README.md', '/v1/chat/completions')]
  assert.ok(lines.length >= 12, lines.join('\n'))
  // Nobody has given it a key of OpenAI.
  const typed = await typeAll({ lines, failing: { 'npx flotilla fork': 2 } })
  assert.match(
    shownBy(typed, 'npx flotilla result'),
    /succeeded 2 to the power of 100 is 1267650600228229401496703205376/,
  )
  assert.match(shownBy(typed, 'npx flotilla replay'), /is decided the same/)
  assert.match(shownBy(typed, 'npx flotilla eval'), /\nscored +3\n/)
  assert.match(shownBy(typed, 'curl -sN'), /event: result\n/)
})

test('operating: tasks and lanes, people, pauses, usage, alerts', { timeout: 300_000 }, async () => {
  const texts = [
    'npx flotilla ps ',
    'npx flotilla approvals',
    'npx flotilla pause',
    'npx flotilla usage',
    'npx flotilla alerts',
  ]
  const lines = texts.flatMap((text) => linesOf('docs/operating.md', text))
  assert.ok(lines.length >= 18, lines.join('\n'))
  const typed = await typeAll({
    lines: [
      FIRST,
      'npx flotilla result --wait $ID',
      ...lines.map((line) => line.replace('status ID', 'status $ID')),
    ],
    // No channel is configured.
    failing: { 'npx flotilla alerts test': 1 },
  })
  assert.match(shownBy(typed, 'npx flotilla status'), /state +succeeded/)
  assert.match(
    shownBy(typed, 'npx flotilla pause planner'),
    /planner is paused since .* by bo: provider moves/,
  )
  assert.match(readFileSync(join(directory, 'calls.csv'), 'utf8'), /^at_ms,.*\n\d+,/)
})

test('http-access: keys are made before the fleet starts', { timeout: 300_000 }, async () => {
  const alone = mkdtempSync(join(directory, 'keys-'))
  const [, ...lines] = linesOf('docs/http-access.md', 'npx flotilla keys create ann-laptop')
  const first = 'npx flotilla keys create admin --role admin'
  assert.ok(readFileSync(join(root, 'docs/http-access.md'), 'utf8').includes(`\`${first}\``))
  const typed = await typeAll({
    lines: [first, ...lines],
    failing: { 'npx flotilla keys revoke': 66 },
    alone,
  })
  assert.match(shownBy(typed, 'npx flotilla keys '.trimEnd() + '  '), /ann-laptop +ann/)
})

test('evaluation: the worked example without a key', { timeout: 300_000 }, async () => {
  const alone = mkdtempSync(join(directory, 'evaluation-'))
  const typed = await typeAll({ lines: linesOf('docs/evaluation.md', '--run first'), alone })
  assert.equal(
    shownBy(typed, 'npx flotilla eval examples/evaluation/demo.jsonl --model scripted/demo --epochs 3').match(
      /^reached /gm,
    )?.length,
    2,
  )
  assert.match(readFileSync(join(alone, 'first.csv'), 'utf8'), /^case_id,/)
})

test('capacity, and a conversation in a pipe', { timeout: 300_000 }, async () => {
  const alone = mkdtempSync(join(directory, 'pipe-'))
  const chat = linesOf('docs/sessions.md', 'npx flotilla chat').filter((line) => line.includes('|'))
  const typed = await typeAll({
    lines: [...linesOf('docs/capacity.md', 'npx flotilla capacity'), ...chat],
    alone,
  })
  assert.match(shownBy(typed, 'printf'), /continues this session/)
})
