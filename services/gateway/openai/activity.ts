// An agent's activity as reasoning text, for agents that show it: its code and its calls of tools, never their
// results, which may hold what is not for the client.
import type { TaskResult, TaskStep } from '../../../client/types.ts'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'

const MAX_CHARS = 2_000

const cut = (text: string): string => (text.length <= MAX_CHARS ? text : `${text.slice(0, MAX_CHARS)}…`)

/** What an event adds to the reasoning text; null if nothing. */
export function activityOf({ kind, detail }: TaskProgressed): string | null {
  const fields = typeof detail === 'object' && detail !== null && !Array.isArray(detail) ? detail : {}
  switch (kind) {
    case 'model_called':
      return modelTurn(fields)
    case 'retry_scheduled':
      return `Trying again: ${String(fields['code'])}\n`
    case 'model_changed':
      return `Going on with ${String(fields['to'])}: ${String(fields['code'])}\n`
    case 'approval_requested':
      return fields['why'] === 'question'
        ? `Waiting for a person to answer ${String(fields['tool'])}\n`
        : `Waiting for a person to decide about ${String(fields['tool'])}\n`
    default:
      return null
  }
}

/** The same of a task that has ended. */
export function activityOfResult({ steps }: TaskResult): string {
  return steps.map(stepText).join('')
}

/** The last step's text is the answer, which is no reasoning. */
function modelTurn(fields: Readonly<Record<string, unknown>>): string | null {
  const text = typeof fields['text'] === 'string' ? fields['text'].trim() : ''
  const calls = Array.isArray(fields['toolCalls']) ? (fields['toolCalls'] as unknown[]) : []
  if (calls.length === 0) return /^(`{3,}|~{3,})/m.test(text) ? `${cut(text)}\n` : null
  const lines = calls.map((call) => {
    const { name, argumentsText } = call as { name?: unknown; argumentsText?: unknown }
    return `${String(name)}(${cut(String(argumentsText))})`
  })
  return [...(text === '' ? [] : [cut(text)]), ...lines].map((line) => `${line}\n`).join('')
}

function stepText({ kind, text, code, toolCalls }: TaskStep): string {
  if (kind === 'answer') return ''
  if (kind === 'code') return `${cut((text ?? code ?? '').trim())}\n`
  const said = (text ?? '').trim()
  const calls = toolCalls.map((call) => `${call.tool}(${cut(JSON.stringify(call.arguments))})`)
  return [...(said === '' ? [] : [cut(said)]), ...calls].map((line) => `${line}\n`).join('')
}
