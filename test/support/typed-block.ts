// A block of a page as a reader types it: line by line in one shell, with `npx flotilla` of this clone.
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const LIMIT_MS = 240_000
const MARK = '@@ended'

export interface TypedLine {
  readonly command: string
  /** Exit code. */
  readonly code: number
  /** stdout and stderr, as a terminal shows them. */
  readonly shown: string
}

/** The lines of a block, continued ones joined; without those that run until Ctrl-C, or ask a host that is only an example. */
export const typedLines = (block: string): string[] =>
  block
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s*#|until Ctrl-C|\.example\b/.test(line))

/**
 * Types the lines in `directory`, which is made to look like a clone. Rejects if the shell does not end within four
 * minutes.
 */
export async function typeLines(
  lines: readonly string[],
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<TypedLine[]> {
  const script = lines.flatMap((line) => [line, `printf '\\n${MARK} %s\\n' $?`]).join('\n')
  const shell = spawn('bash', ['-c', `exec 2>&1\n${script}`], {
    cwd: directory,
    env: { HOME: directory, LOG_LEVEL: 'error', ...env, PATH: cloneIn(directory) },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  let text = ''
  for await (const piece of shell.stdout) text += String(piece)
  const ended = [...text.matchAll(new RegExp(`([^]*?)\\n${MARK} (\\d+)\\n`, 'g'))]
  if (ended.length < lines.length)
    throw new Error(`typing ended before ${lines[ended.length]}:\n${text.slice(-2_000)}`)
  return ended.map(([, shown = '', code], at) => ({ command: lines[at] ?? '', code: Number(code), shown }))
}

/** PATH with an npx that knows this clone's command and Node. */
function cloneIn(directory: string): string {
  const bin = join(directory, 'bin')
  mkdirSync(bin, { recursive: true })
  const command = `#!/bin/sh
name=$1
shift
case $name in
flotilla) exec '${process.execPath}' '${join(root, 'cli/bin.js')}' "$@" ;;
node) exec '${process.execPath}' "$@" ;;
esac
exit 127
`
  writeFileSync(join(bin, 'npx'), command)
  chmodSync(join(bin, 'npx'), 0o755)
  for (const name of ['examples', 'deploy', 'node_modules', 'package.json'])
    try {
      symlinkSync(join(root, name), join(directory, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  return [bin, process.env['PATH'] ?? ''].join(delimiter)
}
