// `flotilla eval export --to …`: a run in other tools.
import { existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import { FlotillaError } from '../../runtime/errors.ts'

export const exportTools = ['inspect', 'weave'] as const

export interface ExportTarget {
  readonly to: (typeof exportTools)[number]
  /** Path of Inspect's log, or a folder for it. */
  readonly file: string | undefined
  /** Weave's `team/project`. */
  readonly project: string | undefined
}

/** Checks the target before a run is read; resolves with a function that exports and says where to. */
export function exporterTo({
  to,
  file,
  project,
}: ExportTarget): (run: EvaluationRun, cases: readonly EvaluationCase[]) => Promise<string> {
  if (to === 'inspect') {
    if (file === undefined || !(file.endsWith('.eval') || isFolder(file)))
      throw wrong('give the file to write, which must end in .eval, or a folder that is there')
    return (run, cases) => toInspect(file, run, cases)
  }
  if (file !== undefined) throw wrong('Weave takes no file; leave it out')
  const { WANDB_ENTITY: entity, WANDB_PROJECT: named } = process.env
  const chosen = project ?? (entity && named ? `${entity}/${named}` : undefined)
  if (chosen === undefined) throw wrong('give --project team/project, or set WANDB_ENTITY and WANDB_PROJECT')
  return async (run, cases) => {
    const { exportToWeave } = await import('../../evaluation/exports/weave.ts')
    await exportToWeave(run, cases, { project: chosen, directory: process.cwd() })
    return `${chosen} in Weave has the run`
  }
}

const wrong = (message: string) => new FlotillaError('CONFIG_INVALID', message)

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/**
 * In a folder as Inspect names its logs: `2026-11-28T08-00-00+00-00_<data set>_<run>.eval`. The id of the run tells runs
 * of one data set and one second apart.
 */
function pathOf(file: string, { id, name, startedAtMs }: EvaluationRun): string {
  if (!isFolder(file)) return file
  const at = `${new Date(startedAtMs).toISOString().slice(0, 19).replaceAll(':', '-')}+00-00`
  return join(file, `${at}_${plain(name)}_${plain(id)}.eval`)
}

const plain = (name: string): string => name.replaceAll(/[^\w.-]/g, '_')

/** What is added for each of several models. Models whose names look alike differ by a number. */
function endings(models: readonly string[]): string[] {
  if (models.length === 1) return ['']
  const seen = new Map<string, number>()
  return models.map((model) => {
    const key = plain(model).toLowerCase()
    const before = seen.get(key) ?? 0
    seen.set(key, before + 1)
    return `-${plain(model)}${before === 0 ? '' : `.${before + 1}`}`
  })
}

/** One file for each model, because a log of Inspect has one: `run.eval`, or `run-<model>.eval` for several. */
async function toInspect(
  file: string,
  run: EvaluationRun,
  cases: readonly EvaluationCase[],
): Promise<string> {
  const { inspectLogs } = await import('../../evaluation/exports/inspect.ts')
  const path = pathOf(file, run)
  const own = endings(run.models)
  const logs = logsOf(() => inspectLogs(run, cases)).map(({ file: content }, index) => ({
    path: path.replace(/\.eval$/, () => `${own[index] ?? ''}.eval`),
    content,
  }))
  const there = logs.find(({ path }) => existsSync(path))
  if (there) throw wrong(`${there.path} exists; remove it, or give another name`)
  for (const { path, content } of logs) writeWhole(path, content)
  return `wrote ${logs.map(({ path }) => path).join(', ')}`
}

function logsOf<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw wrong(`the run does not fit into a log of Inspect: ${error.message}; export it with --format json`)
  }
}

/** The file appears with all that belongs in it, or not at all. */
function writeWhole(path: string, content: Buffer): void {
  const draft = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(draft, content, { flag: 'wx' })
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}
