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
  return (
    <details open={isOpen}>
      <summary>Limits, output schema, session</summary>
      <div class="grid">
        <Field
          label="Most steps"
          type="number"
          value={draft.maxSteps}
          onInput={set('maxSteps')}
          error={mistakes.maxSteps}
        />
        <Field
          label="Time limit, s"
          type="number"
          value={draft.timeoutS}
          onInput={set('timeoutS')}
          error={mistakes.timeoutS}
        />
        <Field
          label="Most cost, $"
          type="number"
          value={draft.maxCost}
          onInput={set('maxCost')}
          error={mistakes.maxCost}
        />
        <Field
          label="Most tokens of an answer"
          type="number"
          value={draft.maxOutputTokens}
          onInput={set('maxOutputTokens')}
          error={mistakes.maxOutputTokens}
        />
        <Field
          label="Priority"
          type="number"
          value={draft.priority}
          onInput={set('priority')}
          error={mistakes.priority}
          hint="Higher goes first; 0 is normal"
        />
        <Field label="Profile" value={draft.profile} onInput={set('profile')} />
        <Field
          label="Session"
          value={draft.sessionId}
          onInput={set('sessionId')}
          hint="Conversation that it belongs to"
        />
        <Field
          label="Task id"
          value={draft.taskId}
          onInput={set('taskId')}
          hint="Submitted twice, it runs once"
        />
      </div>
      <Area
        label="Output schema"
        value={draft.outputSchema}
        onInput={set('outputSchema')}
        rows={6}
        isCode
        placeholder={'{ "type": "object", "properties": { } }'}
        error={mistakes.outputSchema}
        hint="JSON Schema that the answer must fit"
      />
    </details>
  )
}
