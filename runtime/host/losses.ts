// How lost input and lost state are said: in the log, and by /ready for a while.
import type { InputLoss, StateLoss } from '../log/port.ts'
import { plural } from '../text/quantities.ts'

export function inputLossText(stage: string, lane: number, { topic, cause, from, to }: InputLoss): string {
  if (cause === 'retention')
    return (
      `${topic}[${lane}]: ${plural(to - from, 'record was', 'records were')} deleted before ${stage} had read them ` +
      `(offsets ${from} to ${to}); raise the topic's retention, or scale the stage`
    )
  return `${topic}[${lane}]: the log was ${cause}; ${stage} had read up to offset ${from} and goes on at ${to}`
}

const UNDER_WAY =
  'tasks that were under way end only if another stage ends them. Submit them again under other ids'

export function stateLossText(stage: string, lane: number, cause: StateLoss): string {
  const losses: Readonly<Record<StateLoss, string>> = {
    recreated: `was deleted and created again: the state of ${stage} is lost; ${UNDER_WAY}`,
    deleted:
      `has lost rows: its cleanup.policy is, or was, not compact alone (flotilla doctor), and has deleted state of ` +
      `${stage}; ${UNDER_WAY}`,
    truncated:
      `has lost its newest rows (an unclean leader election, or an old copy of a broker's disk): ${stage} goes on from an ` +
      `older state and does again what it had done since; results may come twice (docs/runbooks/input_lost.md)`,
  }
  return `${stage}.state[${lane}] ${losses[cause]}`
}
