// Packages of npm that one test uses: kept in the cache of the tests, and no dependency of the project.
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cached } from '../infra/cache.ts'
import { installedProgram, runTool } from '../infra/tool.ts'

/** A folder of its own, gone with this process, in which these packages (`ai@7.0.173`) resolve. */
export async function npmFolder(packages: readonly string[]): Promise<string> {
  await installedProgram('npm', 'npm')
  const installed = await cached('npm', packages, async (draft) => {
    const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel', 'error']
    await runTool('npm', ['install', ...quiet, '--prefix', draft, ...packages])
  })
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-npm-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(join(installed, 'node_modules'), join(folder, 'node_modules'))
  return folder
}
