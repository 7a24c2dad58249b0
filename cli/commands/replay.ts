// Replays an ended task, and says whether the stages would decide the same.
import type { Command } from 'commander'
import { usingOperator } from '../../operator/connect.ts'
import type { TaskReplay } from '../../operator/direct/tasks/replay.ts'
import { taskStages } from '../../services/index.ts'
import { taskId } from '../program/arguments.ts'
import { exitCodes } from '../program/exit-codes.ts'
import { paint, print, printJson } from '../output/output.ts'
import { plural } from '../output/units.ts'

export function defineReplay(command: Command): void {
  command
    .description(
      'run the stages again over the events of an ended task; nothing is called, nothing is written',
    )
    .argument('<taskId>', '', taskId)
    .option('--json', 'one JSON object on stdout')
    .addHelpText('after', '\n0: every decision came out the same; 1: one did not.')
    .action(replay)
}

async function replay(taskId: string, { json }: { json?: boolean }): Promise<void> {
  const replayed = await usingOperator(({ forks }) => forks.replay(taskId), { stages: taskStages })
  if (json) printJson(replayed)
  else show(replayed)
  process.exit(replayed.same ? exitCodes.success.code : exitCodes.failed.code)
}

function show({ taskId, same, stages }: TaskReplay): void {
  for (const { stage, handled, compared, divergence } of stages) {
    const verdict = divergence === null ? paint('green', 'same') : paint('red', 'differs')
    const counts = `${plural(handled, 'handling')}, ${plural(compared, 'event')} compared`
    print(`${paint('cyan', stage.padEnd(14))}${verdict}  ${paint('dim', counts)}`)
    if (divergence === null) continue
    const { eventType, eventId, step, what } = divergence
    print(`  at ${eventType}${step === null ? '' : ` of step ${step}`} (${eventId}): ${what}`)
  }
  print(same ? `Task ${taskId} is decided the same.` : `Task ${taskId} is decided differently.`)
}
