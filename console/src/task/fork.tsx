// Runs an ended task once more from one of its steps, with something changed, and leads to the new task.
import { useState } from 'preact/hooks'
import { post } from '../api/client.ts'
import { Dialog } from '../components/dialog.tsx'
import { Area, Choice, Field } from '../components/fields.tsx'
import { useAgents, useModels } from '../new/choices.ts'
import { navigate } from '../router.ts'
import { toast, toastError } from '../toast.ts'

const policies = [
  { value: 'recorded', label: 'Recorded outcomes; other calls are refused' },
  { value: 'refuse', label: 'Refuse every call' },
  { value: 'ask', label: 'Recorded outcomes; ask a person about others' },
  { value: 'live', label: 'Call the tools: side effects happen again' },
]

interface ForkProps {
  readonly id: string
  readonly steps: number
  readonly onClose: () => void
}

export function ForkDialog({ id, steps, onClose }: ForkProps) {
  const [fromStep, setFromStep] = useState('1')
  const [model, setModel] = useState('')
  const [agent, setAgent] = useState('')
  const [instructions, setInstructions] = useState('')
  const [tools, setTools] = useState('recorded')
  const [maxCost, setMaxCost] = useState('')
  const [isSent, setSent] = useState(false)
  const agents = useAgents()
  const models = useModels()
  const costError =
    maxCost.trim() !== '' && !(Number(maxCost) > 0) ? 'A number of dollars above 0' : undefined
  const fork = async (): Promise<void> => {
    setSent(true)
    try {
      const { taskId } = await post(
        '/v1/tasks/:id/fork',
        {
          fromStep: Number(fromStep),
          tools: tools as 'recorded',
          ...given('model', model),
          ...given('agent', agent),
          ...given('instructions', instructions),
          ...(maxCost.trim() === '' ? {} : { maxCost: Number(maxCost) }),
        },
        { params: { id } },
      )
      toast('Forked')
      onClose()
      navigate(`/tasks/${encodeURIComponent(taskId)}`)
    } catch (error) {
      setSent(false)
      toastError(error)
    }
  }
  const actions = (
    <button class="primary" disabled={isSent || costError !== undefined} onClick={() => void fork()}>
      {isSent ? 'Forking…' : 'Fork'}
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
        onChange={setFromStep}
      />
      <Choice label="Tool calls" value={tools} options={policies} onChange={setTools} />
      <Field label="Model" value={model} onInput={setModel} options={models} placeholder="as before" />
      <Field label="Agent" value={agent} onInput={setAgent} options={agents} placeholder="as before" />
      <Area
        label="Instructions"
        value={instructions}
        onInput={setInstructions}
        hint="In place of the agent’s own; empty keeps them"
      />
      <Field
        label="Most dollars"
        type="number"
        value={maxCost}
        onInput={setMaxCost}
        error={costError}
        placeholder="as before"
      />
    </Dialog>
  )
}

const given = (name: string, value: string): Record<string, string> =>
  value.trim() === '' ? {} : { [name]: value.trim() }
