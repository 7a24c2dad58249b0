// Source packages of PyPI that carry suites of others. What they hold is kept in the cache of the tests and never committed.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from '../infra/cache.ts'
import { installedProgram, runTool } from '../infra/tool.ts'

export interface Sdist {
  readonly name: string
  readonly version: string
  readonly sha256: string
}

/** A Python of its own with pip and these packages (`pytest==9.2.0`); its interpreter: the scripts beside it name the draft of the folder. */
export async function pythonWith(packages: readonly string[]): Promise<string> {
  await installedProgram('python3', 'python3-venv')
  const directory = await cached('python', packages, async (draft) => {
    await runTool('python3', ['-m', 'venv', draft])
    if (packages.length > 0)
      await runTool(join(draft, 'bin/python3'), ['-m', 'pip', 'install', '--quiet', ...packages])
  })
  return join(directory, 'bin/python3')
}

/** The folder with what the package holds. */
export async function unpacked({ name, version, sha256 }: Sdist): Promise<string> {
  const python = await pythonWith([])
  const directory = await cached(`sdist-${name}`, [name, version, sha256], async (draft) => {
    const wanted = join(draft, 'wanted.txt')
    writeFileSync(wanted, `${name}==${version} --hash=sha256:${sha256}\n`)
    const only = ['--no-deps', '--no-binary', name, '--require-hashes', '-r', wanted, '-d', draft]
    await runTool(python, ['-m', 'pip', 'download', '--quiet', ...only])
    const archive = readdirSync(draft).find((file) => file.endsWith('.tar.gz'))
    if (archive === undefined) throw new Error(`pip brought no source package of ${name} ${version}`)
    await runTool('tar', ['-xzf', join(draft, archive), '-C', draft])
  })
  const folder = join(directory, `${name}-${version}`)
  if (!existsSync(folder)) throw new Error(`${folder} is not what ${name} ${version} holds`)
  return folder
}
