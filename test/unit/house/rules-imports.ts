// Who may import whom (docs/adr/0001, ARCHITECTURE.md), and where each package has its one importer.
import type { Import, Module } from './module.ts'
import { isProduct } from './tree.ts'

const folderOf = (path: string): string => (path.includes('/') ? (path.split('/')[0] as string) : '')
const serviceOf = (path: string): string | null => /^services\/([^/]+)\//.exec(path)?.[1] ?? null

/** Folders that a folder may import from, besides itself. `''` is the root (flotilla.config.ts). */
const allowed: Readonly<Record<string, readonly string[]>> = {
  schemas: [],
  runtime: ['schemas'],
  // The HTTP API as data: the gateway serves it, clients call it.
  api: ['schemas', 'runtime'],
  // Runs in browsers: the API is all that it knows of the fleet.
  console: ['api'],
  services: ['schemas', 'runtime'],
  client: ['schemas', 'runtime', 'api'],
  operator: ['schemas', 'runtime', 'client', 'api'],
  // Data sets, scorers and runs, above the clients of a fleet.
  evaluation: ['schemas', 'runtime', 'client', 'operator', 'api'],
  cli: ['schemas', 'runtime', 'services', 'client', 'operator', 'api', 'evaluation', 'examples'],
  examples: ['runtime', 'services', 'client'],
  // docs/cli.md is made of the command table.
  docs: ['schemas', 'runtime', 'services', 'api', 'cli'],
  // The chart and the dashboards follow the tables of the fleet. Packages bring the built console along.
  deploy: ['schemas', 'runtime', 'services', 'cli', 'console'],
  // Benchmarks bring up the servers that the tests use.
  bench: ['schemas', 'runtime', 'services', 'client', 'operator', 'api', 'cli', 'examples', 'test'],
  test: [
    'schemas',
    'runtime',
    'services',
    'client',
    'operator',
    'api',
    'cli',
    'console',
    'evaluation',
    'examples',
    'docs',
    'deploy',
    'bench',
    '',
  ],
  '': ['runtime', 'services', 'client'],
}

/** Exceptions, each with its reason. */
const exceptions: Readonly<Record<string, readonly string[]>> = {
  // The gateway speaks to the fleet as any client does, and compares runs as the command does.
  'services/gateway': ['client/', 'operator/', 'api/', 'evaluation/'],
  // In a clone, which has the packages for it.
  'services/gateway/console/files.ts': ['console/build.ts'],
  // Builds on Node, where Node's own way may never return.
  'console/build.ts': ['runtime/make-directory.ts'],
  // A configuration names the scopes of the HTTP API: tools those of their approvers, tokens what they stand for.
  'runtime/config/references.ts': ['api/scopes.ts'],
  // The configuration that the package brings along, loaded like a user's own.
  'runtime/config/project/definition-file.ts': ['flotilla.config.ts'],
}

const isException = (module: Module, target: string): boolean =>
  Object.entries(exceptions).some(
    ([from, to]) => module.path.startsWith(from) && to.some((prefix) => target.startsWith(prefix)),
  )

function directionOf(module: Module, { target, line }: Import): string[] {
  if (target === null || isException(module, target)) return []
  const [from, to] = [folderOf(module.path), folderOf(target)]
  const [service, other] = [serviceOf(module.path), serviceOf(target)]
  const place = `${module.path}:${line}`
  if (service !== null && other !== null && service !== other)
    return [`${place} imports ${target}: services never import each other`]
  if (from === to || allowed[from]?.includes(to)) return []
  return [`${place} imports ${target}: ${from || 'the root'} may not import ${to || 'the root'}`]
}

export function importDirections(modules: readonly Module[]): string[] {
  return modules.flatMap((module) => module.imports.flatMap((each) => directionOf(module, each)))
}

