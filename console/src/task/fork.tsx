// Runs an ended task once more from one of its steps, with something changed, and leads to the new task.
import { useAction } from '../action.ts'
import { post } from '../api/client.ts'
import { Dialog } from '../components/dialog.tsx'
import { Area, Choice, Field } from '../components/fields.tsx'
import { useDraft } from '../drafts.ts'
import { useAgents, useModels } from '../new/choices.ts'
import { navigate } from '../router.ts'
import { toast } from '../toast.ts'

const policies = [
  { value: 'recorded', label: 'Recorded outcomes; other calls are refused' },
  { value: 'refuse', label: 'Refuse every call' },
  { value: 'ask', label: 'Recorded outcomes; ask a person about others' },
  { value: 'live', label: 'Call the tools: side effects happen again' },
]

const emptyFork = {
  fromStep: '1',
  model: '',
  agent: '',
  instructions: '',
  tools: 'recorded',
  maxCost: '',
}

interface ForkProps {
  readonly id: string
  readonly steps: number
  readonly onClose: () => void
}

export function ForkDialog({ id, steps, onClose }: ForkProps) {
  const { value: draft, set, clear } = useDraft(`Fork of ${id}`, emptyFork)
  const { fromStep, model, agent, instructions, tools, maxCost } = draft
  const change = (name: keyof typeof emptyFork) => (value: string) => set({ ...draft, [name]: value })
  const agents = useAgents()
  const models = useModels()
  const costError =
    maxCost.trim() !== '' && !(Number(maxCost) > 0) ? 'A number of dollars above 0' : undefined
  const { run: fork, isBusy } = useAction(async () => {
    const body = {
      fromStep: Number(fromStep),
      tools: tools as 'recorded',
      ...given('model', model),
      ...given('agent', agent),
      ...given('instructions', instructions),
      ...(maxCost.trim() === '' ? {} : { maxCost: Number(maxCost) }),
    }
    const { taskId } = await post('/v1/tasks/:id/fork', body, { params: { id } })
    toast('Forked')
    clear()
    onClose()
    navigate(`/tasks/${encodeURIComponent(taskId)}`)
  })
  const actions = (
    <button class="primary" disabled={isBusy || costError !== undefined} onClick={fork}>
      {isBusy ? 'Forking…' : 'Fork'}
    </button>
  )
  return (
    <Dialog title="Fork this task" onClose={onClose} actions={actions}>
      <p class="muted">
        A new task shares the steps before the chosen one and runs the others again, with its own limits.
      </p>
      <Choice
        label="From step"
        value={fromStep}
        options={Array.from({ length: Math.max(1, steps) }, (_, index) => ({
          value: String(index + 1),
          label: index === 0 ? '1 · everything runs again' : String(index + 1),
        }))}
        onChange={change('fromStep')}
      />
      <Choice label="Tool calls" value={tools} options={policies} onChange={change('tools')} />
      <Field label="Model" value={model} onInput={change('model')} options={models} placeholder="as before" />
      <Field label="Agent" value={agent} onInput={change('agent')} options={agents} placeholder="as before" />
      <Area
        label="Instructions"
        value={instructions}
        onInput={change('instructions')}
        hint="In place of the agent’s own; empty keeps them"
      />
      <Field
        label="Most dollars"
        type="number"
        value={maxCost}
        onInput={change('maxCost')}
        error={costError}
        placeholder="as before"
      />
    </Dialog>
  )
}

const given = (name: string, value: string): Record<string, string> =>
  value.trim() === '' ? {} : { [name]: value.trim() }
