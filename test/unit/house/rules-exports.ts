// Names that are exported and imported nowhere, and files that nothing reaches.
import type { Module } from './module.ts'
import { isGenerated, isProduct } from './tree.ts'

/** Its exports are for users. */
const publicModules = new Set([
  'client/index.ts',
  'client/types.ts',
  'operator/index.ts',
  'evaluation/index.ts',
  'runtime/config/fleet.ts',
  'services/tool-executor/tools/index.ts',
  'flotilla.config.ts',
])

/** Started by name, not imported. */
const isEntry = (path: string): boolean =>
  publicModules.has(path) ||
  /\.mts$|^(cli|services\/[^/]+|runtime\/scripted-model)\/main\.ts$/.test(path) ||
  /^(schemas\/generate|services\/.*\/build\/build)\.ts$/.test(path)

/** Path → imported names; `*` where a module takes them all. */
function usesOf(modules: readonly Module[]): Map<string, Set<string>> {
  const uses = new Map<string, Set<string>>()
  for (const { imports } of modules)
    for (const { target, names } of imports) {
      if (target === null) continue
      const used = uses.get(target) ?? new Set()
      for (const name of names) used.add(name)
      uses.set(target, used)
    }
  return uses
}

/** Whether the name stands again in its own file: a type that a public signature shows may be exported for its readers. */
const isMentioned = ({ text }: Module, name: string): boolean =>
  (text.match(new RegExp(`(?<![\\w$])${name.replaceAll('$', '\\$')}(?![\\w$])`, 'g'))?.length ?? 0) > 1

export function unusedExports(modules: readonly Module[]): string[] {
  const uses = usesOf(modules)
  return modules
    .filter(({ path }) => isProduct(path) && !isGenerated(path) && !isEntry(path))
    .flatMap((module) => {
      const used = uses.get(module.path) ?? new Set()
      return module.exports
        .filter(({ name }) => !used.has(name) && !used.has('*') && !isShown(module, name))
        .map(({ name, line }) => `${module.path}:${line} exports ${name}, which nothing imports`)
    })
}

/** Types in the signature of what is exported. */
const isShown = (module: Module, name: string): boolean =>
  /^[A-Z][a-z]/.test(name) && isMentioned(module, name)

export function unreachedFiles(modules: readonly Module[]): string[] {
  const uses = usesOf(modules)
  return modules
    .filter(({ path }) => isProduct(path) && !isEntry(path) && !uses.has(path))
    .map(({ path }) => `${path} is imported by nothing`)
}
