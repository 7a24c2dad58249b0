// How the files of a user's project are loaded: flotilla.config.ts, and what it imports.
//
// 1. In a checkout, `import … from 'flotilla'` means these sources; an installed package has its own dist.
// 2. A file with import or export is a module, whatever package.json says: `npm init` writes
//    "type": "commonjs", with which Node refuses it. A file of CommonJS's syntax stays what it is.
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

const sources: Readonly<Record<string, string>> = {
  flotilla: '../../client/index.ts',
  'flotilla/tools': '../../services/tool-executor/tools/index.ts',
}

const isCheckout = import.meta.url.endsWith('.ts')
let registered = false

/** Takes effect once per process. */
export function hookProjectModules(): void {
  if (registered) return
  registered = true
  registerHooks({
    resolve(specifier, context, next) {
      const source = isCheckout ? sources[specifier] : undefined
      if (source !== undefined)
        return { url: new URL(source, import.meta.url).href, format: 'module-typescript', shortCircuit: true }
      const found = next(specifier, context)
      return isModule(found) ? { ...found, format: moduleFormats[found.format as CommonFormat] } : found
    },
  })
}

const moduleFormats = { commonjs: 'module', 'commonjs-typescript': 'module-typescript' } as const
type CommonFormat = keyof typeof moduleFormats

/** At the beginning of a line: `import x`, `import {`, `import '`, `export default`, `export const`, … */
const moduleSyntax =
  /^\s*(import\s*["'{*]|import\s+[\w$]|export\s*[{*]|export\s+(default|const|let|var|function|async|class|type|interface|abstract)\b)/m

function isModule({ url, format }: { url: string; format?: string | null | undefined }): boolean {
  if (format == null || !(format in moduleFormats)) return false
  if (!/^file:.*\.[jt]s$/.test(url) || url.includes('/node_modules/')) return false
  try {
    return moduleSyntax.test(readFileSync(fileURLToPath(url), 'utf8'))
  } catch {
    // Node reports a file that can't be read.
    return false
  }
}
