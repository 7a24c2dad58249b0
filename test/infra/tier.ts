// One tier of tests: what it may use, and a run of it in a process group of its own that can be killed whole.
import { spawn } from 'node:child_process'
import { globSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { ComponentName } from './stack.ts'
import { FILE_LIMIT } from './file-limit.ts'
import { readTally, type FileTally } from './tally.ts'

export interface Tier {
  readonly name: string
  readonly needs: readonly ComponentName[]
  /** Test files at once. */
  readonly concurrency: number
  /** What it should take on a quiet machine of two cores; more is said aloud. */
  readonly aimS: number
  /** Past this it is killed, and has failed. */
  readonly limitS: number
  /** Past this one file is ended, and has failed; its tier goes on. 900 unless given. */
  readonly fileLimitS?: number
}

export const tiers: readonly Tier[] = [
  { name: 'unit', needs: [], concurrency: 2, aimS: 90, limitS: 900 },
  { name: 'embedded', needs: [], concurrency: 2, aimS: 400, limitS: 2_400 },
  {
    name: 'kafka',
    needs: ['kafka', 'registry', 'redis', 'postgres', 'jaeger'],
    concurrency: 2,
    aimS: 480,
    limitS: 2_400,
  },
  { name: 'model', needs: [], concurrency: 1, aimS: 90, limitS: 900 },
  // Chromium.
  { name: 'console', needs: [], concurrency: 2, aimS: 100, limitS: 900 },
  // Suites that others wrote: docs/compatibility.md.
  { name: 'compat', needs: [], concurrency: 2, aimS: 400, limitS: 2_100 },
  // Chart, image and Compose file: docs/kubernetes.md.
  { name: 'deploy', needs: ['docker'], concurrency: 1, aimS: 240, limitS: 1_800 },
  // One file has every escape in Docker: ten minutes where other work goes on beside it.
  { name: 'sandbox', needs: ['docker'], concurrency: 2, aimS: 480, limitS: 2_400, fileLimitS: 1_800 },
  {
    name: 'chaos',
    needs: ['kafka', 'registry', 'redis', 'postgres', 'docker'],
    concurrency: 1,
    aimS: 400,
    limitS: 2_400,
  },
]

export interface TierOutcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  /** Tests that waited too long among the others and passed when their file ran again, alone: `file: test`. */
  readonly late: readonly string[]
  /** What went wrong beyond failed tests; empty when nothing did. */
  readonly complaints: readonly string[]
}

/** The outcome of a tier that did not get to run. */
export const failedTier = (complaint: string): TierOutcome => ({
  passed: 0,
  failed: 1,
  skipped: 0,
  seconds: 0,
  late: [],
  complaints: [complaint],
})

const repository = join(import.meta.dirname, '../..')
export const tierFolder = (tier: Tier): string => join(repository, 'test', tier.name)
export const isAbsent = (tier: Tier): boolean => !existsSync(tierFolder(tier))

/** The tier's test files whose path contains one of `filters`; all of them without filters. */
export const tierFiles = (tier: Tier, filters: readonly string[]): string[] =>
  globSync('**/*.test.ts', { cwd: tierFolder(tier) })
    .map((file) => relative(repository, join(tierFolder(tier), file)))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort()

export interface TierRun {
  /** All that the tests see of the environment. */
  readonly environment: Readonly<Record<string, string>>
  /** Kills the run. */
  readonly abort: AbortSignal
  /** Whether the reporter's lines go to our own output; they do unless this is true. */
  readonly quiet?: boolean
}

/**
 * Runs these files, whose paths are relative to the repository. Of files in which nothing failed but waits that were too
 * long for a busy machine, up to three run once more, alone, and that counts. A value that was wrong stays a failure.
 * A file that did not run to its end has failed, whatever its exit code.
 */
export async function runTier(tier: Tier, files: readonly string[], run: TierRun): Promise<TierOutcome> {
  // Without a file, `node --test` would go and find some.
  if (files.length === 0) return failedTier(`${tier.name} has no test file`)
  const begun = performance.now()
  const { end, tally } = await attempt(tier, files, run)
  const late = lateFiles(tally)
  if (end.killed || end.code === null || late.length === 0 || late.length > 3)
    return outcomeOf(tier, { end, tally, late: [] }, files, begun)
  if (run.quiet !== true) console.log(`\n  once more, alone: ${late.join(', ')}`)
  const again = await attempt({ ...tier, concurrency: 1 }, late, run)
  // A second run that lost tests proves nothing.
  const whole = [...again.tally].filter(([file, counts]) => testsOf(counts) >= testsOf(tally.get(file)))
  const both = new Map([...tally, ...whole])
  const names = late.flatMap((file) =>
    failuresOf(both.get(file)).length > 0
      ? []
      : failuresOf(tally.get(file)).map(({ name }) => `${file}: ${name}`),
  )
  return outcomeOf(tier, { end: again.end, tally: both, late: names }, files, begun)
}