/** A stage knows types, its own folder, and libraries without effects. */
const pureRuntime = [
  'runtime/backoff.ts',
  'runtime/config/approvals.ts',
  'runtime/decisions.ts',
  'runtime/python/kept-variables.ts',
  'runtime/text/bounded-text.ts',
  'runtime/json/sorted.ts',
  'runtime/json/written.ts',
  'runtime/errors/row.ts',
  'runtime/errors/table.ts',
  'runtime/errors/call-errors.ts',
  'runtime/errors/fleet-errors.ts',
  'runtime/errors.ts',
  'runtime/keys.ts',
  'runtime/errors/missing-row.ts',
  'runtime/text/quantities.ts',
  'runtime/text/sendable.ts',
  'runtime/json/exact.ts',
  'runtime/json/names.ts',
  'runtime/json/slips.ts',
  'runtime/json/depth.ts',
  'runtime/json/copy.ts',
  'runtime/json/own-property.ts',
  'runtime/python/modules.ts',
  'runtime/foreign-schema/bounds.ts',
  'runtime/foreign-schema/pattern-size.ts',
  'runtime/foreign-schema/patterns.ts',
  'runtime/foreign-schema/pattern-repetitions.ts',
  'runtime/foreign-schema/pattern-syntax.ts',
  'runtime/text/redaction.ts',
  'runtime/config/json-schema/exact-multiples.ts',
  'runtime/config/json-schema/unique-items.ts',
  'runtime/config/json-schema/compile.ts',
  'runtime/config/json-schema/coercion.ts',
  'runtime/config/json-schema/coercion-schema.ts',
  'runtime/config/json-schema/dialects.ts',
  'runtime/config/json-schema/rewrite.ts',
  'runtime/config/json-schema/number-bounds.ts',
  'runtime/config/json-schema/unevaluated.ts',
  'runtime/config/defaults.ts',
  'runtime/config/delegates.ts',
  'runtime/config/long-tasks.ts',
  'runtime/config/sessions.ts',
  'runtime/config/executors.ts',
  'runtime/limits/claims.ts',
  'runtime/config/alerts.ts',
  'runtime/models/',
  'runtime/task/',
]
const pureLibraries = [
  'ajv',
  'ajv/dist/2019.js',
  'ajv/dist/2020.js',
  'ajv-formats',
  're2js',
  'zod',
  'tinyqueue',
]

/** Files that run as part of the stage: its value imports, followed to the end. */
export function stageFiles(stage: Module, modules: ReadonlyMap<string, Module>): Module[] {
  const found = new Set([stage])
  for (const module of found)
    for (const { target, typeOnly, dynamic } of module.imports) {
      const next = target === null || typeOnly || dynamic ? undefined : modules.get(target)
      if (next) found.add(next)
    }
  return [...found]
}

export const isStage = ({ path }: { path: string }): boolean => /^services\/[^/]+\/stage\.ts$/.test(path)

export function stageImports(modules: readonly Module[]): string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  return modules.filter(isStage).flatMap((stage) => {
    const home = stage.path.slice(0, -'stage.ts'.length)
    const known = [home, 'schemas/', ...pureRuntime]
    return stageFiles(stage, byPath).flatMap((module) =>
      module.imports
        .filter(({ typeOnly }) => !typeOnly)
        .filter(({ specifier, target }) =>
          target === null
            ? !pureLibraries.includes(specifier)
            : !known.some((prefix) => target.startsWith(prefix)),
        )
        .map(
          ({ specifier, line }) => `${module.path}:${line} imports ${specifier}, as part of ${stage.path}`,
        ),
    )
  })
}

/** In a service: what reaches the outside. Their contracts are data, and may be named anywhere. */
const isCaller = (path: string): boolean =>
  /^services\/[^/]+\/(caller\.ts$|model\/|channels\/|executors\/)/.test(path) && !path.endsWith('/port.ts')

/**
 * One anatomy: each service has main.ts and README.md, each but the gateway a pure stage.ts. What the stage consists of, types
 * included, names no file that reaches the outside.
 */
export function serviceAnatomy(modules: readonly Module[]): string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const services = new Set(modules.flatMap(({ path }) => serviceOf(path) ?? []))
  return [...services].flatMap((service) => {
    const home = `services/${service}/`
    const needed = service === 'gateway' ? ['main.ts'] : ['main.ts', 'stage.ts']
    const missing = needed.filter((name) => !byPath.has(home + name)).map((name) => `${home} has no ${name}`)
    const parts = new Set([byPath.get(`${home}stage.ts`)].filter((stage) => stage !== undefined))
    const problems: string[] = []
    for (const { path, imports } of parts)
      for (const { target, line } of imports) {
        if (target === null || !target.startsWith(home)) continue
        if (isCaller(target)) problems.push(`${path}:${line} names ${target}, as part of ${home}stage.ts`)
        const next = byPath.get(target)
        if (next && !isCaller(target)) parts.add(next)
      }
    return [...missing, ...problems]
  })
}

