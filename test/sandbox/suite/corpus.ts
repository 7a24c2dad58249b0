// The corpus of attempts to get out: escapes/*.py. An attempt begins with `# == its name`, and is a step in Python that sees
// the constants of canaries.ts. After the name may stand:
//   (elsewhere)  a plain Python has nothing that it could reach: the bridges of sandboxes
//   (root)       a plain Python must be root for it
import { readFileSync, readdirSync } from 'node:fs'

export interface Attempt {
  /** File and name. */
  readonly name: string
  readonly code: string
  readonly needs: 'nothing' | 'root' | 'sandbox'
}

const folder = new URL('./escapes/', import.meta.url)
const needs = { elsewhere: 'sandbox', root: 'root' } as const

export function corpus(): Attempt[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.py'))
    .toSorted()
    .flatMap((file) => attempts(file.slice(0, -3), readFileSync(new URL(file, folder), 'utf8')))
}

function attempts(category: string, text: string): Attempt[] {
  const [, ...parts] = text.split(/^# == /m)
  return parts.map((part) => {
    const [title = '', ...lines] = part.split('\n')
    const found = /^(.*?)(?: \((elsewhere|root)\))?$/.exec(title)
    const tag = found?.[2] as keyof typeof needs | undefined
    return {
      name: `${category}: ${found?.[1] ?? title}`,
      code: lines.join('\n').trim(),
      needs: tag ? needs[tag] : 'nothing',
    }
  })
}
