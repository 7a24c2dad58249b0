// `flotilla eval export --to …`: a run in other tools.
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { EvaluationCase, EvaluationRun } from '../api/schemas/evaluations.ts'
import { FlotillaError } from '../runtime/errors.ts'

export const exportTools = ['inspect', 'weave'] as const

export interface ExportTarget {
  readonly to: (typeof exportTools)[number]
  /** Path of Inspect's log. */
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
    if (!file?.endsWith('.eval')) throw wrong('give the file to write, which must end in .eval')
    return (run, cases) => toInspect(file, run, cases)
  }
  if (file !== undefined) throw wrong('Weave takes no file; leave it out')
  const { WANDB_ENTITY: entity, WANDB_PROJECT: named } = process.env
  const chosen = project ?? (entity && named ? `${entity}/${named}` : undefined)
  if (chosen === undefined) throw wrong('give --project team/project, or set WANDB_ENTITY and WANDB_PROJECT')
  return async (run, cases) => {
    const { exportToWeave } = await import('../evaluation/exports/weave.ts')
    await exportToWeave(run, cases, { project: chosen, directory: process.cwd() })
    return `${chosen} in Weave has the run`
  }
}

const wrong = (message: string) => new FlotillaError('CONFIG_INVALID', message)

/** One file for each model, because a log of Inspect has one: `run.eval`, or `run-<model>.eval` for several. */
async function toInspect(
  file: string,
  run: EvaluationRun,
  cases: readonly EvaluationCase[],
): Promise<string> {
  const { inspectLogs } = await import('../evaluation/exports/inspect.ts')
  const logs = inspectLogs(run, cases).map(({ model, file: content }) => ({
    path:
      run.models.length === 1 ? file : file.replace(/\.eval$/, `-${model.replaceAll(/[^\w.-]/g, '_')}.eval`),
    content,
  }))
  const there = logs.find(({ path }) => existsSync(path))
  if (there) throw wrong(`${there.path} exists; remove it, or give another name`)
  for (const { path, content } of logs) writeWhole(path, content)
  return `wrote ${logs.map(({ path }) => path).join(', ')}`
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
