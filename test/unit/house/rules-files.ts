// Names of files, and what no text of the project holds.
import { basename } from 'node:path/posix'
import { isTypeScript, type TextFile } from './tree.ts'

const vague = new Set([
  'util',
  'utils',
  'helper',
  'helpers',
  'manager',
  'base',
  'common',
  'misc',
  'shared',
  'lib',
])

export function fileNames(files: readonly TextFile[]): string[] {
  return files.filter(isTypeScript).flatMap(({ path }) => {
    const parts = path.split('/')
    const words = parts.flatMap((part) => part.split(/[.-]/))
    return [
      ...parts
        .filter((part) => !/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(part))
        .map((part) => `${path}: ${part} is not in kebab-case`),
      ...words
        .filter((word) => vague.has(word))
        .map((word) => `${path}: '${word}' does not say what is in it`),
    ]
  })
}

/** What a folder of test/unit may be named after: a folder in the root, or of these. */
const mirrored = ['', 'runtime/', 'services/', 'test/']
const ownFolders = new Set(['', 'house'])

/** test/unit has the folders of the sources: `test/unit/host/lane` tests `runtime/host/lane`. */
export function unitTestFolders(files: readonly TextFile[]): string[] {
  const sources = files.map(({ path }) => path).filter((path) => !path.startsWith('test/unit/'))
  const isSource = (folder: string): boolean =>
    mirrored.some((home) => sources.some((path) => path.startsWith(`${home}${folder}/`)))
  return files.flatMap(({ path }) => {
    const folder = /^test\/unit\/(?:(.+)\/)?[^/]+$/.exec(path)?.[1] ?? ''
    if (ownFolders.has(folder) || isSource(folder)) return []
    return [`${path}: there is no folder ${folder}, runtime/${folder} or services/${folder} that it tests`]
  })
}

/** Put together here, so that this file does not hold what it looks for. */
const marks = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`)

const prose = /\.(ts|js|md|avsc|yml|py|json)$/
const isLock = (path: string): boolean => basename(path) === 'package-lock.json' || path.endsWith('go.sum')

export function unfinished(files: readonly TextFile[]): string[] {
  return files
    .filter(({ path }) => prose.test(path) && !isLock(path))
    .flatMap((file) => places(file, marks).map((place) => `${place}: say it in an issue, or do it`))
}

/** A directory of somebody's machine. In containers, where the directory is the image's own, `/tmp` is what it says. */
const machine = new RegExp(
  `(?<![\\w.:/-])/(${['work', 'root', 'tmp'].join('|')}|home/[a-z]+|Users/[A-Za-z]+)/`,
)
const containers = /^(docker-compose\.yml|deploy\/)/

export function machinePaths(files: readonly TextFile[]): string[] {
  return files
    .filter(({ path }) => !containers.test(path) && !isLock(path))
    .flatMap((file) => places(file, machine).map((place) => `${place}: a path of one machine`))
}

function places({ path, text }: TextFile, pattern: RegExp): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      pattern.test(line) ? [`${path}:${index + 1} ${line.trim().slice(0, 100)}`] : [],
    )
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly link?: boolean }>>
}

/** Packages come from whichever registry the machine is set to; their hashes say that they are the same. */
export function lockHosts(lock: Lock): string[] {
  return Object.entries(lock.packages)
    .filter(([, { resolved, link }]) => resolved !== undefined && !link)
    .map(([name, { resolved }]) => `package-lock.json: ${name} is resolved at ${resolved}; see .npmrc`)
}