type Tally = ReadonlyMap<string, FileTally>

/** One run of `node --test`; the tally's files by their paths relative to the repository. */
async function attempt(
  tier: Tier,
  files: readonly string[],
  run: TierRun,
): Promise<{ readonly end: End; readonly tally: Tally }> {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-tally-'))
  const tallyFile = join(directory, 'tally')
  writeFileSync(tallyFile, '')
  try {
    const end = await nodeTest(tier, files, tallyFile, run)
    const counts = [...readTally(tallyFile)].map(
      ([file, counted]) => [relative(repository, file), counted] as const,
    )
    return { end, tally: new Map(counts) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const failuresOf = (counts: FileTally | undefined): FileTally['failed'] => counts?.failed ?? []

const testsOf = (counts: FileTally | undefined): number =>
  counts === undefined ? 0 : counts.passed + counts.skipped + counts.failed.length

const lateFiles = (tally: Tally): string[] =>
  [...tally].flatMap(([file, { failed }]) =>
    failed.some(({ reason }) => reason === 'late') && failed.every(({ reason }) => reason !== 'wrong')
      ? [file]
      : [],
  )

interface Ran {
  readonly end: End
  readonly tally: Tally
  readonly late: readonly string[]
}

function outcomeOf(
  tier: Tier,
  { end, tally, late }: Ran,
  files: readonly string[],
  begun: number,
): TierOutcome {
  const sum = (count: (counts: FileTally) => number): number =>
    [...tally.values()].reduce((total, counts) => total + count(counts), 0)
  const counts = {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed.length),
    skipped: sum(({ skipped }) => skipped),
  }
  const unfinished = files.filter((file) => tally.get(file)?.finished !== true)
  const seconds = (performance.now() - begun) / 1000
  const silent = unfinished.filter((file) => failuresOf(tally.get(file)).length === 0)
  const complaints = complaintsOf(tier, end, counts.failed, { unfinished, silent })
  return { ...counts, seconds, late, complaints }
}

/** A third of what a short file takes is compiling what the others have compiled. */
const compiled = { NODE_COMPILE_CACHE: join(tmpdir(), 'flotilla-test-compile-cache') }

interface End {
  readonly code: number | null
  readonly killed: boolean
}

function nodeTest(tier: Tier, files: readonly string[], tallyFile: string, run: TierRun): Promise<End> {
  const reporters = [
    ['--test-reporter=spec', '--test-reporter-destination=stdout'],
    [`--test-reporter=${join(import.meta.dirname, 'tally.ts')}`, `--test-reporter-destination=${tallyFile}`],
  ].flat()
  const limit = ['--import', join(import.meta.dirname, 'file-limit.ts')]
  const args = [...limit, '--test', `--test-concurrency=${tier.concurrency}`, ...reporters, ...files]
  // Its own process group: what a test started and lost is killed with it.
  const options = {
    cwd: repository,
    env: { ...compiled, ...run.environment, [FILE_LIMIT]: String(tier.fileLimitS ?? 900) },
    detached: true,
  } as const
  const output = run.quiet ? 'ignore' : 'inherit'
  const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', output, output] })
  return new Promise((settle, reject) => {
    let killed = false
    const kill = (): void => {
      killed = true
      killGroup(child.pid)
    }
    const timer = setTimeout(kill, tier.limitS * 1000)
    if (run.abort.aborted) kill()
    run.abort.addEventListener('abort', kill, { once: true })
    child.once('error', reject)
    child.once('exit', (code) => {
      clearTimeout(timer)
      run.abort.removeEventListener('abort', kill)
      killGroup(child.pid)
      settle({ code, killed })
    })
  })
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody is left in the group.
  }
}

/** `silent`: those of the unfinished in which no test failed. */
function complaintsOf(
  tier: Tier,
  end: End,
  failed: number,
  { unfinished, silent }: { readonly unfinished: readonly string[]; readonly silent: readonly string[] },
): string[] {
  const open = unfinished.length > 0 ? `; not finished: ${unfinished.join(', ')}` : ''
  if (end.killed) return [`${tier.name} was killed; its limit is ${tier.limitS} s${open}`]
  if (end.code === null || (end.code !== 0 && failed === 0))
    return [`node --test ended with ${end.code} in ${tier.name}${open}`]
  return silent.map((file) => `${file} has no tests that ran, or ended before them`)
}
