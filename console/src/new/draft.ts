// A task as a form has it, in texts, and as the API takes it.

const fields = [
  'text',
  'agent',
  'mode',
  'model',
  'profile',
  'maxSteps',
  'timeoutS',
  'maxCost',
  'maxOutputTokens',
  'priority',
  'sessionId',
  'taskId',
  'outputSchema',
] as const

export type DraftField = (typeof fields)[number]
export type Draft = Readonly<Record<DraftField, string>>
export type Mistakes = Readonly<Partial<Record<DraftField, string>>>

export const emptyDraft = Object.fromEntries(fields.map((name) => [name, ''])) as Draft

const texts = ['agent', 'mode', 'model', 'profile', 'sessionId', 'taskId'] as const
const numbers = ['maxSteps', 'maxCost', 'maxOutputTokens', 'priority'] as const

/** The task, and what is wrong with the fields that are left out of it. */
export function taskOf(draft: Draft): {
  readonly task: Record<string, unknown> & { text: string }
  readonly mistakes: Mistakes
} {
  const mistakes: { -readonly [Name in keyof Mistakes]: string } = {}
  const task: Record<string, unknown> & { text: string } = { text: draft.text }
  for (const name of texts) if (draft[name].trim() !== '') task[name] = draft[name].trim()
  const number = (name: DraftField): number | null => {
    const given = draft[name].trim().replace(',', '.')
    if (given === '') return null
    if (/^-?\d+(\.\d+)?$/.test(given)) return Number(given)
    mistakes[name] = 'must be a number'
    return null
  }
  for (const name of numbers) {
    const value = number(name)
    if (value !== null) task[name] = value
  }
  const seconds = number('timeoutS')
  if (seconds !== null) task['timeoutMs'] = Math.round(seconds * 1_000)
  if (draft.outputSchema.trim() !== '') {
    const schema = objectIn(draft.outputSchema)
    if (schema === null) mistakes.outputSchema = 'must be a JSON object'
    else task['outputSchema'] = schema
  }
  return { task, mistakes }
}

function objectIn(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null
  } catch {
    return null
  }
}

/** A submission as the form shows it, to be sent again as a new task. */
export function draftOf(submission: Readonly<Record<string, unknown>>): Draft {
  const { timeoutMs, outputSchema } = submission
  const given = fields.map((name): [DraftField, string] => {
    const value = submission[name]
    return [name, typeof value === 'string' || typeof value === 'number' ? String(value) : '']
  })
  return {
    ...(Object.fromEntries(given) as Draft),
    taskId: '',
    timeoutS: typeof timeoutMs === 'number' ? String(timeoutMs / 1_000) : '',
    outputSchema:
      outputSchema === null || outputSchema === undefined ? '' : JSON.stringify(outputSchema, null, 2),
  }
}
