import { Dialog } from '../components/dialog.tsx'
import { pages } from '../pages.ts'
import { may } from '../api/session.ts'

const fixed: readonly (readonly [string, string])[] = [
  ['j k', 'Next and previous row; on a task, the next and previous one of its list'],
  ['Enter', 'Open the row'],
  ['/', 'Search'],
  ['e', 'Expand or close all steps of a task'],
  ['a d', 'Approve or decline the call that is shown'],
  ['Esc', 'Leave a field, close a dialog'],
  ['?', 'This help'],
]

export function KeyHelp({ onClose }: { readonly onClose: () => void }) {
  const go = pages.flatMap(({ nav, scope }) =>
    nav && may(scope) ? [[`g ${nav.key}`, nav.label] as const] : [],
  )
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl class="keys">
        {[...go, ...fixed].map(([keys, meaning]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
