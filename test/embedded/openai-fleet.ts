// A fleet with the OpenAI-compatible routes, whose model repeats what it was sent; its client is OpenAI's own package.
import OpenAI from 'openai'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { holdAnswers, type HeldAnswers } from '../support/held-answers.ts'

export const LONG = 'Ships 🚢 sail to Łódź. '.repeat(40)

const script: Script = ({ task, taskMark, observations }) => {
  if (taskMark !== null) return undefined
  if (/long/.test(task)) return { text: LONG }
  if (/price/.test(task)) return { text: '{"price": 3}' }
  return { text: [task, observations].filter(Boolean).join(' | ') }
}

export interface OpenAiFleet {
  readonly fleet: TestFleet
  readonly client: OpenAI
  readonly answers: HeldAnswers
  /** A request by hand. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Posted>
}

export interface Posted {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly headers: Headers
}

export async function startOpenAiFleet(): Promise<OpenAiFleet> {
  const tools = { mode: 'tools' as const }
  const agents = {
    default: tools,
    open: { ...tools, showActivity: true, overrides: { temperature: true, instructions: true } },
    short: { ...tools, profile: 'short' },
  }
  const short = { temperature: 0.2, maxSteps: 1, timeoutMs: 60_000, executor: 'default' }
  const models = { profiles: { short: { ...short, models: ['scripted/scripted'] } } }
  const limits = { rates: { userRequests: 2 }, budgets: { users: { spent: 100 } } }
  const definition = { agents, limits, models }
  const answers = holdAnswers()
  const fleet = await startTestFleet({ http: true, definition, model: { script, until: answers.until } })
  const { url = '' } = fleet.process
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
  return {
    fleet,
    client,
    answers,
    post: (path, body, headers = {}) => post(`${url}${path}`, body, headers),
  }
}

async function post(url: string, body: unknown, given: Record<string, string>): Promise<Posted> {
  const headers = { 'content-type': 'application/json', ...given }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  return {
    status: response.status,
    body: JSON.parse(text) as Record<string, unknown>,
    headers: response.headers,
  }
}

export const model = 'flotilla/default'
export const user = (content: string) => ({ role: 'user' as const, content })
export const ask = (content: string) => ({ model, messages: [user(content)] })
