// A recorded step again, without the model: what it said and heard, and in code mode its Python.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { merge } from '../../runtime/decisions.ts'
import type { RecordedStep } from '../../runtime/task/recording.ts'
import { runCode } from './code/step.ts'
import { readCode } from './code/blocks.ts'
import { progressEvent } from './events.ts'
import { repeated } from './recorded.ts'
import { change, put, type Changes, type Move, type Situation } from './rows.ts'
import { newStep, nextStep } from './step.ts'
import type { ToolBook } from './tools/catalogue.ts'
import { assistantMessage, toolMessages } from './tools/step.ts'

export function repeatStep(from: Situation, recorded: RecordedStep, fleet: Fleet, book: ToolBook): Move {
  const shown: Changes = { emit: [progressEvent(from, 'model_called', describe(from, recorded))] }
  const move = moveOf(from, recorded, fleet, book)
  return { ...move, changes: merge(shown, move.changes) }
}

function moveOf(from: Situation, recorded: RecordedStep, fleet: Fleet, book: ToolBook): Move {
  switch (recorded.kind) {
    case 'code':
      return repeatCode(from, recorded, fleet, book)
    case 'tools':
      return repeatCalls(from, recorded, book)
    case 'answer':
      return repeatAnswer(from, recorded)
  }
}

function repeatCode(from: Situation, { text, code }: RecordedStep, fleet: Fleet, book: ToolBook): Move {
  const written = code ?? ''
  const { said, imagined } = readCode(text ?? '') ?? {
    said: text || `\`\`\`python\n${written}\n\`\`\``,
    imagined: false,
  }
  return runCode(from, text ?? '', { code: written, said, imagined }, fleet, book)
}

function repeatCalls(from: Situation, recorded: RecordedStep, book: ToolBook): Move {
  const step = repeated(from, recorded, newStep(from, 'tools', recorded.text ?? ''))
  const toolCalls = recorded.toolCalls.map((call) => ({
    id: '',
    name: call.tool,
    argumentsText: call.argumentsText ?? JSON.stringify(call.arguments),
  }))
  const said = assistantMessage(from, recorded.text ?? '', { toolCalls })
  const { to, rows } = change(from, {
    run: { ...from.run, reminded: false },
    ...put(`said:${from.run.step}`, said),
  })
  const move = nextStep(to, step, toolMessages(to, step, book))
  return { ...move, changes: merge({ rows }, move.changes) }
}

/** An answer that was sent back with its mistake. */
function repeatAnswer(from: Situation, recorded: RecordedStep): Move {
  const { text, error, observation } = recorded
  const step = repeated(from, recorded, newStep(from, 'answer', text ?? ''))
  const said = put(`said:${from.run.step}`, { role: 'assistant', content: text || '(no answer)' })
  const { to, rows } = change(from, said)
  const reminded = error === null || error.code === 'OUTPUT_EMPTY' || from.run.reminded
  const heard = [{ role: 'user' as const, content: observation ?? '' }]
  const move = nextStep(to, step, heard, { miss: error, reminded })
  return { ...move, changes: merge({ rows }, move.changes) }
}

/** As the history shows a model's answer; nothing was spent. */
function describe(from: Situation, { model, text, toolCalls, kind }: RecordedStep) {
  return {
    model,
    promptVersion: from.task.promptVersion,
    text: text ?? '',
    toolCalls:
      kind === 'tools'
        ? toolCalls.map(({ tool: name, arguments: args, argumentsText }) => ({
            name,
            argumentsText: argumentsText ?? JSON.stringify(args),
          }))
        : [],
    inputTokens: 0,
    outputTokens: 0,
    cost: 0,
    durationMs: 0,
    finishReason: 'stop',
    recorded: true,
  }
}
