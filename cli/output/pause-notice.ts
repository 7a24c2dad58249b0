// Says, while a task is followed, which pauses hold it up, and when they end.
import { usingOperator } from '../../operator/connect.ts'
import { httpOperator } from '../../operator/http.ts'
import type { Operator } from '../../operator/index.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { Pause } from '../../runtime/pauses.ts'
import type { LiveView } from './live-view.ts'
import { pauseLines } from './task-state.ts'

const EVERY_MS = 3_000

/** The stages that a task waits for. */
const onItsWay: readonly string[] = ['router', 'sessions', 'planner', 'tool-executor', 'code-sandbox']

const nameOf = ({ stage }: Pause): string => stage ?? 'the fleet'

type ListPauses = () => Promise<readonly Pause[]>

/** Runs `work` with the operator of the fleet that a client reaches, over one connection. */
export async function besideClient<T>(work: (operator: Operator) => Promise<T>): Promise<T> {
  const { kafkaBrokers, raw, port } = readEnvironment(process.env)
  const url = raw['FLOTILLA_URL'] || (kafkaBrokers.length === 0 ? `http://127.0.0.1:${port}` : null)
  return url === null ? usingOperator(work) : work(httpOperator(url))
}

/** Looks at once and every few seconds, until the returned function is called. */
export function watchPauses(
  view: Pick<LiveView, 'note' | 'paused'>,
  list: ListPauses,
  everyMs = EVERY_MS,
): () => void {
  let known: readonly Pause[] = []
  let isLooking = false
  let isOver = false
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    // A gateway that does not answer is reported by the stream of the task.
    const found = await list().catch(() => known)
    isLooking = false
    if (isOver) return
    const pauses = found.filter(({ stage }) => stage === null || onItsWay.includes(stage))
    const names = pauses.map(nameOf)
    for (const pause of pauses.filter((each) => !known.some((old) => nameOf(old) === nameOf(each))))
      view.note(
        `${pauseLines([pause]).join('')}; the task waits until: flotilla resume${pause.stage === null ? '' : ` ${pause.stage}`}`,
      )
    for (const old of known.filter((each) => !names.includes(nameOf(each))))
      view.note(`${nameOf(old)} has been resumed`)
    known = pauses
    view.paused(names)
  }
  void look()
  const timer = setInterval(() => void look(), everyMs).unref()
  return () => {
    isOver = true
    clearInterval(timer)
  }
}