/** Package → the one file or folder of the product that imports it. */
const importers: Readonly<Record<string, string>> = {
  '@modelcontextprotocol/client': 'services/tool-executor/tools/mcp/',
  '@kafkajs/confluent-schema-registry': 'runtime/codec/confluent-registry.ts',
  '@modelcontextprotocol/server': 'services/gateway/mcp/',
  '@opentelemetry/': 'runtime/telemetry/tracing.ts',
  ajv: 'runtime/config/json-schema/compile.ts',
  avsc: 'runtime/codec/avro.ts',
  commander: 'cli/',
  oauth4webapi: 'services/gateway/access/sign-in.ts',
  'csv-stringify': 'runtime/ledger/export.ts',
  'csv-parse': 'runtime/text/csv-records.ts',
  e2b: 'services/code-sandbox/executors/e2b/',
  fastify: 'runtime/host/http/server.ts',
  'gpt-tokenizer': 'services/planner/model/token-count.ts',
  ioredis: 'runtime/store/redis/connection.ts',
  'ipaddr.js': 'services/tool-executor/tools/web/address-guard.ts',
  jose: 'services/gateway/access/tokens.ts',
  kafkajs: 'runtime/log/kafka/connection/client.ts',
  // And the file's thread.
  'node:sqlite': 'runtime/store/data-file/',
  nodemailer: 'services/alerting/channels/email.ts',
  openai: 'services/planner/model/openai.ts',
  opossum: 'runtime/breakers.ts',
  parse5: 'services/tool-executor/tools/web/page-text.ts',
  pg: 'runtime/store/sql-postgres.ts',
  pino: 'runtime/telemetry/logging.ts',
  'prom-client': 'runtime/telemetry/metrics.ts',
  re2js: 'runtime/foreign-schema/patterns.ts',
}

const isOf = (specifier: string, name: string): boolean =>
  specifier === name || specifier.startsWith(name.endsWith('/') ? name : `${name}/`)

/** Types may be named elsewhere: they bring no code along. */
export function oneImporter(modules: readonly Module[]): string[] {
  return modules
    .filter(({ path }) => isProduct(path))
    .flatMap((module) =>
      module.imports
        .filter(({ typeOnly }) => !typeOnly)
        .flatMap(({ specifier, line }) =>
          Object.entries(importers)
            .filter(([name, place]) => isOf(specifier, name) && !module.path.startsWith(place))
            .map(([, place]) => `${module.path}:${line} imports ${specifier}; only ${place} may`),
        ),
    )
}

/** Doubles and simulators stay out of production. */
export function testingStaysOut(modules: readonly Module[]): string[] {
  return modules
    .filter(({ path }) => isProduct(path))
    .flatMap((module) =>
      module.imports
        .filter(({ target }) => target?.startsWith('runtime/testing/'))
        .map(({ target, line }) => `${module.path}:${line} imports ${target}`),
    )
}

/** Circles of value imports, each named once. */
export function importCircles(modules: readonly Module[]): string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const circles = new Set<string>()
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) circles.add([...trail.slice(at), path].join(' → '))
    if (at >= 0 || done.has(path)) return
    for (const { target, typeOnly, dynamic } of byPath.get(path)?.imports ?? [])
      if (target !== null && !typeOnly && !dynamic) visit(target, [...trail, path])
    done.add(path)
  }
  for (const { path } of modules) visit(path, [])
  return [...circles]
}

export interface Package {
  /** Optional ones: installed by those who configure what needs them, and by our own tests. */
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** The product imports what `dependencies` lists, and everything that it lists. */
export function dependencies(
  modules: readonly Module[],
  { dependencies: required = {}, peerDependencies = {}, devDependencies = {} }: Package,
): string[] {
  const listed = { ...required, ...peerDependencies }
  const used = new Set<string>()
  const problems: string[] = []
  for (const { path, imports } of modules)
    for (const { specifier, target, line } of imports) {
      if (target !== null || /^node:|\.ts$/.test(specifier)) continue
      const name = packageOf(specifier)
      if (name === 'flotilla') continue
      used.add(name)
      const known =
        name in listed || ((!isProduct(path) || path.startsWith('schemas/gener')) && name in devDependencies)
      if (!known) problems.push(`${path}:${line} imports ${name}, which package.json does not list for it`)
    }
  // Types that the published declarations refer to.
  for (const { text } of modules)
    for (const [, name] of text.matchAll(/^\/\/\/ <reference types="([^"]+)"/gm)) used.add(`@types/${name}`)
  // An optional package of the user's project is looked up there.
  for (const { text } of modules)
    for (const [, name = ''] of text.matchAll(/\.resolve\('([a-z@][^']*)'\)/g)) used.add(packageOf(name))
  const idle = Object.keys(listed).filter((name) => !used.has(name))
  return [...problems, ...idle.map((name) => `package.json lists ${name}, which nothing imports`)]
}
