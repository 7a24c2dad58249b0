// The list of a fleet that has run nothing yet: what to do first.
import { may } from '../api/session.ts'
import { Empty } from '../components/states.tsx'
import { ModelNotice } from '../new/model-notice.tsx'

/** Within reach of any model, and among the conversations that the scripted one plays. */
const EXAMPLE = 'What is 2 to the power of 100?'

export function NoTasks() {
  if (!may('tasks:submit'))
    return (
      <Empty title="No tasks yet">
        <p>They appear here as they are submitted.</p>
      </Empty>
    )
  return (
    <>
      <ModelNotice />
      <Empty title="No tasks yet">
        <p>
          Each one appears here as it is submitted: on this page, by <code>flotilla submit</code>, over the
          HTTP API, or by a client library.
        </p>
        <a class="button primary" href="/new">
          Submit the first one
        </a>
        <p>
          For example: <a href={`/new?text=${encodeURIComponent(EXAMPLE)}`}>{EXAMPLE}</a>
        </p>
      </Empty>
    </>
  )
}
