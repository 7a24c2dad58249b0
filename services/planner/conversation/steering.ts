// Messages of its session that a running task takes along.
//
// 1. A message becomes part of the conversation before the next model call. Once such a call was answered, the end of the
//    task names the message, and its answer is the message's too.
// 2. One that comes too late, because the task ends before another call was answered, is not taken along, also if it is
//    part of the conversation by then: the session gives it a turn of its own. So it does with one whose answer must fit
//    another schema than this task's.
// 3. After a crash events of other topics may come in another order, and a call that was answered already has a message in
//    its prompt that its answer does not know. So answers say which messages they know.
// 4. One whose own task ends while it waits for the next prompt (a cancel, its deadline) is withdrawn: no
//    prompt asks for what its sender knows to be cancelled.
import { sortedJson } from '../../../runtime/json/sorted.ts'
import type { TaskSteered } from '../../../schemas/generated/events.ts'
import type { Message, ModelReply } from '../call.ts'
import { tellMeanwhile } from '../prompts/replies.ts'
import { change, put, type Changes, type Run, type Situation } from '../rows.ts'

export function steer(from: Situation, data: TaskSteered): Changes {
  const { task, run, rows } = from
  const { sessionId, fromTask, text, outputSchema } = data
  if (data.withdrawn) return withdraw(from, data)
  const isKnown = run.steered?.includes(fromTask) || rows.steers?.some((each) => each.task === fromTask)
  if (task.sessionId !== sessionId || isKnown) return {}
  if (sortedJson(outputSchema) !== sortedJson(task.outputSchema)) return {}
  const pending = [...(rows.steers ?? []), { task: fromTask, text }]
  // A model call is due, and no result is checked: it gets the message.
  if (run.phase !== 'model' || rows.answer) return { rows: { steers: pending } }
  const name = `heard:${run.step - 1}` as const
  const taken = takeSteers(change(from, { steers: pending }).to)
  const heard = [...(rows[name] ?? []), ...taken.heard]
  return change(from, { ...put(name, heard), run: { ...run, ...taken.run }, steers: null })
}

function withdraw({ task, rows }: Situation, { sessionId, fromTask }: TaskSteered): Changes {
  const pending = rows.steers ?? []
  const steers = pending.filter((each) => each.task !== fromTask)
  if (task.sessionId !== sessionId || steers.length === pending.length) return {}
  return { rows: { steers: steers.length > 0 ? steers : null } }
}

/** The progress after an answer, which names the messages that it knows. */
export function withSeen(before: Run, { steered: seen }: Pick<ModelReply, 'steered'>): Run {
  if (before.steered === undefined && before.unseen === undefined) return before
  const { unseen: _, ...run } = before
  const unseen = seen === undefined ? [] : (run.steered ?? []).filter((task) => !seen.includes(task))
  return unseen.length > 0 ? { ...run, unseen } : run
}

/** Those that an answer of the model knows: what the task ends with is the answer to them, too. */
export const answeredMessages = ({ steered = [], unseen = [] }: Run): string[] =>
  steered.filter((task) => !unseen.includes(task))

/** The messages that wait, for the conversation of the next step. */
export function takeSteers({ run, rows }: Situation): { heard: Message[]; run: Partial<Run> } {
  const steers = rows.steers ?? []
  if (steers.length === 0) return { heard: [], run: {} }
  const heard = steers.map(({ text }): Message => ({ role: 'user', content: tellMeanwhile(text) }))
  const tasks = steers.map(({ task }) => task)
  const { steered = [], unseen = [] } = run
  return { heard, run: { steered: [...steered, ...tasks], unseen: [...unseen, ...tasks] } }
}
