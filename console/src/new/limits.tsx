// Fields of a task that most tasks leave as the agent has them.
import { Area, Field } from '../components/fields.tsx'
import type { Draft, DraftField, Mistakes } from './draft.ts'

interface LimitsProps {
  readonly draft: Draft
  readonly mistakes: Mistakes
  readonly isOpen: boolean
  readonly set: (name: DraftField) => (value: string) => void
}

export function Limits({ draft, mistakes, isOpen, set }: LimitsProps) {
  const of = (name: DraftField) => ({ value: draft[name], onInput: set(name), error: mistakes[name] })
  return (
    <details open={isOpen}>
      <summary>Limits, output schema, session</summary>
      <div class="grid">
        <Field label="Most steps" type="number" {...of('maxSteps')} />
        <Field label="Time limit, s" type="number" {...of('timeoutS')} />
        <Field label="Most cost, $" type="number" {...of('maxCost')} />
        <Field label="Most tokens of an answer" type="number" {...of('maxOutputTokens')} />
        <Field label="Priority" type="number" {...of('priority')} hint="Higher goes first; 0 is normal" />
        <Field label="Profile" {...of('profile')} />
        <Field label="Session" {...of('sessionId')} hint="Conversation that it belongs to" />
        <Field label="Task id" {...of('taskId')} hint="Submitted twice, it runs once" />
      </div>
      <Area
        label="Output schema"
        {...of('outputSchema')}
        rows={6}
        isCode
        placeholder={'{ "type": "object", "properties": { } }'}
        hint="JSON Schema that the answer must fit"
      />
    </details>
  )
}
