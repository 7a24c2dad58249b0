// What stages must not do, and what no code here does.
import { headerOf, lineOf, nameOf, nodesOf, type Module, type Node } from './module.ts'
import { isStage, stageFiles } from './rules-imports.ts'
import { isGenerated } from './tree.ts'

const MAX_LINES = 400
const MAX_FUNCTION_LINES = 70

/** Globals that see the world or change it. */
const impureGlobals = new Set([
  'process',
  'performance',
  'fetch',
  'crypto',
  'console',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
])
const impureMembers = new Set(['Date.now', 'Math.random'])

function impurity(node: Node): string | null {
  if (node.type === 'AwaitExpression' || node['async'] === true || node['await'] === true)
    return 'is not synchronous'
  if (
    node.type === 'NewExpression' &&
    nameOf(node['callee']) === 'Date' &&
    (node['arguments'] as unknown[]).length === 0
  )
    return 'reads the clock'
  if (node.type !== 'MemberExpression' && node.type !== 'CallExpression') return null
  const object = nameOf(node['object'] ?? node['callee'])
  if (object !== null && impureGlobals.has(object)) return `uses ${object}`
  const member = `${object}.${nameOf(node['property'])}`
  return impureMembers.has(member) ? `uses ${member}` : null
}

/** Stages, and the files that run as part of them, have no clock, chance, environment or waiting. */
export function pureStages(modules: readonly Module[]): string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const parts = new Set(modules.filter(isStage).flatMap((stage) => stageFiles(stage, byPath)))
  return [...parts].flatMap((module) => [...impurities(module), ...nodeImports(module)])
}

const impurities = (module: Module): string[] =>
  [...nodesOf(module.program)].flatMap((node) => {
    const reason = impurity(node)
    return reason === null ? [] : [`${module.path}:${lineOf(node)} ${reason}; a stage is pure`]
  })

const nodeImports = (module: Module): string[] =>
  module.imports
    .filter(({ specifier, typeOnly }) => specifier.startsWith('node:') && !typeOnly)
    .map(({ specifier, line }) => `${module.path}:${line} imports ${specifier}; a stage is pure`)

/** Not even in a comment: a reader may search for them. */
export function stageWords(modules: readonly Module[]): string[] {
  const words = /\bawait\b|\bDate\.now\b|\bMath\.random\b|\bprocess\.env\b|'node:/
  return modules
    .filter(isStage)
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) =>
          words.test(line) ? [`${path}:${index + 1} says ${words.exec(line)?.[0]}`] : [],
        ),
    )
}

const forbiddenSyntax: Readonly<Record<string, string>> = {
  TSAnyKeyword: '`any`; say `unknown` and look',
  TSEnumDeclaration: 'an enum; Node can not strip it: use a union of strings',
  TSModuleDeclaration: 'a namespace; use a module',
  TSParameterProperty: 'a parameter property; Node can not strip it',
  DebuggerStatement: 'a debugger statement',
}

export function forbidden(modules: readonly Module[]): string[] {
  return modules.flatMap(({ path, program }) =>
    [...nodesOf(program)]
      .filter(({ type, declare }) => type in forbiddenSyntax && declare !== true)
      .map((node) => `${path}:${lineOf(node)} has ${forbiddenSyntax[node.type]}`),
  )
}

/** Longer than usual is fine where the header says why, in a sentence with these words. */
const givesReason = (text: string): boolean => /\blong because\b/i.test(headerOf(text))

export function fileLengths(modules: readonly Module[]): string[] {
  return modules
    .filter(({ path, text }) => !isGenerated(path) && lines(text) > MAX_LINES && !givesReason(text))
    .map(
      ({ path, text }) => `${path} has ${lines(text)} lines; split it, or say in its header: Long because …`,
    )
}

const lines = (text: string): number => text.trimEnd().split('\n').length

/** Tests may be long: their functions are lists of cases. */
export function functionLengths(modules: readonly Module[]): string[] {
  return modules
    .filter(({ path, text }) => !path.startsWith('test/') && !givesReason(text))
    .flatMap(({ path, program }) =>
      [...nodesOf(program)]
        .filter((node) => isFunction(node) && ownLines(node) > MAX_FUNCTION_LINES)
        .map((node) => `${path}:${lineOf(node)} has a function of ${ownLines(node)} lines`),
    )
}

const isFunction = ({ type }: Node): boolean =>
  /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression|ClassMethod|ClassPrivateMethod|ObjectMethod)$/.test(
    type,
  )

const spanOf = ({ loc }: Node): number => (loc ? loc.end.line - loc.start.line + 1 : 0)

/** Without the lines of the functions inside it: a factory is as long as what it does itself. */
function ownLines(outer: Node): number {
  const inner = [...nodesOf(Object.values(outer))].filter(isFunction)
  const outermost = inner.filter((node) => !inner.some((other) => other !== node && holds(other, node)))
  return outermost.reduce((rest, node) => rest - spanOf(node) + 1, spanOf(outer))
}

const holds = (outer: Node, node: Node): boolean =>
  (outer['start'] as number) <= (node['start'] as number) &&
  (node['end'] as number) <= (outer['end'] as number)
