// The thread that runs an author's code: modules of cases and their scorers. It keeps the functions, and gives their
// numbers.
import { pathToFileURL } from 'node:url'
import { parentPort } from 'node:worker_threads'
import { messageOf } from '../../runtime/errors.ts'
import type { UserScorer } from '../cases.ts'
import { givenModule, NoScore, verdictOf, type Keep } from './given.ts'
import type { FromThread, FunctionRef, GivenModule, ToThread, Work } from './messages.ts'

const functions: UserScorer[] = []
const keep: Keep = (score) => functions.push(score) - 1

async function moduleAt(path: string): Promise<GivenModule> {
  let exported: unknown
  try {
    exported = ((await import(pathToFileURL(path).href)) as { default?: unknown }).default
    if (typeof exported === 'function') exported = await (exported as () => unknown)()
  } catch (error) {
    throw new Error(`can't be loaded: ${messageOf(error)}`, { cause: error })
  }
  const given = givenModule(exported, keep)
  if (given) return given
  throw new Error(
    "can't be used: its default export must be a list of cases, or { cases: […], scorers: […] }",
  )
}

async function functionAt(url: string, name: string): Promise<FunctionRef> {
  const exports = await import(url).catch((error: unknown) => {
    throw new Error(`can't be loaded: ${messageOf(error)}`, { cause: error })
  })
  const score = (exports as Record<string, unknown>)[name]
  if (typeof score !== 'function') throw new Error(`exports no function ${name}`)
  return { at: keep(score as UserScorer), name, source: String(score) }
}

async function work(asked: Work): Promise<unknown> {
  if (asked.do === 'module') return moduleAt(asked.path)
  if (asked.do === 'function') return functionAt(asked.url, asked.name)
  try {
    return verdictOf(await functions[asked.at]?.(asked.answer))
  } catch (error) {
    throw error instanceof NoScore ? error : new Error(`failed: ${messageOf(error)}`, { cause: error })
  }
}

const send = (message: FromThread): void => parentPort?.postMessage(message)

parentPort?.on('message', (message: ToThread | 'ping') => {
  if (message === 'ping') return send({ t: 'alive' })
  const { id } = message
  work(message).then(
    (value) => send({ t: 'done', id, value }),
    (error: unknown) => send({ t: 'failed', id, message: messageOf(error) }),
  )
})
